package reports

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestStreamedAnswersInReports: requests with streamed answers have a table of their own, others have none.
func TestStreamedAnswersInReports(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	r := passedRun(t)
	s := r.Measurements.Series[0]
	s.Waiting = durations(random, 100, 7)
	s.Streamed = results.NewStreamed(scenarios.StreamOpenAI)
	s.Streamed.Events, s.Streamed.Tokens = 30_000, 40_000
	s.Streamed.First, s.Streamed.Gap = durations(random, 100, 150), durations(random, 100, 20)
	text, page := string(draw(t, ".txt", r)), string(draw(t, ".html", r))
	for _, part := range []string{"Streamed answers", "openai", "30,000", "40,000", "800/s"} {
		if !strings.Contains(text, part) || !strings.Contains(page, part) {
			t.Errorf("%q is not in both reports:\n%s", part, text)
		}
	}
	if none := string(draw(t, ".txt", passedRun(t))) + string(draw(t, ".html", passedRun(t))); strings.Contains(none,
		"Streamed answers") {
		t.Error("a run without streamed answers has a table of them")
	}
	var summary struct {
		Scenarios []struct {
			Requests []struct {
				Waiting  struct{ P95 float64 } `json:"waiting_ms"`
				Streamed struct {
					Kind   string
					Events int64
					First  struct{ Count int64 } `json:"first_ms"`
				}
			} `json:"by_request"`
		}
	}
	if err := json.Unmarshal(draw(t, ".json", r), &summary); err != nil {
		t.Fatal(err)
	}
	q := summary.Scenarios[0].Requests[0]
	if q.Waiting.P95 == 0 || q.Streamed.Kind != "openai" || q.Streamed.Events != 30_000 ||
		q.Streamed.First.Count != 100 {
		t.Errorf("%+v", q)
	}
	dir := t.TempDir()
	if err := results.Save(dir, r); err != nil {
		t.Fatal(err)
	}
	back, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := back.Measurements.Series[0]
	if got.Waiting.Count() != 100 || got.Streamed.First.Count() != 100 || got.Streamed.Gap.Count() != 100 ||
		back.Measurements.Series[1].Waiting != nil || back.Measurements.Series[1].Streamed != nil {
		t.Errorf("saved and read: %+v", got)
	}
}
