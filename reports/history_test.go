package reports

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/history"
)

// sampleHistory has 25 entries of which the last three are slower, one of them measured without a commit. A figure
// that does not decide became better at entry 10, long ago; one does not change.
func sampleHistory(subject string) History {
	var entries []history.Entry
	for i := range 25 {
		wobble := 1 + 0.01*math.Sin(float64(7*i))
		p95, rate := 10*wobble, 500*wobble
		if i >= 22 {
			p95 *= 1.25
		}
		if i >= 10 {
			rate *= 1.5
		}
		entries = append(entries, history.Entry{
			Time:     time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC),
			Revision: fmt.Sprintf("%012x%028x", i, 0), Subject: subject,
			Dirty: i == 24, Scenario: "smoke", Machine: "linux/amd64, 2 × CPU", Environment: "1a2b3c4d",
			Reference: "light server 1",
			Figures: []history.Figure{
				{Name: "http_req_duration p(95)", Unit: "ms", Value: p95},
				{Name: "cpu_per_request", Unit: "s", Value: 2e-5 * wobble, Reference: 4e-6},
				{Name: "http_reqs{name:get} rate", Unit: "1/s", Value: rate, MoreIsBetter: true},
				{Name: "http_req_duration med", Unit: "ms", Value: 5},
			},
		})
	}
	return History{
		Path: "history.jsonl", Entries: len(entries), Series: history.Follow(entries),
		Commits: func(_, upTo string) []string {
			if strings.HasPrefix(upTo, "00000000000a") {
				return nil
			}
			return []string{upTo[:12] + " " + subject}
		},
	}
}

func TestHistoryText(t *testing.T) {
	var b bytes.Buffer
	if err := HistoryText(&b, sampleHistory("wait longer")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "history.txt")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || b.String() != string(want) {
		t.Errorf("%v\n%s", err, &b)
	}
}

// TestHistoryHTML: the page loads nothing, and text from the history cannot become markup.
func TestHistoryHTML(t *testing.T) {
	var b bytes.Buffer
	if err := HistoryHTML(&b, sampleHistory(`<script>alert(1)</script>`)); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, part := range []string{
		"WORSE", "25 entries", `<line class="change worse"`, `<line class="change"`, "relative to light server 1",
		"&lt;script&gt;", "are not known here", "No change was found.",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("there is no %s", part)
		}
	}
	for _, part := range []string{"<script", "http://", "https://", "NaN", "Inf"} {
		if strings.Contains(page, part) {
			t.Errorf("there is %s", part)
		}
	}
	if n := strings.Count(page, "<circle"); n != 4*25 {
		t.Errorf("%d points", n)
	}
}

// TestSparkline: the noise of a series is not drawn as if it were a change.
func TestSparkline(t *testing.T) {
	series := func(values ...float64) (s history.Series) {
		for _, v := range values {
			s.Points = append(s.Points, history.Point{Level: math.Log(v)})
		}
		return s
	}
	for want, values := range map[string][]float64{
		"▁█": {1, 2}, "▅": {7}, "▅▅▅": {3, 3, 3}, "▁▅█": {1, math.Sqrt2, 2}, "▄▅": {100, 100.1},
	} {
		if got := sparkline(series(values...)); got != want {
			t.Errorf("%v: %s, want %s", values, got, want)
		}
	}
}
