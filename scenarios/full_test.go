package scenarios

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ofOtherScenarios are the paths that scenarios of their own are for: realtime, policies, inference and graphql.
var ofOtherScenarios = regexp.MustCompile(
	`^(/api/v1/stream|/api/v1/policies/\{id\}/.+|/api/v1/costs/(forecast|anomalies|explanation)|/graphql.*)$`)

// TestFullTouchesEveryOperation holds that full.yaml sends a request to every operation of the reference server's
// OpenAPI document but those that other scenarios are for.
func TestFullTouchesEveryOperation(t *testing.T) {
	plan, err := Read("full")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("..", "server", "api", "openapi", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	operations := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var document struct {
			Paths map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(content, &document); err != nil {
			t.Fatal(err)
		}
		for path, methods := range document.Paths {
			for method := range methods {
				if ofOtherScenarios.MatchString(path) || method == "parameters" {
					continue
				}
				operations++
				if !touches(plan, strings.ToUpper(method), path) {
					t.Errorf("full.yaml sends no %s %s", strings.ToUpper(method), path)
				}
			}
		}
	}
	if operations < 20 {
		t.Errorf("only %d operations: were the documents read?", operations)
	}
}

// touches reports whether a plan has a request of a method for a path of an OpenAPI document.
func touches(plan *Plan, method, path string) bool {
	pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `\{\{\w+\}\}`)
	matches := regexp.MustCompile("^" + pattern + `(\?.*)?$`).MatchString
	for q := range plan.AllRequests() {
		if q.Method == method && matches(q.Path.Text()) {
			return true
		}
	}
	return false
}

// TestFullHasItsGates: gates by request and by query, on failures and hit ratio, and on what the server says of itself.
func TestFullHasItsGates(t *testing.T) {
	plan, err := Read("full")
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string]bool{}
	var gates []string
	for _, threshold := range plan.Thresholds {
		gates = append(gates, threshold.Name()+": "+threshold.Source)
		if threshold.Metric == DBQueryDuration {
			queries[threshold.Selector["query"]] = true
		}
	}
	if len(queries) < 18 {
		t.Errorf("gates of only %d queries: %v", len(queries), queries)
	}
	for _, want := range []string{
		"http_req_failed: rate==0", "http_req_duration{scenario:reads}: p(95)<50",
		"http_req_duration{name:get_resource}: p(50)<5", "db_query_duration{query:get_resource}: p(50)<1",
		"cache_hit_ratio: rate>0.4", "server_metric{name:headroom_http_shed_total}: count==0",
	} {
		if !slices.Contains(gates, want) {
			t.Errorf("no gate %s", want)
		}
	}
	for _, s := range plan.Scenarios {
		if end := s.StartTime + s.Load.Length(); end.Seconds() > 90 {
			t.Errorf("%s ends after %v", s.Name, end)
		}
	}
}
