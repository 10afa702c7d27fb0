package stream

import (
	"math"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/sse"
	"github.com/policycortex/headroom/scenarios"
)

// Where the units of a time since 1970 part, by how great its number is: seconds until the year 5138, milliseconds from
// 1973 on, and so forth.
const (
	mostSeconds = int64(1e11)
	mostMillis  = int64(1e14)
	mostMicros  = int64(1e17)
)

// timeOf reads when an event was made, in nanoseconds since 1970: a timestamp of RFC 3339, or a time since 1970 in
// seconds, milliseconds, microseconds or nanoseconds, which its size tells, with or without a fraction.
func timeOf(data []byte, path scenarios.JSONPath) (nanos int64, ok bool) {
	text, quoted, found := request.Field(data, path)
	if !found || text == "" {
		return 0, false
	}
	nanos, ok = sinceEpoch(text)
	if ok || !quoted {
		return nanos, ok
	}
	at, err := time.Parse(time.RFC3339, text)
	return at.UnixNano(), err == nil
}

// sinceEpoch reads a decimal number without an exponent. It does not go by way of a float, which has no nanoseconds.
func sinceEpoch(text string) (nanos int64, ok bool) {
	whole, at := int64(0), 0
	for ; at < len(text) && isDigit(text[at]); at++ {
		if at == mostDigits {
			return 0, false
		}
		whole = 10*whole + int64(text[at]-'0')
	}
	if at == 0 || whole < 0 {
		return 0, false
	}
	unit := int64(time.Nanosecond)
	switch {
	case whole < mostSeconds:
		unit = int64(time.Second)
	case whole < mostMillis:
		unit = int64(time.Millisecond)
	case whole < mostMicros:
		unit = int64(time.Microsecond)
	}
	if whole > math.MaxInt64/unit-1 { // nanoseconds end in 2262
		return 0, false
	}
	nanos = whole * unit
	if at == len(text) {
		return nanos, true
	}
	if text[at] != '.' {
		return 0, false
	}
	for _, c := range []byte(text[at+1:]) {
		if !isDigit(c) {
			return 0, false
		}
		unit /= 10
		nanos += int64(c-'0') * unit
	}
	return nanos, true
}

// numberOf reads the id of an event where it is a whole number from 0 to 2^63 - 1: the one in its data, where path
// leads to one, or the stream's own, if this event has set it.
func numberOf(e sse.Event, path scenarios.JSONPath) (n int64, ok bool) {
	if path != nil {
		text, _, found := request.Field(e.Data, path)
		return whole(text), found && whole(text) >= 0
	}
	if !e.Own || len(e.ID) > mostDigits {
		return 0, false
	}
	n = whole(string(e.ID)) // which is short enough to take no memory
	return n, n >= 0
}

// mostDigits is how many digits a number below 2^63 has at most.
const mostDigits = 19

// whole reads a whole number; -1: it is none.
func whole(text string) (n int64) {
	if text == "" || len(text) > mostDigits {
		return -1
	}
	for i := range len(text) {
		if !isDigit(text[i]) {
			return -1
		}
		n = 10*n + int64(text[i]-'0')
	}
	return max(n, -1) // beyond 2^63 it has become negative
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
