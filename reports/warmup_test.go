package reports

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestReportsTellOfAutomaticWarmups: every report says how long they took and why they ended; none says so where there
// was none.
func TestReportsTellOfAutomaticWarmups(t *testing.T) {
	for _, kind := range []string{".json", ".txt", ".html"} {
		if text := string(draw(t, kind, sampleRun(t))); strings.Contains(strings.ToLower(text), "automatic warm-up") ||
			strings.Contains(text, `"warmup"`) {
			t.Errorf("%s tells of a warm-up that was not automatic", kind)
		}
	}
	for _, tt := range []struct {
		warmup results.Warmup
		text   string // of tables
		json   string
	}{
		{results.Warmup{Limit: 60, Seconds: 14, Ended: results.WarmupSteady}, "14.0 s, steady", `"ended": "steady"`},
		{
			results.Warmup{Limit: 60, Seconds: 60, Ended: results.WarmupLimit, Unsteady: []string{"throughput moved"}},
			"60.0 s (the limit), not steady", `"throughput moved"`,
		},
		{
			results.Warmup{Limit: 60, Seconds: 60, Ended: results.WarmupLimit},
			"60.0 s (the limit), steady at the end",
			`"ended": "limit"`,
		},
		{
			results.Warmup{Limit: 60, Seconds: 3, Ended: results.WarmupRunOver},
			"3.00 s, ended with the run",
			`"ended": "run"`,
		},
	} {
		r := sampleRun(t)
		r.Measurements.Loads[0].Warmup = &tt.warmup
		if got := string(draw(t, ".html", r)); !strings.Contains(got, tt.text) ||
			!strings.Contains(got, "Automatic warm-up") {
			t.Errorf("the page does not say %q", tt.text)
		}
		if got, want := string(draw(t, ".txt", r)),
			"automatic warm-up of warm: "+strings.ReplaceAll(tt.text, "&#39;", "'"); !strings.Contains(got, want) {
			t.Errorf("the text does not say %q:\n%s", want, got)
		}
		if got := string(draw(t, ".json", r)); !strings.Contains(got, tt.json) ||
			!strings.Contains(got, `"limit_seconds": 60`) {
			t.Errorf("summary.json does not say %q", tt.json)
		}
	}
}
