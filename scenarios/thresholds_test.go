package scenarios

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// A gate that no query of the server can meet would never be judged, and a query without a name here never be gated.
func TestQueryNamesAreTheServers(t *testing.T) {
	if want := store.QueryNames(); !slices.Equal(queryNames, want) {
		t.Errorf("queryNames are %q, want those of the server, %q", queryNames, want)
	}
	manual, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range queryNames {
		if !strings.Contains(string(manual), "`"+name+"`") {
			t.Errorf("docs/scenarios.md does not say that a gate can select the query %s", name)
		}
	}
}

func TestParseExpression(t *testing.T) {
	tests := []struct {
		text  string
		kind  MetricKind
		agg   Aggregation
		op    Operator
		limit float64
	}{
		{"p(95)<50", Trend, Aggregation{"p", 95}, "<", 50},
		{"p(99.9)<=0.5", Trend, Aggregation{"p", 99.9}, "<=", 0.5},
		{" p ( 50 ) < 10. ", Trend, Aggregation{"p", 50}, "<", 10},
		{"p(0.1)>0", Trend, Aggregation{"p", 0.1}, ">", 0},
		{"med<10", Trend, Aggregation{Name: "med"}, "<", 10},
		{"avg != 3", Trend, Aggregation{Name: "avg"}, "!=", 3},
		{"min==0", Trend, Aggregation{Name: "min"}, "==", 0},
		{"max>=1000000", Trend, Aggregation{Name: "max"}, ">=", 1e6},
		{"count<1", Counter, Aggregation{Name: "count"}, "<", 1},
		{"rate>10000", Counter, Aggregation{Name: "rate"}, ">", 10000},
		{"rate<1", Rate, Aggregation{Name: "rate"}, "<", 1},
	}
	for _, test := range tests {
		got, err := parseComparison(test.text, test.kind)
		want := expression{aggregation: test.agg, operator: test.op, limit: test.limit}
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", test.text, got, err, want)
		}
	}
}

func TestParseExpressionRefuses(t *testing.T) {
	tests := []struct {
		text string
		kind MetricKind
		want string // in the message
	}{
		{"", Trend, "no comparison"},
		{"p(95)", Trend, "no comparison"},
		{"p(95)<", Trend, "not a number"},
		{"p(95)=50", Trend, "no operator"},
		{"p(95)===50", Trend, "no operator"},
		{"p(95)!50", Trend, "no operator"},
		{"p(95)<50<60", Trend, "no operator"},
		{"p(95)<50ms", Trend, "without a unit"},
		{"p(95)<-1", Trend, "not a number"},
		{"p(95)<.5", Trend, "not a number"},
		{"p(95)<1.2.3", Trend, "not a number"},
		{"p(95)<0x10", Trend, "not a number"},
		{"p(95)<NaN", Trend, "not a number"},
		{"p(95)<Inf", Trend, "not a number"},
		{"p(95)<1 2", Trend, "not a number"},
		{"p95<50", Trend, "not a percentile"},
		{"p(0)<50", Trend, "not a percentile"},
		{"p(100)<50", Trend, "max"},
		{"p()<50", Trend, "not a percentile"},
		{"p(N)<50", Trend, "not a percentile"},
		{"p(95<50", Trend, "not a percentile"},
		{"mde<50", Trend, `did you mean "med"?`},
		{"rate<50", Trend, "known are avg, min, med, max, p(N)"},
		{"MED<50", Trend, `did you mean "med"?`},
		{"p(95)<50", Counter, "known are count, rate"},
		{"count<5", Rate, "only rate"},
		{"rate<1.5", Rate, "5 % is 0.05"},
	}
	for _, test := range tests {
		_, err := parseComparison(test.text, test.kind)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want it to contain %q", test.text, err, test.want)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, test := range []struct {
		text, expression string
		window           time.Duration
		fault            string
	}{
		{"p(95)<50", "p(95)<50", 0, ""},
		{"p(95)<50 for 10s", "p(95)<50", 10 * time.Second, ""},
		{" rate > 100  for  1m30s ", "rate > 100", 90 * time.Second, ""},
		{"p(95)<50for1h", "p(95)<50", time.Hour, ""},
		{"p(95)<50 for", "", 0, `"" is not a window`},
		{"p(95)<50 for 10", "", 0, `"10" is not a window; write whole seconds, as in p(95)<50 for 10s`},
		{"p(95)<50 for 1500ms", "", 0, "is not a window"},
		{"p(95)<50 for 0s", "", 0, "is not a window"},
		{"p(95)<50 for -5s", "", 0, "is not a window"},
		{"p(95)<50 for 2h", "", 0, "is not a window"},
		{"p(95)<50 for 10s for 5s", "", 0, "is not a window"},
	} {
		expression, window, err := cutWindow(test.text)
		if test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) || test.fault == "" &&
			err != nil {
			t.Errorf("%q: got %v, want %q", test.text, err, test.fault)
		}
		if strings.TrimSpace(expression) != test.expression || window != test.window {
			t.Errorf("%q is %q for %v", test.text, expression, window)
		}
	}
	for name, text := range map[MetricName]string{HTTPReqs: "count>1", Checks: "rate>0.9", DBQueryDuration: "max<1"} {
		if got, err := parseExpression(text+" for 5s", metric(t, name)); err == nil {
			t.Errorf("%s %s can have a window: %+v", name, text, got)
		}
	}
	for name, text := range map[MetricName]string{
		HTTPReqs: "rate>1", HTTPReqFailed: "rate<1",
		HTTPReqDuration: "p(95)<1", HTTPReqServiceDuration: "max<1",
	} {
		if got, err := parseExpression(text+" for 5s", metric(t, name)); err != nil || got.window != 5*time.Second {
			t.Errorf("%s %s: %+v, %v", name, text, got, err)
		}
	}
}

// metric is the row of a metric.
func metric(t *testing.T, name MetricName) Metric {
	t.Helper()
	m, ok := name.Metric()
	if !ok {
		t.Fatalf("there is no metric %s", name)
	}
	return m
}

func TestOperators(t *testing.T) {
	for operator, want := range map[Operator][3]bool{ // of 1, 2 and 3 against the limit 2
		Less: {true, false, false}, AtMost: {true, true, false}, Greater: {false, false, true},
		AtLeast: {false, true, true}, Equal: {false, true, false}, NotEqual: {true, false, true}, "===": {},
	} {
		for i, holds := range want {
			if got := operator.Holds(float64(i+1), 2); got != holds {
				t.Errorf("%d %s 2 is %v", i+1, operator, got)
			}
		}
		if upper, lower := operator.IsUpper(), operator.IsLower(); upper != (want[0] && !want[2]) ||
			lower != (want[2] && !want[0]) {
			t.Errorf("%s is an upper bound: %v, a lower bound: %v", operator, upper, lower)
		}
	}
}

func TestParseMetricName(t *testing.T) {
	tests := []struct {
		text     string
		metric   MetricName
		selector map[string]string
	}{
		{"http_reqs", "http_reqs", nil},
		{" http_reqs ", "http_reqs", nil},
		{"http_reqs{}", "http_reqs", nil},
		{"http_reqs{a:b}", "http_reqs", map[string]string{"a": "b"}},
		{"http_reqs { a : b , c : d } ", "http_reqs", map[string]string{"a": "b", "c": "d"}},
		{"http_reqs{env:prod:eu}", "http_reqs", map[string]string{"env": "prod:eu"}},
	}
	for _, test := range tests {
		metric, selector, err := parseMetricName(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
		} else if metric != test.metric || !maps.Equal(selector, test.selector) {
			t.Errorf("%q is %q %v, want %q %v", test.text, metric, selector, test.metric, test.selector)
		}
	}
	for _, text := range []string{
		"a{", "a{b:c", "a{b:c}d", "a{b}", "a{:c}", "a{b:}", "a{b:c,}", "a{b:c,b:d}",
		"a{{b:c}}",
	} {
		if metric, selector, err := parseMetricName(text); err == nil {
			t.Errorf("%q was accepted as %q %v", text, metric, selector)
		}
	}
}

func TestThresholdNameIsStable(t *testing.T) {
	threshold := Threshold{
		Metric:   "http_req_duration",
		Selector: map[string]string{"scenario": "warm", "name": "get", "a": "b"},
	}
	for range 20 {
		if got, want := threshold.Name(), "http_req_duration{a:b,name:get,scenario:warm}"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if got := (Threshold{Metric: "http_reqs"}).Name(); got != "http_reqs" {
		t.Errorf("without a selector: %s", got)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"rate", "duration", "maxVUs", "l1", "l2"}
	for word, want := range map[string]string{
		"ratee": "rate", "rat": "rate", "Rate": "rate", "durtaion": "duration", "maxvus": "maxVUs", "l9": "l1",
		"": "", "x": "", "something": "", strings.Repeat("rate", 100): "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

// What stands under a scenario or a request selects it, and nothing else.
func TestThresholdsOfScenariosAndRequests(t *testing.T) {
	plan, err := Parse("x.yaml", []byte(`
scenarios:
  warm: &warm
    executor: constant-arrival-rate
    rate: 1
    duration: 1s
    thresholds: {dropped_iterations: count<1}
    requests:
      - {name: get, path: /, thresholds: {http_req_duration: ["p(95)<5", {threshold: max<9, abortOnFail: true}]}}
      - {name: list, path: /l, tags: {kind: read}, thresholds: {"http_reqs{kind:read}": count>0}}
  cold: *warm
thresholds: {http_reqs: count>0}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, threshold := range plan.Thresholds {
		got = append(got, threshold.Name()+" "+threshold.Source)
	}
	want := []string{"http_reqs count>0"}
	for _, scenario := range []string{"warm", "cold"} {
		want = append(want, "dropped_iterations{scenario:"+scenario+"} count<1",
			"http_req_duration{name:get,scenario:"+scenario+"} p(95)<5",
			"http_req_duration{name:get,scenario:"+scenario+"} max<9",
			"http_reqs{kind:read,name:list,scenario:"+scenario+"} count>0")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOutcomesAreTold: a plan tells those responses apart that thresholds select, and no others.
func TestOutcomesAreTold(t *testing.T) {
	const file = `
target: {url: "http://127.0.0.1:1"}
scenarios: {s: {executor: constant-vus, vus: 1, duration: 1m, requests: [{name: a, path: /}]}}
thresholds: `
	for _, test := range []struct {
		thresholds, kinds string
	}{
		{"{http_reqs: count>1}", "|"},
		{`{"http_reqs{status:503}": count==0, "data_sent{status:200}": count>1}`, "||200|503|"},
		{`{"http_req_duration{expected_response:true}": p(95)<1}`, "||unexpected|"},
		{
			`{"http_reqs{status:0}": count==0, "http_reqs{expected_response:false}": count<1}`,
			"||unexpected|0|0 unexpected|",
		},
	} {
		plan, err := Parse("x.yaml", []byte(file+test.thresholds))
		if err != nil {
			t.Errorf("%s: %v", test.thresholds, err)
			continue
		}
		o := plan.Outcomes()
		kinds := "|"
		for kind := range o.Len() {
			if o.Len() > 1 {
				kinds += o.Name(kind) + "|"
			}
		}
		if kinds != test.kinds {
			t.Errorf("%s tells apart %s, want %s", test.thresholds, kinds, test.kinds)
		}
		for _, status := range []int{0, 200, 503, 404} {
			for _, failed := range []bool{false, true} {
				tags := o.Tags(o.Kind(status, failed))
				if got := tags[StatusTag]; got != "" && got != strconv.Itoa(status) {
					t.Errorf("%s: status %d is told as %s", test.thresholds, status, got)
				}
				if got := tags[ExpectedTag]; o.Expected != (got != "") || got == strconv.FormatBool(failed) {
					t.Errorf("%s: expected is told as %q of a failed request: %v", test.thresholds, got, failed)
				}
			}
		}
	}
	for thresholds, want := range map[string]string{
		`{"http_reqs{status:99}": count==0}`:             `selects nothing: "99" is no status`,
		`{"http_reqs{status:5xx}": count==0}`:            `selects nothing: "5xx" is no status`,
		`{"http_reqs{expected_response:yes}": count==0}`: `expected_response is never "yes"; write true or false`,
		`{"http_req_failed{status:503}": rate<1}`:        "http_req_failed is not told apart by status",
		`{"checks{status:503}": rate<1}`:                 "checks is not told apart by status",
		`{"http_reqs{status:503}": rate<1 for 5s}`:       "http_reqs{status:503} has none",
		`{"dropped_iterations{status:503}": count==0}`:   "dropped_iterations is not told apart by status",
	} {
		if _, err := Parse("x.yaml", []byte(file+thresholds)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", thresholds, err, want)
		}
	}
	_, err := Parse("x.yaml", []byte(file+"{}\nregression: {\"http_req_duration{expected_response:true}\": p(95)<+5%}"))
	if err == nil || !strings.Contains(err.Error(), "x.yaml:5:14: experiments do not tell requests apart by status") {
		t.Errorf("%v", err)
	}
}
