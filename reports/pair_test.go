package reports

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

const comparedScenario = `seed: 42
target: {url: "http://127.0.0.1:40123"}
scenarios:
  warm:
    executor: constant-arrival-rate
    rate: 200
    duration: 60s
    warmup: 10s
    requests:
      - {name: get-resource, path: /resources/1}
      - {name: list-resources, path: /resources}
thresholds:
  http_req_duration{name:get-resource}: "p(95)<2"
  http_req_failed: "rate<0.01"
  http_reqs: "rate>100"
  http_req_cache_hit: "rate>0.4"
  http_req_duration: "p(95)<10 for 10s"
`

// comparedRun is a run of two requests, of which the first takes so many milliseconds at the median, and so many fail.
func comparedRun(t *testing.T, seed uint64, median float64, failed int64, text string) *results.Run {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 11))
	r := sampleRun(t)
	r.Scenario = results.Scenario{File: "scenarios/resources-read.yaml", Text: text, Seed: 42}
	m := &r.Measurements
	m.Loads, m.Marks, m.Points = m.Loads[:1], nil, nil
	m.Series = []*results.Series{
		sampleSeries(random, "warm", "get-resource", "GET", 7000, 0, median),
		sampleSeries(random, "warm", "list-resources", "GET", 3000, failed, 1.9),
	}
	for _, p := range samplePoints(random, "warm", 140, median, 0) {
		p.Request = "get-resource"
		m.Points = append(m.Points, p)
	}
	for i, p := range samplePoints(random, "warm", 60, 1.9, 0) {
		p.Request = "list-resources"
		p.Failed = failed*int64(i+1)/60 - failed*int64(i)/60
		m.Points = append(m.Points, p)
	}
	plan, err := scenarios.Parse(r.Scenario.File, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Verdict, err = judge.Run(m, plan.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestComparison holds a comparison as text and as JSON: figures that differ, that do not, and that cannot be told.
// Nothing is called worse or better.
func TestPair(t *testing.T) {
	before := comparedRun(t, 7, 0.9, 0, comparedScenario)
	after := comparedRun(t, 8, 1.3, 90, comparedScenario+"  http_req_duration{name:list-resources}: \"p(95)<20\"\n")
	after.Measurements.Started = after.Measurements.Started.Add(1e12)
	after.Tool.Version = "v0.2.0"
	c, err := judge.ComparePair(before, after)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := PairText(&b, c, "results/runs/before", hostile); err != nil {
		t.Fatal(err)
	}
	holdGolden(t, "pair.txt", b.Bytes())
	b.Reset()
	if err := PairJSON(&b, c, "results/runs/before", hostile); err != nil {
		t.Fatal(err)
	}
	holdGolden(t, "pair.json", b.Bytes())
}

// TestInvalidIsNotCompared: of an invalid run nothing is told, for readers and for scripts.
func TestInvalidIsNotCompared(t *testing.T) {
	before, after := comparedRun(t, 7, 0.9, 0, comparedScenario), comparedRun(t, 8, 1.3, 90, comparedScenario)
	untold := func() (text, doc string) {
		c, err := judge.ComparePair(before, after)
		if err != nil {
			t.Fatal(err)
		}
		var b, js bytes.Buffer
		if err := errors.Join(PairText(&b, c, "before", "after"),
			PairJSON(&js, c, "before", "after")); err != nil {
			t.Fatal(err)
		}
		return b.String(), js.String()
	}
	after.Verdict.Untimed = []string{"late"}
	text, doc := untold()
	if !strings.Contains(text, "Of 8 request figures, 1 differs between these two runs.") ||
		!strings.Contains(doc, `"comparable": true`) {
		t.Errorf("of a run whose times say nothing:\n%s", text)
	}
	after.Verdict.Outcome, after.Verdict.Invalid = results.Invalid, []string{"the generator was starved"}
	text, doc = untold()
	if !strings.Contains(text, "\nThe runs cannot be compared: the new run is INVALID: the generator was starved.\n") ||
		strings.Contains(text, "differs") {
		t.Errorf("%s", text)
	}
	for _, want := range []string{
		`"comparable": false`,
		`"reason": "the new run is INVALID: the generator was starved"`, `"differing": 0`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in %s", want, doc)
		}
	}
	if strings.Contains(doc, `"finding": "differs"`) {
		t.Errorf("%s", doc)
	}
}
