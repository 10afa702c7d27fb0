package results

import (
	"math"
	"reflect"
	"testing"
	"time"
)

// streamRun is a shard of a run with one scenario of subscribers.
func streamRun(index, of int) *Run {
	s := NewStream("live", "stream", 3)
	s.Most, s.Timed, s.IDs = 2+index, true, true
	s.StreamCounts = StreamCounts{
		Attempts: 4, Opened: 3, Resumed: 1, Refused: 1, Breaks: 1, Events: 100, Bytes: 5000, Untimed: 2, Numbered: 90,
		Repeated: 1, Missed: 7, FromFuture: int64(index), ConnectedSeconds: 20, ExpectedSeconds: 30,
		Errors: map[string]int64{"status 503": 1},
	}
	s.ErrorSamples["status 503"] = "503 Service Unavailable"
	s.Delivery.Record(time.Duration(1+index) * time.Millisecond)
	s.Gap.Record(time.Second)
	return &Run{
		Name: "x", Shard: &Shard{index, of}, Scenario: Scenario{Text: "scenarios: {}"}, Verdict: Verdict{Outcome: Part},
		Measurements: Measurements{
			Loads: []*Load{{
				Scenario: "live", Executor: "subscribers", Sent: 3, Planned: 3, MeasuredTo: 10, Lag: NewHistogram(),
				OwnLag: NewHistogram(),
			}},
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 10, Streams: []*Stream{s},
			StreamPoints: []StreamPoint{
				{Scenario: "live", Second: index, Connected: 2, Events: 5, P95: float64(index)},
				{Scenario: "live", Second: 2, Connected: 3, Events: 5, Breaks: 1, P95: float64(index), Max: 4},
			},
		},
	}
}

func TestMergeOfStreams(t *testing.T) {
	var shards []*Run
	for i := range 2 { // as they come back from their files
		dir := t.TempDir()
		if err := Save(dir, streamRun(i, 2)); err != nil {
			t.Fatal(err)
		}
		r, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		shards = append(shards, r)
	}
	merged, err := Merge(shards)
	if err != nil {
		t.Fatal(err)
	}
	s := merged.Measurements.Streams[0]
	want := StreamCounts{
		Attempts: 8, Opened: 6, Resumed: 2, Refused: 2, Breaks: 2, Events: 200, Bytes: 10000, Untimed: 4, Numbered: 180,
		Repeated: 2, Missed: 14, FromFuture: 1, ConnectedSeconds: 40, ExpectedSeconds: 60,
		Errors: map[string]int64{"status 503": 2},
	}
	if !reflect.DeepEqual(s.StreamCounts, want) || s.Subscribers != 6 || s.Most != 5 || !s.Timed || !s.IDs {
		t.Errorf("%+v", s)
	}
	if s.Delivery.Count() != 2 || s.Delivery.Max() < 2 || s.Gap.Count() != 2 || s.FirstEvent.Count() != 0 ||
		s.ErrorSamples["status 503"] == "" {
		t.Errorf("%d deliveries, %d gaps, %v", s.Delivery.Count(), s.Gap.Count(), s.ErrorSamples)
	}
	if got, want := merged.Measurements.StreamPoints, []StreamPoint{
		{Scenario: "live", Second: 0, Connected: 2, Events: 5},
		{Scenario: "live", Second: 1, Connected: 2, Events: 5, P95: 1},
		{Scenario: "live", Second: 2, Connected: 6, Events: 10, Breaks: 2, P95: 1, Max: 4},
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("points %+v, want %+v", got, want)
	}
	if first := shards[0].Measurements.Streams[0]; first.Events != 100 || first.Delivery.Count() != 1 {
		t.Error("the merging has changed a shard")
	}
}

// TestCountsOfIDsDoNotOverflow: a service may number its events as it likes.
func TestCountsOfIDsDoNotOverflow(t *testing.T) {
	var sum StreamCounts
	for range 3 {
		sum.Add(&StreamCounts{Missed: math.MaxInt64 / 2})
	}
	if sum.Missed != math.MaxInt64 {
		t.Errorf("%d ids were missed", sum.Missed)
	}
}
