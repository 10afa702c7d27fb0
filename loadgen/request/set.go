// Package request says what a scenario sends: which request iteration n is and with which keys, what it looks like on
// the wire, and what is checked and extracted of its answer.
package request

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

// Set is a scenario's requests, ready to be drawn and rendered.
type Set struct {
	seed       uint64
	requests   []template
	cumulative []int          // of the weights
	recording  *recording.Log // what is sent in place of what is drawn; nil: nothing
	cookies    bool           // the users keep some
	setup      map[string]string
	later      []*scenarios.Request // besides these, those that use what is extracted
	secrets    *scenarios.Redactor
	sampler    sampler
}

// template renders one named request.
type template struct {
	plan    *scenarios.Request
	values  []value
	path    []segment
	headers []header
	body    []segment
	call    *Call       // nil: it is a request of HTTP
	inspect *Inspection // nil: nothing of its answers is kept
	course  course
}

// value draws one key.
type value struct {
	keys   KeySet
	choice scenarios.Choice
	zipf   random.Zipf
	row    *rowChoice // of a feeder's column; then the others but keys are not used
}

// segment is a literal, or the hole that a value (by index) or a built-in fills.
type segment struct {
	literal string
	hole    int
	encode  encoder // of what fills the hole; nil: it stays as it is
}

type header struct {
	name   string
	value  []segment
	static string // the value, when it has no hole
}

// Holes that are not values.
const (
	noHole        = -1
	holeIteration = -2
	holeUUID      = -3
	holeBegin     = -4 // none: what follows it up to holeEnd is encoded as one
	holeEnd       = -5
	holeExtracted = -6     // of slot 0; of slot i it is i less
	holeLogin     = -1_000 // likewise, of what the user's login has extracted
)

// Sources are what requests are made of besides the scenario.
type Sources struct {
	// resolves key sets of the fixture; may be nil when no request names one
	Fixture   func(name string) (KeySet, error)
	Feeders   Feeders             // of the plan
	Recording *recording.Log      // of a scenario that replays one
	Secrets   *scenarios.Redactor // keeps secrets out of messages; may be nil
	Setup     map[string]string   // what the plan's setup has extracted, by name
	// Later are requests of other sets that use what this one's extract; for the secrets among that.
	Later []*scenarios.Request
	// TraceRatio is the share of the requests, 0 to 1, that are sampled: they have a trace.
	TraceRatio float64
}

// New prepares the requests of a scenario of a plan with the given seed.
func New(seed uint64, s *scenarios.Scenario, from Sources) (*Set, error) {
	set := &Set{
		seed: random.ScenarioSeed(seed, s.Name), secrets: from.Secrets, cookies: s.Cookies, setup: from.Setup,
		later: from.Later, sampler: newSampler(from.TraceRatio),
	}
	if _, ok := s.Load.(scenarios.Replay); ok {
		if from.Recording == nil || len(s.Requests) != len(from.Recording.Names) {
			return nil, fmt.Errorf("the recording of scenario %s was not loaded", s.Name)
		}
		set.recording = from.Recording
	}
	total := 0
	names := fillers{setup: from.Setup, login: map[string]int{}}
	for i := range s.Login {
		for _, x := range s.Login[i].Extract {
			names.login[x.Name] = len(names.login)
		}
	}
	for i := range s.Requests {
		if s.Requests[i].Step == 0 {
			names.slots = map[string]int{}
		}
		r, err := newRequest(&s.Requests[i], set.seed, i, names, from)
		if err != nil {
			return nil, fmt.Errorf("scenario %s, request %s: %w", s.Name, s.Requests[i].Name, err)
		}
		total += s.Requests[i].Weight
		set.requests = append(set.requests, r)
		set.cumulative = append(set.cumulative, total)
	}
	set.endBlocks()
	return set, nil
}

// fillers are what fills the holes of requests besides their values.
type fillers struct {
	setup map[string]string
	login map[string]int // slots of what the user's login has extracted
	slots map[string]int // those of what the flow's steps so far extract
	index map[string]int // of values and built-ins; with the others from newRequest on
}

// newRequest prepares the request of that index. It adds the slots of what it extracts itself.
func newRequest(plan *scenarios.Request, seed uint64, at int, names fillers, from Sources) (template, error) {
	r := template{plan: plan}
	index := map[string]int{scenarios.ValueIteration: holeIteration, scenarios.ValueUUID: holeUUID}
	names.index = index
	for i, v := range plan.Values {
		keys, err := keySet(v.Keys, from)
		if err != nil {
			return r, fmt.Errorf("value %s: %w", v.Name, err)
		}
		out := value{keys: keys, choice: v.Choice}
		if k, ok := v.Keys.(scenarios.FeederKeys); ok {
			out.row = newRowChoice(seed, from.Feeders[k.Feeder])
		}
		if v.Choice == scenarios.Zipf {
			out.zipf = random.NewZipf(keys.Len, v.Exponent)
		}
		r.values = append(r.values, out)
		index[v.Name] = i
	}
	for name, slot := range names.login {
		index[name] = holeLogin - slot
	}
	for name, slot := range names.slots {
		index[name] = holeExtracted - slot
	}
	r.path = names.path(plan.Path)
	r.body = names.segments(plan.Body)
	for _, h := range plan.Headers {
		out := header{name: h.Name, value: names.segments(h.Value)}
		if h.Basic {
			out.value = basicAuth(out.value)
		}
		if len(out.value) == 1 && out.value[0].hole == noHole {
			out.static = out.value[0].literal
		}
		r.headers = append(r.headers, out)
	}
	var err error
	if plan.Call != nil {
		r.call, err = newCall(plan.Call, r.values, &names)
		if err != nil {
			return r, err
		}
	}
	r.course, err = newCourse(plan, at, index)
	if err != nil {
		return r, err
	}
	for _, x := range plan.Extract {
		names.slots[x.Name] = len(names.slots)
	}
	r.inspect, err = newInspection(plan, names.slots)
	return r, err
}

// hole is what stands for a hole: of what setup has extracted the text itself.
func (f *fillers) hole(p scenarios.Part, encode encoder) segment {
	if constant, ok := f.setup[p.Value]; ok {
		literal := []byte(constant)
		if encode != nil {
			literal = encode(literal, 0)
		}
		return segment{literal: string(literal), hole: noHole}
	}
	return segment{hole: f.index[p.Value], encode: encode}
}

func (f *fillers) segments(t scenarios.Template) []segment {
	var out []segment
	for _, p := range t {
		if p.Value == "" {
			out = append(out, segment{literal: p.Literal, hole: noHole})
		} else {
			out = append(out, f.hole(p, newEncoder(p, p.Encoding)))
		}
	}
	return out
}

// path are the segments of a path with its query. What the literals have that no path of a URL may have is
// percent-encoded. net/http would do so too, and would write the values of the same path anew: a slash in one of them
// would divide the path.
func (f *fillers) path(t scenarios.Template) []segment {
	var out []segment
	query := false
	for _, p := range t {
		switch {
		case p.Value == "":
			literal := string(recording.AppendTarget(nil, p.Literal, query))
			out = append(out, segment{literal: literal, hole: noHole})
			query = query || strings.Contains(p.Literal, "?")
		case p.Encoding == scenarios.ByPlace:
			out = append(out, f.hole(p, newEncoder(p, scenarios.ForURL)))
		default: // no encoding may leave what no URL may have
			out = append(out, f.hole(p, then(newEncoder(p, p.Encoding), targetEncoder(query))))
		}
	}
	return out
}

func keySet(of scenarios.Keys, from Sources) (KeySet, error) {
	switch k := of.(type) {
	case scenarios.FeederKeys:
		f, ok := from.Feeders[k.Feeder]
		if !ok {
			return KeySet{}, fmt.Errorf("the feeder %s was not loaded", k.Feeder)
		}
		return f.keys(k.Name())
	case scenarios.FixtureKeys:
		if from.Fixture == nil {
			return KeySet{}, fmt.Errorf("no fixture to take %s from", k.Set)
		}
		set, err := from.Fixture(k.Set)
		if err != nil {
			return set, err
		}
		if k.First > 0 {
			set.Len = min(set.Len, k.First)
		}
		return set, nil
	case scenarios.RangeKeys:
		return rangeKeys(k), nil
	case scenarios.StringKeys:
		return stringKeys(k), nil
	case scenarios.TimeKeys:
		return timeKeys(k), nil
	case scenarios.ListKeys:
		return KeySet{len(k), func(dst []byte, i int) []byte { return append(dst, k[i]...) }}, nil
	}
	panic(fmt.Sprintf("no keys of the kind %T are known", of))
}

// Draw is one iteration's choices: which request, and which key of each of its values.
type Draw struct {
	N       int64 // the iteration
	Request int   // an index of the scenario's requests
	keys    [maxValues]int
	uuid    [2]uint64
	Flow    *Texts   // what the flow's steps have extracted; nil outside of one
	Session *Session // of the user who sends it; nil where users keep nothing
	Trace   Trace    // of the request, where it is sampled
	position
}

// Begin begins the iteration; flow is memory for what its flow extracts.
func (d *Draw) Begin(flow *Texts) {
	flow.forget()
	d.Flow = flow
}

// maxValues bounds the values of one request so that a draw needs no memory of its own.
const maxValues = 32

// Draw makes the choices of iteration n.
func (s *Set) Draw(n int64) Draw {
	r := random.ForIteration(s.seed, n)
	d := Draw{N: n}
	if s.recording != nil {
		d.Request = s.recording.Name(n)
	} else if len(s.requests) > 1 {
		ticket := r.Below(s.cumulative[len(s.cumulative)-1])
		d.Request = sort.SearchInts(s.cumulative, ticket+1)
	}
	s.fill(&d, &r)
	return d
}

// DrawOf makes the choices of iteration n for a given request.
func (s *Set) DrawOf(request int, n int64) Draw {
	r := random.ForIteration(s.seed, n)
	d := Draw{N: n, Request: request}
	s.fill(&d, &r)
	return d
}

// fill chooses the keys of d's request.
func (s *Set) fill(d *Draw, r *random.Source) {
	n := d.N
	for i := range s.requests[d.Request].values {
		v := &s.requests[d.Request].values[i]
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
	s.sample(d)
}

// Len is the number of requests.
func (s *Set) Len() int { return len(s.requests) }

// Plan is the request of that index, as the scenario has it.
func (s *Set) Plan(request int) *scenarios.Request { return s.requests[request].plan }

// Inspection is what is looked at in the answers to the request of that index; nil: nothing.
func (s *Set) Inspection(request int) *Inspection { return s.requests[request].inspect }

// Continues reports whether the request of that index is a step of a flow, after which another one may be sent.
func (s *Set) Continues(request int) bool { return s.requests[request].course.step }

// Method is that of the request that d chose.
func (s *Set) Method(d *Draw) string {
	if s.recording != nil {
		return s.recording.Method(d.N)
	}
	return s.requests[d.Request].plan.Method
}

// append renders segments with the choices of d.
func (r *template) append(dst []byte, segments []segment, d *Draw) []byte {
	begin := 0
	for i := range segments {
		p := &segments[i]
		from := len(dst)
		switch p.hole {
		case noHole:
			dst = append(dst, p.literal...)
			continue
		case holeBegin:
			begin = from
		case holeEnd:
			from = begin
		case holeIteration:
			dst = strconv.AppendInt(dst, d.N, 10)
		case holeUUID:
			dst = appendUUID(dst, d.uuid)
		default:
			switch {
			case p.hole >= 0:
				dst = r.values[p.hole].keys.Append(dst, d.keys[p.hole])
			case p.hole <= holeLogin:
				dst = append(dst, d.Session.login[holeLogin-p.hole]...)
			default:
				dst = append(dst, d.Flow.at(holeExtracted-p.hole)...)
			}
		}
		if p.encode != nil {
			dst = p.encode(dst, from)
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
