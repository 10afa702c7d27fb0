package results

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/capacity"
)

// savedCapacity has something of everything that is saved.
func savedCapacity() *Capacity {
	return &Capacity{
		Name: "shop", Scenario: Scenario{File: "shop.yaml", Text: "name: shop\n", Seed: 7},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 12,
		Objectives: Objectives{
			{"http_req_duration", "p(95)<50"},
			{"http_req_duration", "p(99)<90"},
			{"http_req_failed", "rate<0.01"},
		},
		Rate: &capacity.Interval{Low: 90, Middle: 100, High: 110}, RequestsPerIteration: 1, Knee: 70,
		Law:      &LawRecord{Alpha: [3]float64{0, 0.1, 0.2}, Over: "users", Model: capacity.Full},
		Forecast: []capacity.Forecast{{Rate: 500, Low: 8, Instances: 9, High: 10, Cost: 0.5}},
		Trials: []CapacityTrial{{
			Kind: TrialSearch, Rate: 100, Requests: 600, Failed: 3, Use: Use{CPUs: 2, System: new(0.5)},
			Values: []Value{{Objective: "http_req_duration: p(95)<50", Actual: 12, Samples: 600, Holds: true}},
		}},
		Beyond: &Beyond{Rate: 150, Behaviour: "sheds"}, Posterior: &Density{Rates: []float64{1}, Density: []float64{1}},
		Valid: true, Outcome: Pass, Reasons: []string{},
	}
}

func TestCapacityFile(t *testing.T) {
	dir := t.TempDir()
	c := savedCapacity()
	if err := SaveCapacity(dir, c); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, CapacityFile)} {
		back, err := ReadCapacity(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, c) {
			t.Errorf("read %+v, saved %+v", back, c)
		}
	}
	// What others read of it.
	var doc map[string]any
	text, err := os.ReadFile(filepath.Join(dir, CapacityFile))
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"slo", "rate", "knee", "binding", "usl", "forecast", "valid", "reasons"} {
		if _, ok := doc[key]; !ok {
			t.Errorf("capacity.json has no %s", key)
		}
	}
	if slo := doc["slo"].(map[string]any)["http_req_duration"].([]any); len(slo) != 2 || slo[0] != "p(95)<50" {
		t.Errorf("%v", doc["slo"])
	}
}

// TestCapacityNumbers: JSON has only finite numbers.
func TestCapacityNumbers(t *testing.T) {
	dir := t.TempDir()
	c := savedCapacity()
	c.Knee, c.Law.Alpha[2], c.Beyond.Share = math.NaN(), math.Inf(1), math.Inf(-1)
	if err := SaveCapacity(dir, c); err != nil {
		t.Fatal(err)
	}
	back, err := ReadCapacity(dir)
	if err != nil || back.Knee != 0 || back.Law.Alpha[2] != 1000 || back.Beyond.Share != -1000 {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestCapacityFileMistakes(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadCapacity(dir); err == nil || !strings.Contains(err.Error(), "holds no capacity.json") {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]string{
		"{":               "damaged",
		`{"version": 99}`: "version 99",
		`{"version": 1}`:  `an outcome of ""`,
		`{"version": 1, "outcome": "PASS", "rate": {"lo": 2, "mid": 1, "hi": 3}}`:       "is not possible",
		`{"version": 1, "outcome": "PASS", "posterior": {"rates": [1], "density": []}}`: "1 rates and 0 densities",
		`{"version": 1, "outcome": "PASS", "trials": [{"requests": 1, "failed": 2}]}`:   "2 of 1 requests",
		`{"version": 1, "outcome": "PASS", "slo": ["p(95)<50"]}`:                        "damaged",
	} {
		if err := os.WriteFile(filepath.Join(dir, CapacityFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCapacity(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzReadCapacity(f *testing.F) {
	doc, err := savedCapacity().JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Add([]byte(`{"version": 1, "outcome": "PASS"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := parseCapacity(doc)
		if err == nil && c.Outcome == "" {
			t.Error("it has no outcome")
		}
	})
}
