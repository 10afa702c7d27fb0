package loadgen

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/recording"
	"github.com/policycortex/headroom/scenarios"
)

// KeySet is a set of keys that requests draw from: Append appends key i, 0 <= i < Len, to dst. Append must be safe for
// concurrent use.
type KeySet struct {
	Len    int
	Append func(dst []byte, i int) []byte
}

// requestSet is a scenario's requests, ready to be drawn and rendered.
type requestSet struct {
	seed       uint64
	requests   []request
	cumulative []int          // of the weights
	recording  *recording.Log // what is sent in place of what is drawn; nil: nothing
	secrets    *scenarios.Redactor
}

// request renders one named request.
type request struct {
	plan    *scenarios.Request
	values  []value
	path    []part
	headers []header
	body    []part
	inspect *inspection // nil: nothing of its answers is kept
	next    bool        // the request after it is the next step of its flow
}

// value draws one key.
type value struct {
	keys   KeySet
	choice scenarios.Choice
	zipf   random.Zipf
	row    *rowChoice // of a feeder's column; then the others but keys are not used
}

// part is a literal, or the hole that a value (by index) or a built-in fills.
type part struct {
	literal string
	hole    int
}

type header struct {
	name   string
	value  []part
	static string // the value, when it has no hole
}

// Holes that are not values.
const (
	noHole        = -1
	holeIteration = -2
	holeUUID      = -3
	holeExtracted = -4 // of slot 0; of slot i it is i less
)

// newRequestSet prepares a scenario's requests. fixture resolves key sets of the fixture; it may be nil when no request
// names one. feeders are those of the plan.
func newRequestSet(seed uint64, s *scenarios.Scenario, fixture func(name string) (KeySet, error), feeders Feeders) (*requestSet, error) {
	set := &requestSet{seed: random.ScenarioSeed(seed, s.Name)}
	total := 0
	var slots map[string]int
	for i := range s.Requests {
		if s.Requests[i].Step == 0 {
			slots = map[string]int{}
		}
		r, err := newRequest(&s.Requests[i], set.seed, slots, fixture, feeders)
		if err != nil {
			return nil, fmt.Errorf("scenario %s, request %s: %w", s.Name, s.Requests[i].Name, err)
		}
		r.next = i+1 < len(s.Requests) && s.Requests[i+1].Step > 0
		total += s.Requests[i].Weight
		set.requests = append(set.requests, r)
		set.cumulative = append(set.cumulative, total)
	}
	return set, nil
}

// newRequest prepares a request. slots are those of what the flow's earlier steps extract; it adds its own.
func newRequest(plan *scenarios.Request, seed uint64, slots map[string]int, fixture func(name string) (KeySet, error), feeders Feeders) (request, error) {
	r := request{plan: plan}
	index := map[string]int{scenarios.ValueIteration: holeIteration, scenarios.ValueUUID: holeUUID}
	for i, v := range plan.Values {
		keys, err := keySet(v.Keys, fixture, feeders)
		if err != nil {
			return r, fmt.Errorf("value %s: %w", v.Name, err)
		}
		out := value{keys: keys, choice: v.Choice}
		if k, ok := v.Keys.(scenarios.FeederKeys); ok {
			out.row = newRowChoice(seed, feeders[k.Feeder])
		}
		if v.Choice == scenarios.Zipf {
			out.zipf = random.NewZipf(keys.Len, v.Exponent)
		}
		r.values = append(r.values, out)
		index[v.Name] = i
	}
	for name, slot := range slots {
		index[name] = holeExtracted - slot
	}
	r.path = escapePath(parts(plan.Path, index))
	r.body = parts(plan.Body, index)
	for _, h := range plan.Headers {
		out := header{name: h.Name, value: parts(h.Value, index)}
		if len(out.value) == 1 && out.value[0].hole == noHole {
			out.static = out.value[0].literal
		}
		r.headers = append(r.headers, out)
	}
	var err error
	for _, x := range plan.Extract {
		slots[x.Name] = len(slots)
	}
	r.inspect, err = newInspection(plan, slots)
	return r, err
}

func parts(t scenarios.Template, index map[string]int) []part {
	var out []part
	for _, p := range t {
		if p.Value == "" {
			out = append(out, part{p.Literal, noHole})
		} else {
			out = append(out, part{hole: index[p.Value]})
		}
	}
	return out
}

// escapePath percent-encodes what the literals have that no path of a URL may have. net/http would do so too, and would
// write the values of the same path anew: a slash in one of them would divide the path.
func escapePath(path []part) []part {
	query := false
	for i := range path {
		literal := path[i].literal
		path[i].literal = string(recording.AppendTarget(nil, literal, query))
		query = query || strings.Contains(literal, "?")
	}
	return path
}

func keySet(of scenarios.Keys, fixture func(name string) (KeySet, error), feeders Feeders) (KeySet, error) {
	switch k := of.(type) {
	case scenarios.FeederKeys:
		f, ok := feeders[k.Feeder]
		if !ok {
			return KeySet{}, fmt.Errorf("the feeder %s was not loaded", k.Feeder)
		}
		return f.keys(k.Name())
	case scenarios.FixtureKeys:
		if fixture == nil {
			return KeySet{}, fmt.Errorf("no fixture to take %s from", k.Set)
		}
		set, err := fixture(k.Set)
		if err != nil {
			return set, err
		}
		if k.First > 0 {
			set.Len = min(set.Len, k.First)
		}
		return set, nil
	case scenarios.RangeKeys:
		return KeySet{int(k.To - k.From + 1), func(dst []byte, i int) []byte {
			return strconv.AppendInt(dst, k.From+int64(i), 10)
		}}, nil
	case scenarios.ListKeys:
		return KeySet{len(k), func(dst []byte, i int) []byte { return append(dst, k[i]...) }}, nil
	}
	panic(fmt.Sprintf("no keys of the kind %T are known", of))
}

// draw is one iteration's choices: which request, and which key of each of its values.
type draw struct {
	n       int64
	request int
	keys    [maxValues]int
	uuid    [2]uint64
	flow    *texts // what the flow's steps have extracted; nil outside of one
}

// maxValues bounds the values of one request so that a draw needs no memory of its own.
const maxValues = 32

// draw makes the choices of iteration n.
func (s *requestSet) draw(n int64) draw {
	r := random.ForIteration(s.seed, n)
	d := draw{n: n}
	if s.recording != nil {
		d.request = s.recording.Name(n)
	} else if len(s.requests) > 1 {
		ticket := r.Below(s.cumulative[len(s.cumulative)-1])
		d.request = sort.SearchInts(s.cumulative, ticket+1)
	}
	s.fill(&d, &r)
	return d
}

// drawOf makes the choices of iteration n for a given request.
func (s *requestSet) drawOf(request int, n int64) draw {
	r := random.ForIteration(s.seed, n)
	d := draw{n: n, request: request}
	s.fill(&d, &r)
	return d
}

// fill chooses the keys of d's request.
func (s *requestSet) fill(d *draw, r *random.Source) {
	n := d.n
	for i := range s.requests[d.request].values {
		v := &s.requests[d.request].values[i]
		switch {
		case v.row != nil:
			d.keys[i] = v.row.row(n)
		case v.choice == scenarios.Sequential:
			d.keys[i] = int(n % int64(v.keys.Len))
		case v.choice == scenarios.Zipf:
			d.keys[i] = v.zipf.Rank(r) - 1
		default:
			d.keys[i] = r.Below(v.keys.Len)
		}
	}
	d.uuid = [2]uint64{r.Uint64(), r.Uint64()}
}

// append renders parts with the choices of d; escape percent-encodes the values for use in a path or query.
func (r *request) append(dst []byte, parts []part, d *draw, escape bool) []byte {
	for _, p := range parts {
		switch p.hole {
		case noHole:
			dst = append(dst, p.literal...)
		case holeIteration:
			dst = strconv.AppendInt(dst, d.n, 10)
		case holeUUID:
			dst = appendUUID(dst, d.uuid)
		default:
			from := len(dst)
			if p.hole <= holeExtracted {
				dst = append(dst, (*d.flow)[holeExtracted-p.hole]...)
			} else {
				dst = r.values[p.hole].keys.Append(dst, d.keys[p.hole])
			}
			if escape {
				dst = escapeTail(dst, from)
			}
		}
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendUUID formats 128 random bits as a UUID of version 4 (RFC 9562, section 5.4).
func appendUUID(dst []byte, u [2]uint64) []byte {
	u[0] = u[0]&^0xf000 | 0x4000
	u[1] = u[1]&^(3<<62) | 1<<63
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[u[i/16]>>(60-4*(i%16))&15])
	}
	return dst
}

// escapeTail percent-encodes dst[from:] but for the unreserved characters of RFC 3986: what it returns means the same
// in a path segment and in a query.
func escapeTail(dst []byte, from int) []byte {
	reserved := 0
	for _, c := range dst[from:] {
		if !unreserved(c) {
			reserved++
		}
	}
	if reserved == 0 {
		return dst
	}
	raw := string(dst[from:])
	dst = dst[:from]
	for i := range len(raw) {
		if c := raw[i]; unreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return dst
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
