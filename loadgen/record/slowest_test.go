package record

import (
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestSlowest: of the requests of several loops over several seconds, the slowest of all and the slowest of the sampled
// are kept, each once, with what was known of them.
func TestSlowest(t *testing.T) {
	c, loops := recorders(3, time.Minute)
	for n := range 3000 {
		at := time.Duration(n) * 10 * time.Millisecond
		o := Outcome{
			Request: 1, Iteration: int64(n), Intended: at, Sent: at + time.Millisecond, Status: 200,
			Done: at + time.Duration(n*7919%3000)*time.Millisecond, Connection: ConnectionReused, Instance: 2,
		}
		o.First = max(o.Sent, o.Done-time.Millisecond)
		if n%100 == 0 {
			o.Trace = request.Trace{High: 1, Low: uint64(n + 1)}
		}
		loops[n%3].Record(&o)
		if n%500 == 0 {
			var early results.Measurements
			_, release := c.Share(&early)
			release()
			if n > 1000 && len(early.Slowest) < results.MostSlowest {
				t.Errorf("after %d requests %d slow ones are known", n, len(early.Slowest))
			}
		}
	}
	loops[0].Record(&Outcome{Request: 1, Intended: time.Second, Done: time.Hour, ErrorClass: ErrorClosed}) // not timed
	for _, l := range loops {
		l.Close()
	}
	c.Finish(0, 0, time.Minute)
	var m results.Measurements
	err := c.AddTo(&m)
	if err != nil {
		t.Fatal(err)
	}
	all, sampled := m.SlowestFirst(false), m.SlowestFirst(true)
	times := func(of []results.SlowRequest) (ms []float64) {
		for _, s := range of {
			ms = append(ms, s.Response)
		}
		return ms
	}
	if got := times(all); !slices.Equal(got, []float64{2999, 2998, 2997, 2996, 2995}) {
		t.Errorf("the slowest took %v ms", got)
	}
	if got := times(sampled); !slices.Equal(got, []float64{2900, 2800, 2700, 2600, 2500}) {
		t.Errorf("the slowest of the sampled took %v ms", got)
	}
	s := sampled[0]
	if s.Waited != 1 || s.FirstByte != 2898 || s.Status != "200" || s.Connection != "reused" || s.Instance != 2 ||
		len(s.Trace) != 32 || !s.OfSampled || s.At != 2.3 { // the scenario starts at 1.3 s
		t.Errorf("%+v", s)
	}
}

// TestSlowestAtOnce: requests of two iterations at the same instants are two requests.
func TestSlowestAtOnce(t *testing.T) {
	var all slowList
	one := slowRequest{done: time.Second, iteration: 1}
	other, sampled := one, one
	other.iteration, sampled.trace = 2, request.Trace{High: 1}
	for range 2 {
		all.merge(slowList{one, other, sampled}, results.MostSlowest)
	}
	if len(all) != 3 {
		t.Errorf("%d of 3 requests were kept: %+v", len(all), all)
	}
}

// TestSlowestOfShards: what two shards kept is put together as if one loop had.
func TestSlowestOfShards(t *testing.T) {
	slow := func(ms float64, trace string, ofSampled bool) results.SlowRequest {
		return results.SlowRequest{Scenario: "s", Request: "r", Response: ms, Trace: trace, OfSampled: ofSampled}
	}
	part := func(of ...results.SlowRequest) *results.Measurements { return &results.Measurements{Slowest: of} }
	got := results.MergeSlowest([]*results.Measurements{
		part(slow(9, "", false), slow(8, "a", false), slow(7, "", false), slow(6, "", false), slow(5, "", false),
			slow(1, "b", true)),
		part(slow(8.5, "", false), slow(2, "c", false)),
	})
	want := []results.SlowRequest{
		slow(9, "", false), slow(8.5, "", false), slow(8, "a", false), slow(7, "", false), slow(6, "", false),
		slow(2, "c", true), slow(1, "b", true),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

// BenchmarkKeepSlow is the cost of looking whether an answer is one of the slowest, of which few are.
func BenchmarkKeepSlow(b *testing.B) {
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 1e6, Duration: time.Hour}})
	r := collectorOf(plan).NewRecorder()
	b.ReportAllocs()
	for i := range b.N {
		r.keepSlow(&Outcome{Done: time.Duration(i*7919%10_007) * time.Microsecond})
	}
}
