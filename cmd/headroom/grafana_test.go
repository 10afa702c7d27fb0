package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/reports/metrics"
)

// dashboard is what the test reads of a Grafana dashboard.
type dashboard struct {
	UID        string `json:"uid"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID      int    `json:"id"`
		Title   string `json:"title"`
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			Expr         string `json:"expr"`
			LegendFormat string `json:"legendFormat"`
		} `json:"targets"`
	} `json:"panels"`
}

var (
	dashboardMetric   = regexp.MustCompile(`headroom_[a-z_]+`)
	dashboardSelector = regexp.MustCompile(`\{([^{}]*)\}`)
	dashboardLabel    = regexp.MustCompile(`([a-z_]+)(?:=~|!=|!~|=)"`)
	dashboardBy       = regexp.MustCompile(`by \(([^)]*)\)`)
	dashboardVariable = regexp.MustCompile(`\$\{?([a-z_]+)\}?`)
)

// TestDashboardAsksForWhatIsSent: every metric and label that the dashboard asks for is sent, every metric that is sent
// is on it, counters are asked for by their rate and nothing else is, and no two panels lie on each other.
func TestDashboardAsksForWhatIsSent(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/headroom.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	variables := map[string]bool{}
	var expressions []string
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		if v.Type == "query" {
			expressions = append(expressions, v.Definition)
		}
	}
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %s has the id of another, or asks for nothing", p.Title)
		}
		ids[p.ID] = true
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %s and %s lie on each other", o.Title, p.Title)
			}
		}
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
			name := dashboardMetric.FindString(target.Expr)
			if rated := strings.Contains(target.Expr, "rate("); rated != strings.HasSuffix(name, "_total") {
				t.Errorf("%s: only counters have a rate, and all of them", target.Expr)
			}
		}
	}
	asked := map[string]bool{}
	for _, expr := range expressions {
		for _, name := range dashboardMetric.FindAllString(expr, -1) {
			asked[name] = true
			if !slices.Contains(metrics.PrometheusNames(), name) {
				t.Errorf("%s: %s is not sent", expr, name)
			}
		}
		for _, selector := range dashboardSelector.FindAllStringSubmatch(expr, -1) {
			for _, label := range dashboardLabel.FindAllStringSubmatch(selector[1], -1) {
				if !slices.Contains(metrics.Labels(), label[1]) {
					t.Errorf("%s: there is no label %s", expr, label[1])
				}
			}
		}
		for _, by := range dashboardBy.FindAllStringSubmatch(expr, -1) {
			for _, label := range strings.Split(by[1], ", ") {
				if !slices.Contains(metrics.Labels(), label) {
					t.Errorf("%s: there is no label %s", expr, label)
				}
			}
		}
	}
	for _, name := range metrics.PrometheusNames() {
		if !asked[name] {
			t.Errorf("%s is not on the dashboard", name)
		}
	}
	for _, v := range dashboardVariable.FindAllStringSubmatch(string(text), -1) {
		if !variables[v[1]] {
			t.Errorf("there is no variable %s", v[1])
		}
	}
	if d.UID == "" || len(expressions) < 10 {
		t.Errorf("dashboard %q asks for %d things", d.UID, len(expressions))
	}
}
