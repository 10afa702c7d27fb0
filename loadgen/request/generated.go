package request

import (
	"math"
	"strconv"
	"time"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/scenarios"
)

// rangeKeys are the numbers of a range.
func rangeKeys(k scenarios.RangeKeys) KeySet {
	return KeySet{int(k.To - k.From + 1), func(dst []byte, i int) []byte {
		if k.Decimals == 0 {
			return strconv.AppendInt(dst, k.From+int64(i), 10)
		}
		return appendDecimal(dst, k.From+int64(i), k.Decimals)
	}}
}

// appendDecimal appends a number that is given in units of the last of so many decimals.
func appendDecimal(dst []byte, x int64, decimals int) []byte {
	if x < 0 {
		dst, x = append(dst, '-'), -x
	}
	unit := int64(math.Pow10(decimals))
	dst = append(strconv.AppendInt(dst, x/unit, 10), '.')
	fraction := x % unit
	for unit /= 10; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit%10))
	}
	return dst
}

// stringKeys are random strings: key i is made of a source that i seeds, so that any two of them are independent.
func stringKeys(k scenarios.StringKeys) KeySet {
	alphabet := []rune(k.Alphabet)
	return KeySet{math.MaxInt, func(dst []byte, i int) []byte {
		r := random.ForIteration(uint64(i), int64(k.Length))
		for range k.Length {
			dst = appendRune(dst, alphabet[r.Below(len(alphabet))])
		}
		return dst
	}}
}

func appendRune(dst []byte, c rune) []byte {
	if c < 0x80 {
		return append(dst, byte(c))
	}
	return append(dst, string(c)...)
}

// timeKeys are the instants at which they are asked for.
func timeKeys(k scenarios.TimeKeys) KeySet {
	return KeySet{1, func(dst []byte, _ int) []byte { return appendTime(dst, time.Now(), k.Format) }}
}

func appendTime(dst []byte, t time.Time, format scenarios.TimeFormat) []byte {
	switch format {
	case scenarios.Unix:
		return strconv.AppendInt(dst, t.Unix(), 10)
	case scenarios.UnixMilli:
		return strconv.AppendInt(dst, t.UnixMilli(), 10)
	case scenarios.UnixMicro:
		return strconv.AppendInt(dst, t.UnixMicro(), 10)
	case scenarios.UnixNano:
		return strconv.AppendInt(dst, t.UnixNano(), 10)
	}
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
}
