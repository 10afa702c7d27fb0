package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExperimentDefaults(t *testing.T) {
	plan, err := Parse("x.yaml", []byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	want := Experiment{
		MaxTime: 10 * time.Minute, Tolerance: 0.05, Alpha: 0.01,
		Slice: DefaultSlice, Discard: DefaultDiscard, Warmup: DefaultArmWarmup,
	}
	if !reflect.DeepEqual(plan.Experiment, want) {
		t.Errorf("got %+v, want %+v", plan.Experiment, want)
	}
}

func TestExperimentArms(t *testing.T) {
	for section, want := range map[string][2]Arm{
		"{}":                       {},
		"{base: v1.2}":             {{Revision: "v1.2"}, {}},
		"{head: 'HEAD~3'}":         {{}, {Revision: "HEAD~3"}},
		"{base: 1234567, head: a}": {{Revision: "1234567"}, {Revision: "a"}},
		"{baseImage: 'a:1', headImage: 'a@sha256:12'}": {{Image: "a:1"}, {Image: "a@sha256:12"}},
		"{baseUrl: 'HTTP://h:1/', headUrl: https://h}": {{URL: "http://h:1"}, {URL: "https://h"}},
		"{baseCommand: './a {{port}}', headCommand: ' b -l={{address}} '}": {
			{Command: "./a {{port}}"}, {Command: "b -l={{address}}"},
		},
	} {
		plan, err := Parse("x.yaml", []byte(smallest), "experiment="+section)
		if err != nil {
			t.Errorf("%s: %v", section, err)
			continue
		}
		if got := [2]Arm{plan.Experiment.Base, plan.Experiment.Head}; got != want {
			t.Errorf("%s: got %+v, want %+v", section, got, want)
		}
	}
}

func TestExperimentOverrides(t *testing.T) {
	plan, err := Parse("x.yaml", []byte(smallest),
		"experiment.slice=1s", "experiment.discard=0s", "experiment.tolerance=0.1", "experiment.base=main",
		"regression.http_req_duration{name:a}=[p(50)<+7%]", "regression.cpu_per_request=value<+2.5%")
	if err != nil {
		t.Fatal(err)
	}
	e := plan.Experiment
	if e.Slice != time.Second || e.Discard != 0 || e.Tolerance != 0.1 || e.Base.Revision != "main" {
		t.Errorf("%+v", e)
	}
	want := []Regression{
		{
			Metric: HTTPReqDuration, Selector: map[string]string{"name": "a"},
			Aggregation: Aggregation{"p", 50}, Tolerance: 0.07, Source: "p(50)<+7%",
		},
		{
			Metric: CPUPerRequest, Aggregation: Aggregation{Name: "value"}, Tolerance: 0.025, Source: "value<+2.5%",
		},
	}
	if !reflect.DeepEqual(e.Regressions, want) {
		t.Errorf("got %+v, want %+v", e.Regressions, want)
	}
}

// TestSecretsOfArms: addresses of services may have a password, which no message shows.
func TestSecretsOfArms(t *testing.T) {
	_, err := Parse("x.yaml", []byte("experiment:\n  baseUrl: http://ann:s3cretpass@h\n  headUrl: http://h\n"+smallest))
	if err == nil || strings.Contains(err.Error(), "s3cretpass") {
		t.Errorf("got %v", err)
	}
}

func TestGates(t *testing.T) {
	for tolerance, want := range map[float64]string{
		0.05: "+5%", 0.07: "+7%", 0.001: "+0.1%", 1: "+100%", 0.0333: "+3.33%",
	} {
		plan := Plan{Experiment: Experiment{Tolerance: tolerance}, Scenarios: []Scenario{{Load: ConstantRate{}}}}
		gates := plan.Gates()
		if len(gates) != 2 || gates[0].Source != "p(95)<"+want || gates[1].Source != "value<"+want {
			t.Errorf("%v: %+v", tolerance, gates)
			continue
		}
		for _, g := range gates {
			again, err := ParseRegression(g.Name(), g.Source)
			if err != nil || math.Abs(again.Tolerance-tolerance) > 1e-12 {
				t.Errorf("%s %s is read as %+v, %v", g.Name(), g.Source, again, err)
			}
			again.Tolerance = g.Tolerance
			if !reflect.DeepEqual(again, g) {
				t.Errorf("%s %s is read as %+v, %v", g.Name(), g.Source, again, err)
			}
		}
	}
	own := Plan{Experiment: Experiment{Regressions: []Regression{{Metric: HTTPReqs}}}}
	if got := own.Gates(); !reflect.DeepEqual(got, own.Experiment.Regressions) {
		t.Errorf("got %+v", got)
	}
	closed := Plan{
		Experiment: Experiment{Tolerance: 0.05},
		Scenarios:  []Scenario{{Name: "a", Load: Users{}}, {Name: "b", Load: Users{}}},
	}
	var got []string
	for _, g := range closed.Gates() {
		got = append(got, g.Name()+" "+g.Source)
	}
	want := []string{
		"http_reqs{scenario:a} rate>-5%", "cpu_per_request{scenario:a} value<+5%", "http_reqs{scenario:b} rate>-5%",
		"cpu_per_request{scenario:b} value<+5%",
	}
	if !slices.Equal(got, want) {
		t.Errorf("of closed scenarios %q", got)
	}
}

// TestGatesOfParts: what a slice has no figure of is refused when the file is read.
func TestGatesOfParts(t *testing.T) {
	const open = "executor: constant-arrival-rate, rate: 1, duration: 1s, requests: [{name: r, path: /}]"
	const users = "executor: constant-vus, vus: 1, duration: 1s, requests: [{name: r, path: /}]"
	for _, c := range []struct{ a, b, gate, want string }{
		{open, open, "cpu_per_request", ""},
		{open, open, "cpu_per_request{scenario:a}", "open scenarios run together"},
		{open, users, "cpu_per_request{scenario:a}", ""},
		{open, users, "cpu_per_request{scenario:b}", ""},
		{users, users, "cpu_per_request{scenario:b}", ""},
		{users, users, "cpu_per_request", "write cpu_per_request{scenario:a}"},
		{users, users, "http_req_duration", "closed scenarios run one after the other"},
		{users, users, "http_req_duration{name:r}", ""},
		{open, open, "http_req_duration{scenario:a}", ""},
	} {
		gate := "value<+5%"
		if strings.HasPrefix(c.gate, "http_req_duration") {
			gate = "med<+5%"
		}
		text := fmt.Sprintf("target: {url: 'http://127.0.0.1:1'}\nscenarios:\n  a: {%s}\n  b: {%s}\n"+
			"regression:\n  %s: %s\n", c.a, c.b, c.gate, gate)
		_, err := Parse("test.yaml", []byte(text))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.gate, err, c.want)
		}
	}
}

func TestParseRegression(t *testing.T) {
	p95, rate, value := Aggregation{"p", 95}, Aggregation{Name: "rate"}, Aggregation{Name: "value"}
	for _, test := range []struct {
		name, source string
		aggregation  Aggregation
		tolerance    float64
		moreIsBetter bool
	}{
		{"http_req_duration", "p(95)<+5%", p95, 0.05, false},
		{"http_req_service_duration", " avg <= + 12.5 % ", Aggregation{Name: "avg"}, 0.125, false},
		{"db_query_duration{query:get_resource}", "med<+1000%", Aggregation{Name: "med"}, 10, false},
		{"http_reqs{name:a,scenario:b}", "rate>-99%", rate, 0.99, true},
		{"http_req_succeeded", "rate>=-1%", rate, 0.01, true},
		{"data_received", "rate<+5%", rate, 0.05, false},
		{"data_received", "rate>-5%", rate, 0.05, true},
		{"instructions_per_request", "value<+0.1%", value, 0.001, false},
	} {
		got, err := ParseRegression(test.name, test.source)
		if err != nil {
			t.Errorf("%s %s: %v", test.name, test.source, err)
			continue
		}
		if got.Name() != test.name || got.Aggregation != test.aggregation || got.Tolerance != test.tolerance ||
			got.MoreIsBetter != test.moreIsBetter || got.Source != test.source {
			t.Errorf("%s %s: got %+v", test.name, test.source, got)
		}
	}
	for _, test := range []struct{ name, source, want string }{
		{"http_req_failed", "rate<+1%", "http_req_failed is not compared in experiments; a share near 0 has no ratio"},
		{"schedule_lag", "avg<+1%", "schedule_lag is not compared in experiments; both arms have the same schedule"},
		{"cpu_per_requests", "value<+1%", `there is no metric "cpu_per_requests"; did you mean "cpu_per_request"?`},
		{"cpu_per_request{", "value<+1%", "is not closed"},
		{"cpu_per_request", "value>-1%", "a fall is no change for the worse; write it as value<+5%"},
		{"checks", "rate<+1%", "a rise is no change for the worse; write it as rate>-5%"},
	} {
		got, err := ParseRegression(test.name, test.source)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %+v, %v, want %s", test.name, test.source, got, err, test.want)
		}
	}
}

// TestRegressionMetricsHaveExamples: what messages tell a user to write has to be right.
func TestRegressionMetricsHaveExamples(t *testing.T) {
	for _, m := range RegressionMetrics {
		if _, err := ParseRegression(string(m.Name), m.example()); err != nil {
			t.Errorf("%s %s: %v", m.Name, m.example(), err)
		}
		if got := m.Name.PerRequest(); got != m.perRequest() {
			t.Errorf("%s is of requests: %t", m.Name, got)
		}
	}
}

// FuzzRegression holds that every gate is either refused or can be written again and read as the same.
func FuzzRegression(f *testing.F) {
	for _, seed := range []string{
		"p(95)<+5%", "rate>-1%", " value <= + 3.5 % ", "p(99.9)<+1000%", "med<+0%", "rate>-100%",
	} {
		for _, name := range []string{"http_req_duration{name:get}", "http_reqs", "cpu_per_request", "data_sent{"} {
			f.Add(name, seed)
		}
	}
	f.Fuzz(func(t *testing.T, name, source string) {
		g, err := ParseRegression(name, source)
		if err != nil {
			return
		}
		row, ok := g.Metric.RegressionMetric()
		if !ok || !(g.Tolerance > 0) || g.MoreIsBetter && (g.Tolerance >= 1 || !row.FallIsWorse) ||
			!g.MoreIsBetter && !row.RiseIsWorse {
			t.Errorf("%q of %q is %+v", source, name, g)
		}
		again, err := ParseRegression(g.Name(), g.Source)
		if err != nil || !reflect.DeepEqual(again, g) {
			t.Errorf("%q of %q is %+v; read again it is %+v, %v", source, name, g, again, err)
		}
	})
}
