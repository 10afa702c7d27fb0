package request

import (
	"bytes"
	crand "crypto/rand"
	"encoding/binary"
	"strings"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/wire/http2"
)

// Trace is the id of a sampled request's trace, of W3C Trace Context. The zero value is that of a request which is not
// sampled.
type Trace struct{ High, Low uint64 }

// TraceHeader is the header by which a service learns that a request is sampled, and its trace.
const TraceHeader = "traceparent"

var traceName = http2.NewName(TraceHeader)

// Sampled reports whether the request is.
func (t Trace) Sampled() bool { return t != Trace{} }

// String is the id as traces have it: 32 hexadecimal digits; empty where the request is not sampled.
func (t Trace) String() string {
	if !t.Sampled() {
		return ""
	}
	return string(appendHex(appendHex(nil, t.High), t.Low))
}

// AppendValue appends the value of the header of a sampled request. Its second id is that of the request within the
// trace, which the spans of the service name as their parent.
func (t Trace) AppendValue(dst []byte) []byte {
	dst = appendHex(appendHex(append(dst, "00-"...), t.High), t.Low)
	return append(appendHex(append(dst, '-'), t.High^t.Low|1), "-01"...)
}

// appendLine appends the header line, after the line before it; nothing where the request is not sampled.
func (t Trace) appendLine(dst []byte) []byte {
	if !t.Sampled() {
		return dst
	}
	return t.AppendValue(append(dst, "\r\n"+TraceHeader+": "...))
}

func appendHex(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

// sampler chooses the requests that are sampled: the same ones in each run with a seed, but with other ids, because a
// collector of traces may have those of several runs.
type sampler struct {
	below uint64 // a request whose random number is below is sampled; 0: none is
	salt  Trace
}

// traceStream is the random stream of the choice, apart from the others.
const traceStream = 0x7472616365

func newSampler(ratio float64) (s sampler) {
	if ratio <= 0 {
		return s
	}
	s.below = uint64(min(ratio, 1) * (1 << 63))
	var salt [16]byte
	_, _ = crand.Read(salt[:]) // it does not fail
	s.salt = Trace{binary.LittleEndian.Uint64(salt[:8]), binary.LittleEndian.Uint64(salt[8:])}
	return s
}

// sample decides whether the request that d is at is sampled.
func (s *Set) sample(d *Draw) {
	if s.sampler.below == 0 {
		return
	}
	d.Trace = Trace{}
	r := random.ForIteration(s.seed^traceStream^d.place(), d.N)
	if r.Uint64()>>1 >= s.sampler.below || s.hasOwnTrace(d) {
		return
	}
	d.Trace = Trace{r.Uint64() ^ s.sampler.salt.High, r.Uint64() ^ s.sampler.salt.Low | 1}
}

// hasOwnTrace reports whether the scenario, or the recording, says what the header of a request is.
func (s *Set) hasOwnTrace(d *Draw) bool {
	for _, h := range s.requests[d.Request].headers {
		if strings.EqualFold(h.name, TraceHeader) {
			return true
		}
	}
	if s.recording == nil {
		return false
	}
	for line := range bytes.SplitSeq(s.recording.Headers(d.N), []byte("\r\n")) {
		name, _, found := bytes.Cut(line, []byte(":"))
		if found && strings.EqualFold(string(name), TraceHeader) {
			return true
		}
	}
	return false
}
