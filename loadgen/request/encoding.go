package request

import (
	"encoding/base64"
	"strings"

	"github.com/policycortex/headroom/loadgen/recording"
	"github.com/policycortex/headroom/scenarios"
)

// encoder writes what was appended from an index on in the way in which the hole that it fills wants it.
type encoder func(dst []byte, from int) []byte

// newEncoder returns the encoder of a hole with an encoding; nil where what fills it stays as it is.
func newEncoder(p scenarios.Part, encoding scenarios.Encoding) encoder {
	var first, second encoder
	if p.Base64 {
		first = encodeBase64
	}
	if encoding != scenarios.ByPlace && encoding != scenarios.Raw {
		second = func(dst []byte, from int) []byte {
			if encoding.Keeps(dst[from:]) {
				return dst
			}
			end := len(dst)
			return moveDown(encoding.Append(dst, dst[from:end]), from, end)
		}
	}
	return then(first, second)
}

// then is one encoder after another; either may be nil.
func then(first, second encoder) encoder {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(dst []byte, from int) []byte { return second(first(dst, from), from) }
}

func encodeBase64(dst []byte, from int) []byte {
	end := len(dst)
	return moveDown(base64.StdEncoding.AppendEncode(dst, dst[from:end]), from, end)
}

// basicAuth are the segments of an Authorization header of which the given ones are user and password.
func basicAuth(credentials []segment) []segment {
	all := append(text("Basic "), segment{hole: holeBegin})
	return append(append(all, credentials...), segment{hole: holeEnd, encode: encodeBase64})
}

// targetEncoder percent-encodes what no URL may have, in the path or in the query. A "?" in what fills the hole of a
// path begins the query there.
func targetEncoder(query bool) encoder {
	return func(dst []byte, from int) []byte {
		raw := string(dst[from:])
		return recording.AppendTarget(dst[:from], raw, query || strings.HasPrefix(raw, "?"))
	}
}

// moveDown puts dst[end:] in the place of dst[from:end].
func moveDown(dst []byte, from, end int) []byte {
	n := copy(dst[from:], dst[end:])
	return dst[:from+n]
}
