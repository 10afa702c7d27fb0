package record

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// planOf is a plan of one scenario.
func planOf(s scenarios.Scenario) *scenarios.Plan {
	s.Name = "test"
	if s.Requests == nil {
		s.Requests = []scenarios.Request{{Name: "get", Weight: 1, Method: "GET", Timeout: time.Second}}
	}
	return &scenarios.Plan{Seed: 1, Scenarios: []scenarios.Scenario{s}}
}

// collectorOf is the collector of the only scenario of a plan.
func collectorOf(plan *scenarios.Plan) *Collector {
	s := &plan.Scenarios[0]
	schedule := arrival.NewSchedule(s.Load, 1)
	timing := &arrival.Timing{
		Schedule: schedule, Window: arrival.NewWindow(s, schedule), Shard: arrival.Whole,
		Users: s.Load.Workers(),
	}
	return New(plan, s, timing, nil)
}

// recorders is the collector of a scenario of three requests that lasts so long, with n recorders.
func recorders(n int, duration time.Duration) (*Collector, []*Recorder) {
	s := scenarios.Scenario{
		Load:      scenarios.ConstantRate{Rate: 100, Duration: duration},
		StartTime: 1300 * time.Millisecond, Warmup: 900 * time.Millisecond,
	}
	for _, name := range []string{"a", "b", "c"} {
		s.Requests = append(s.Requests, scenarios.Request{Name: name, Weight: 1, Method: "GET", Timeout: time.Second})
	}
	s.Requests[1].ExpectedStatus = []int{200, 404}
	c := collectorOf(planOf(s))
	var of []*Recorder
	for range n {
		of = append(of, c.NewRecorder())
	}
	return c, of
}

// randomOutcome ends at the instant done.
func randomOutcome(random *rand.Rand, done time.Duration) Outcome {
	o := Outcome{
		Request: random.IntN(3), Done: done, Status: []int{200, 200, 404, 503}[random.IntN(4)],
		Cache: []CacheAnswer{CacheUnknown, CacheHit, CacheMiss}[random.IntN(3)], SentBytes: random.Int64N(100),
		ReceivedBytes: random.Int64N(1000),
	}
	o.Sent = done - time.Duration(random.ExpFloat64()*float64(20*time.Millisecond))
	o.Intended = o.Sent - time.Duration(random.ExpFloat64()*float64(time.Millisecond))
	if class := []string{
		"", "", "", ErrorTimeout, ErrorReset, ErrorUnanswered, ErrorCut,
		ErrorNoFiles,
	}[random.IntN(8)]; class != "" {
		o.ErrorClass, o.ErrorText, o.Cache = class, "because of "+class, CacheUnknown
	}
	return o
}

// account is everything that a collector has.
type account struct {
	Load   results.Load
	Series []results.Series
	Points []results.Point
	Curves [][]results.CurvePoint
}

func accountOf(r *Collector) account {
	a := account{Load: *r.load, Points: r.points.AppendSince(nil, 0)}
	for _, h := range []*results.Histogram{r.load.Lag, r.load.OwnLag} {
		a.Curves = append(a.Curves, h.Curve())
	}
	a.Load.Lag, a.Load.OwnLag = nil, nil
	for _, s := range r.series {
		a.Curves = append(a.Curves, s.Response.Curve(), s.Service.Curve())
		plain := *s
		plain.Response, plain.Service = nil, nil
		plain.ErrorSamples = map[string]string{} // of those in one second, any loop's first may be the one that is kept
		for class, text := range s.ErrorSamples {
			_, plain.ErrorSamples[class], _ = strings.Cut(text, "because")
		}
		a.Series = append(a.Series, plain)
	}
	return a
}

// TestManyRecordersCountAsOne: however the outcomes of a scenario fall to its loops, and whenever the seconds are
// flushed, the account is the same.
func TestManyRecordersCountAsOne(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 7))
		const duration = 4 * time.Second
		one, ofOne := recorders(1, duration)
		many, ofMany := recorders(1+random.IntN(7), duration)
		var wantSent int64
		gap := time.Duration(1+random.IntN(40)) * time.Millisecond
		for at := time.Duration(0); at < duration+
			300*time.Millisecond; at += time.Duration(random.Int64N(int64(2 * gap))) {
			o := randomOutcome(random, at)
			b := ofMany[random.IntN(len(ofMany))]
			ofOne[0].Record(&o)
			b.Record(&o)
			if o.ErrorClass != ErrorCut && o.ErrorClass != ErrorNoFiles {
				wantSent++
			}
			ofOne[0].Late(o.Sent-o.Intended, 0)
			b.Late(o.Sent-o.Intended, 0)
			switch random.IntN(20) {
			case 0:
				many.Flush()
			case 1:
				ofMany[random.IntN(len(ofMany))].Advance(at)
			}
		}
		for _, b := range slices.Concat(ofOne, ofMany) {
			b.Close()
		}
		many.Flush()
		one.Finish(500, 400, duration)
		many.Finish(500, 400, duration)
		want, got := accountOf(one), accountOf(many)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, %d recorders:\n%s\none recorder:\n%s", seed, len(ofMany), asJSON(t, got),
				asJSON(t, want))
		}
		if want.Load.Sent != wantSent {
			t.Fatalf("seed %d: %d sent, want %d", seed, want.Load.Sent, wantSent)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAccountIsOfTheOutcomes counts by hand what the collector is to have.
func TestAccountIsOfTheOutcomes(t *testing.T) {
	r, b := recorders(2, 3*time.Second)
	at := func(request int, done time.Duration, status int, class string, took time.Duration) Outcome {
		return Outcome{
			Request: request, Intended: done - took, Sent: done - took, Done: done, Status: status, ErrorClass: class,
			ErrorText: class, ReceivedBytes: 10,
		}
	}
	for i, o := range []Outcome{
		at(0, 100*time.Millisecond, 200, "", 50*time.Millisecond),                   // second 1, warm-up
		at(0, 1000*time.Millisecond, 200, "", 50*time.Millisecond),                  // second 2, measured
		at(1, 1100*time.Millisecond, 404, "", 10*time.Millisecond),                  // expected of b
		at(0, 1200*time.Millisecond, 404, "", 10*time.Millisecond),                  // not of a
		at(2, 2000*time.Millisecond, 0, ErrorReset, 10*time.Millisecond),            // second 3, not timed
		at(2, 2001*time.Millisecond, 0, ErrorTimeout, 1000*time.Millisecond),        // timed
		at(2, 2002*time.Millisecond, 0, ErrorCut, 1000*time.Millisecond),            // not counted
		at(2, 2003*time.Millisecond, 0, ErrorNoPorts, 1000*time.Millisecond),        // not sent
		at(1, 2900*time.Millisecond, 200, "", 2500*time.Millisecond),                // second 4; of the warm-up
		at(1, 2950*time.Millisecond, 200, "", 100*time.Millisecond+2*time.Second/2), // measured
	} {
		b[i%2].Record(&o)
	}
	for _, b := range b {
		b.Close()
	}
	r.Finish(10, 8, 3*time.Second)
	if l := r.load; l.Sent != 8 || l.Planned != 9 || l.Dropped != 1 || l.LastAnswer != (1300+2950)/1000. {
		t.Errorf("load %+v", l)
	}
	a, c := r.series[0], r.series[2]
	if a.Requests != 2 || a.Failed != 1 || a.Response.Count() != 2 || a.BytesReceived != 20 ||
		!maps.Equal(a.Statuses, map[int]int64{200: 1, 404: 1}) ||
		!maps.Equal(a.Errors, map[string]int64{"status 404": 1}) {
		t.Errorf("a %+v", a)
	}
	if bb := r.series[1]; bb.Requests != 2 || bb.Failed != 0 || bb.Response.Max() < 1099 || bb.Response.Max() > 1101 {
		t.Errorf("b %+v", bb)
	}
	if c.Requests != 2 || c.Failed != 2 || c.Response.Count() != 1 || c.ErrorSamples[ErrorReset] != ErrorReset ||
		len(c.Statuses) != 0 {
		t.Errorf("c %+v", c)
	}
	var seconds []int
	var requests []int64
	for _, p := range r.points.AppendSince(nil, 0) {
		if p.Request == "" {
			seconds, requests = append(seconds, p.Second), append(requests, p.Requests)
			if p.Warmup != (p.Second < 3) && p.Second != 2 || p.Partial != (p.Second == 1 || p.Second == 4) {
				t.Errorf("point %+v", p)
			}
		}
	}
	if !slices.Equal(seconds, []int{1, 2, 3, 4}) || !slices.Equal(requests, []int64{1, 3, 2, 2}) {
		t.Errorf("seconds %v hold %v requests", seconds, requests)
	}
}

// TestStagesAreToldApart: a request belongs to the stage in which it was meant to be sent, however late it was
// answered.
func TestStagesAreToldApart(t *testing.T) {
	plan := planOf(scenarios.Scenario{
		Load: scenarios.RampingRate{StartRate: 10, Stages: []scenarios.Stage{
			{Target: 10, Duration: 2 * time.Second, Name: "climb"},
			{Target: 20},
			{Target: 20, Duration: 2 * time.Second, Name: "peak"},
			{Target: 20, Duration: 2 * time.Second},
		}}, StartTime: 2 * time.Second, Warmup: time.Second,
		Requests: []scenarios.Request{{Name: "a", Weight: 1, Method: "GET"}, {Name: "b", Weight: 1, Method: "GET"}},
	})
	for _, selector := range []map[string]string{{"stage": "peak"}, {"stage": "peak"}, {"stage": "other"}} {
		plan.Thresholds = append(plan.Thresholds, scenarios.Threshold{
			Metric: "http_req_duration", Selector: selector,
			Aggregation: scenarios.Aggregation{Name: "p", Percentile: 95},
		})
	}
	r := collectorOf(plan)
	b := r.NewRecorder()
	for i, intended := range []time.Duration{500, 1000, 1999, 2000, 3999, 4000, 5999} { // milliseconds
		intended *= time.Millisecond
		b.Record(&Outcome{
			Request: i % 2, Intended: intended, Sent: intended, Done: 6*time.Second + time.Duration(i),
			Status: 200,
		})
	}
	b.Close()
	r.Finish(7, 6, 6*time.Second)
	got := map[string]int64{}
	for _, s := range r.series {
		got[s.Name+"/"+s.Tags["stage"]] = s.Requests
		if s.Stage != s.Tags["stage"] || s.Response.Count() != s.Requests {
			t.Errorf("%+v", s)
		}
	}
	if want := map[string]int64{
		"a/": 1, "b/": 1, "a/climb": 1, "b/climb": 1, "a/peak": 1,
		"b/peak": 1,
	}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	want := []results.Stage{
		{Name: "climb", From: 3, To: 4, LastAnswer: 8, Steady: true},
		{Name: "peak", From: 4, To: 6, LastAnswer: 8, Steady: true},
	}
	for i := range r.load.Stages {
		r.load.Stages[i].LastAnswer = float64(int(r.load.Stages[i].LastAnswer))
	}
	if !slices.Equal(r.load.Stages, want) {
		t.Errorf("stages %+v, want %+v", r.load.Stages, want)
	}
	m := &results.Measurements{Loads: []*results.Load{r.load}, Series: r.series, Points: r.points.AppendSince(nil, 0)}
	if all, err := m.ByRequest(); err != nil || len(all) != 2 || all[0].Requests != 3 || all[1].Response.Count() != 3 ||
		all[0].Tags["stage"] != "" {
		t.Errorf("by Request: %+v, %v", all, err)
	}
	// What a quantile is judged by is kept by the second of the answers, for the selectors that select anything.
	if len(r.thresholds) != 1 || r.thresholds[0].(*blockData).blocks.From != 8 ||
		len(r.thresholds[0].(*blockData).blocks.Counts) != 1 {
		t.Errorf("blocks: %+v", r.thresholds)
	}
	requests := int64(0)
	for _, p := range r.points.AppendSince(nil, 0) {
		if p.Request != "" {
			requests += p.Requests
		}
	}
	if requests != 7 {
		t.Errorf("the points of the requests hold %d answers, want 7", requests)
	}
}

// TestSeriesSaysWhatIsExpected: reports say of a wrong status which ones the file expects.
func TestSeriesSaysWhatIsExpected(t *testing.T) {
	for want, statuses := range map[string][]int{"": nil, "201": {201}, "201, 204": {201, 204}} {
		q := scenarios.Request{Name: "put", Method: "PUT", ExpectedStatus: statuses}
		if s := newSeries(&scenarios.Plan{}, &scenarios.Scenario{Name: "s"}, &q, "", 0); s.Expected != want {
			t.Errorf("%v: %q", statuses, s.Expected)
		}
	}
}

// TestInstanceSeries: each stage of each request has a series for each instance, and one for none.
func TestInstanceSeries(t *testing.T) {
	s := scenarios.Scenario{
		Load: scenarios.RampingRate{StartRate: 100, Stages: []scenarios.Stage{
			{Target: 100, Duration: time.Second, Name: "first"}, {Target: 100, Duration: time.Second, Name: "second"},
		}},
		Requests: []scenarios.Request{
			{Name: "a", Weight: 1, Method: "GET", Timeout: time.Second},
			{Name: "b", Weight: 1, Method: "GET", Timeout: time.Second},
		},
	}
	plan := planOf(s)
	plan.Environment.Instances = 2
	plan.Thresholds = []scenarios.Threshold{{
		Metric: scenarios.HTTPReqDuration, Selector: map[string]string{"instance": "2"},
		Aggregation: scenarios.Aggregation{Name: "p", Percentile: 95},
	}}
	c := collectorOf(plan)
	if !c.ByInstance() || len(c.series) != 12 {
		t.Fatalf("%d series", len(c.series))
	}
	r := c.NewRecorder()
	for instance, n := range map[int]int{0: 1, 1: 2, 2: 3, 3: 4} {
		for range n {
			at := 1200 * time.Millisecond
			r.Record(&Outcome{Request: 1, Intended: at, Sent: at, Done: at + 1, Status: 200, Instance: instance})
		}
	}
	r.Close()
	c.Finish(10, 10, 2*time.Second)
	m := &results.Measurements{}
	if err := c.AddTo(m); err != nil {
		t.Fatal(err)
	}
	for _, of := range m.Series {
		want := int64(0)
		if of.Name == "b" && of.Stage == "second" {
			want = []int64{5, 2, 3}[of.Instance] // what names an instance that there is not counts as none
		}
		if of.Requests != want || (of.Tags["instance"] != "") != (of.Instance > 0) {
			t.Errorf("%s in %s by %d: %d requests, want %d; tags %v", of.Name, of.Stage, of.Instance, of.Requests, want,
				of.Tags)
		}
	}
	sum, err := m.Summarize(map[string]string{"instance": "2"})
	if err != nil || sum.Requests != 3 || len(m.TimeBlocks) != 1 {
		t.Errorf("%+v, %v, %d time blocks", sum, err, len(m.TimeBlocks))
	}
	if last := m.Loads[0].Stages; last[0].LastAnswer != 0 || last[1].LastAnswer == 0 {
		t.Errorf("stages %+v", last)
	}
}

func TestInstanceOf(t *testing.T) {
	for header, want := range map[string]int{"": 0, "1": 1, "64": 64, "web-1": 0, "-1": 0, "9999999999999999999": 0} {
		if got := InstanceOf(header); got != want || InstanceOf([]byte(header)) != want {
			t.Errorf("%q is %d, want %d", header, got, want)
		}
	}
}
