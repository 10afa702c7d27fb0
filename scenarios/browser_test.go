package scenarios

import (
	"strings"
	"testing"
	"time"
)

const browserFile = `target: {url: "http://127.0.0.1:1"}
scenarios:
  pages:
    executor: browser
    duration: 30s
`

func TestBrowser(t *testing.T) {
	plan, err := Parse("x.yaml", []byte(browserFile+`
    vus: 3
    network: slow-4g
    cpu: 4.5
    requests: [{name: home, path: "/{{n}}", click: "button.more", values: {n: {range: [1, 9]}}}]
thresholds:
  browser_fcp{name:home}: "p(75)<2000"
  browser_cls: "max<0.1"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Browser{VUs: 3, Duration: 30 * time.Second, Network: "slow-4g", CPU: 4.5}
	if s := plan.Scenarios[0]; s.Load != want || s.Requests[0].Click != "button.more" {
		t.Errorf("got %+v and a click on %q", s.Load, s.Requests[0].Click)
	}
	if len(plan.Thresholds) != 2 || plan.Thresholds[0].Metric != BrowserFCP {
		t.Errorf("the thresholds are %+v", plan.Thresholds)
	}
	plain, err := Parse("x.yaml", []byte(browserFile+"    requests: [{name: home, path: /}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if l := plain.Scenarios[0].Load; l != (Browser{VUs: 1, Duration: 30 * time.Second, CPU: 1}) {
		t.Errorf("by default it is %+v", l)
	}
	conditions, limited := Network("slow-4g").Conditions()
	if !limited || conditions.Latency != 562500*time.Microsecond || conditions.Download != 180_000 {
		t.Errorf("slow-4g is %+v", conditions)
	}
	if _, limited := Network("").Conditions(); limited || len(networks) != len(networkNames) {
		t.Errorf("%d networks, %d names; none is limited: %t", len(networks), len(networkNames), limited)
	}
}

func TestBrowserRefuses(t *testing.T) {
	page := "    requests: [{name: home, path: /}]\n"
	for name, tt := range map[string]struct{ text, mention string }{
		"another network": {"    network: 5g\n" + page, "did you mean"},
		"a faster CPU":    {"    cpu: 0.5\n" + page, "cpu"},
		"too many users":  {"    vus: 1000\n" + page, "vus"},
		"an engine":       {"    engine: wire\n" + page, "Chromium"},
		"a rate":          {"    rate: 5\n" + page, "rate"},
		"a method":        {"    requests: [{name: home, path: /, method: POST}]\n", "have no method"},
		"headers":         {"    requests: [{name: home, path: /, headers: {A: b}}]\n", "have no headers"},
		"a flow":          {"    requests: [{name: f, steps: [{name: home, path: /}]}]\n", "have no steps"},
		"an empty click":  {"    requests: [{name: home, path: /, click: ' '}]\n", "click is empty"},
		"a rate of times": {page + "thresholds: {browser_fcp: 'rate<1'}\n", "browser_fcp"},
	} {
		_, err := Parse("x.yaml", []byte(browserFile+tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.mention) || !strings.HasPrefix(err.Error(), "x.yaml:") {
			t.Errorf("%s: error %v, want one that mentions %q", name, err, tt.mention)
		}
	}
	other := strings.Replace(browserFile, "browser", "constant-vus", 1)
	for name, tt := range map[string]struct{ text, mention string }{
		"pages of nobody":   {"    vus: 1\n" + page + "thresholds: {browser_lcp: 'p(75)<1'}\n", "executor browser"},
		"a click of nobody": {"    vus: 1\n    requests: [{name: home, path: /, click: b}]\n", "executor browser"},
		"a slow network":    {"    vus: 1\n    network: 3g\n" + page, "belongs to executor browser"},
	} {
		_, err := Parse("x.yaml", []byte(other+tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.mention) {
			t.Errorf("%s: error %v, want one that mentions %q", name, err, tt.mention)
		}
	}
}

// TestFrontendHasTheTarget: the scenario frontend judges the first contentful paint as the reference system's design
// does, on a network and a CPU that make it hard.
func TestFrontendHasTheTarget(t *testing.T) {
	plan, err := Read("frontend")
	if err != nil {
		t.Fatal(err)
	}
	load, ok := plan.Scenarios[0].Load.(Browser)
	if !ok || load.Network != "slow-4g" || load.CPU < 4 {
		t.Errorf("its load is %+v", plan.Scenarios[0].Load)
	}
	for _, threshold := range plan.Thresholds {
		if threshold.Metric == BrowserFCP && threshold.Source == "p(75)<2000" && len(threshold.Selector) == 0 {
			return
		}
	}
	t.Errorf("there is no such gate among %+v", plan.Thresholds)
}
