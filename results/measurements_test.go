package results

import (
	"testing"
	"time"
)

// measured returns a healthy run: 1000 requests in 10 s, of 1 to 1000 ms.
func measured() *Measurements {
	s := &Series{
		Scenario: "warm", Name: "get", Method: "GET",
		Tags:     map[string]string{"scenario": "warm", "name": "get", "method": "GET", "team": "core"},
		Requests: 1000, Failed: 10, CacheAnswers: 900, CacheHits: 450, BytesSent: 5000, BytesReceived: 20000,
		Statuses: map[int]int64{200: 990, 500: 10}, Errors: map[string]int64{"status 500": 10},
		ErrorSamples: map[string]string{},
		Response:     NewHistogram(), Service: NewHistogram(),
	}
	for i := 1; i <= 1000; i++ {
		s.Response.Record(time.Duration(i) * time.Millisecond)
		s.Service.Record(time.Duration(i) * time.Millisecond / 2)
	}
	view := NewServerView("")
	view.Seconds = 10
	view.Queries["get_resource"] = QueryStats{Count: 2, Duration: histogram(time.Millisecond, 3*time.Millisecond)}
	view.Tiers["l1"] = TierStats{Hits: 3, Misses: 1}
	view.Tiers["overall"] = TierStats{Hits: 9, Misses: 1}
	return &Measurements{
		Engine: "test", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 10,
		Loads: []*Load{{
			Scenario: "warm", Executor: "constant-arrival-rate", Open: true, Planned: 1000, Sent: 1000,
			MeasuredPlanned: 1000,
			MaxVUs:          10, MeasuredTo: 10, LastAnswer: 10, Lag: histogram(time.Millisecond),
			OwnLag: histogram(time.Millisecond),
		}},
		Series: []*Series{s},
		Points: []Point{{Scenario: "warm", Second: 0, Requests: 1000, P50: 500}},
		Views:  []ServerView{view},
	}
}

// A schedule asks for flows: what is achieved of it are flows, too, and not the requests of their steps.
func TestAchievedRateCountsIterations(t *testing.T) {
	m := measured() // 1000 requests in 10 s
	for _, step := range []struct {
		name, flow, stage string
		requests          int64
	}{
		{"open", "visit", "", 300},
		{"open", "visit", "peak", 200},
		{"read", "visit", "", 290},
		{"read", "visit", "peak", 190},
		{"ping", "other", "", 100},
	} {
		s := *m.Series[0]
		s.Name, s.Stage, s.Requests = step.name, step.stage, step.requests
		s.Tags = map[string]string{"scenario": "warm", "name": step.name, "flow": step.flow}
		m.Series = append(m.Series, &s)
	}
	if got := m.AchievedRate(m.Loads[0]); got != 160 {
		t.Errorf("%v/s, want 160: 1000 requests and 600 flows in 10 s", got)
	}
}

func TestMeasuredSecondsIsTheUnionOfTheWindows(t *testing.T) {
	m := &Measurements{Loads: []*Load{
		{Scenario: "a", MeasuredFrom: 0, MeasuredTo: 10, LastAnswer: 10},
		{Scenario: "b", MeasuredFrom: 5, MeasuredTo: 12, LastAnswer: 15},
		{Scenario: "c", MeasuredFrom: 20, MeasuredTo: 30, LastAnswer: 25},
	}}
	for names, want := range map[string]float64{"a": 10, "ab": 15, "abc": 25, "c": 10} {
		var selected []*Series
		for _, n := range names {
			selected = append(selected, &Series{Scenario: string(n)})
		}
		if got := m.MeasuredSeconds(selected); got != want {
			t.Errorf("%s: %v s, want %v", names, got, want)
		}
	}
}
