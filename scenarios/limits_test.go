package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits holds that each limit can be reached, and not be passed.
func TestLimits(t *testing.T) {
	const request = "scenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: /, " +
		"checks: [%s]}]}}\n"
	const flow = "scenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: f, steps: [%s]}]}}\n"
	const step = "{name: n%d, path: /}"
	many := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return strings.Join(all, ", ")
	}
	for name, c := range map[string]struct {
		limit int
		file  func(n int) string
		says  string
	}{
		"checks": {
			MaxChecks, func(n int) string { return fmt.Sprintf(request, many(n, "{name: n%d, status: 200}")) },
			"a request takes at most",
		},
		"the name of a check": {
			100, func(n int) string { return fmt.Sprintf(request, "{name: "+strings.Repeat("n", n)+", status: 200}") },
			"a check cannot be named",
		},
		"a regular expression": {
			1000, func(n int) string {
				return fmt.Sprintf(request, "{name: n, header: X, regex: "+strings.Repeat("n", n)+"}")
			}, "at most 1000 are read",
		},
		"an index": {
			1_000_000, func(n int) string {
				return fmt.Sprintf(request, fmt.Sprintf("{name: n, json: '$[%d]', exists: true}", n))
			}, "is not an index",
		},
		"an index from the end": {
			1_000_000, func(n int) string {
				return fmt.Sprintf(request, fmt.Sprintf("{name: n, json: '$[-%d]', exists: true}", n))
			}, "is not an index",
		},
		"steps": {
			maxSteps, func(n int) string { return fmt.Sprintf(flow, many(n, step)) }, "it must be 1 to",
		},
		"extractions": {
			maxExtractions, func(n int) string {
				used := many(n, "x%d: '{{e%[1]d}}'")
				return fmt.Sprintf(flow, "{name: a, path: /, extract: {"+many(n, "e%d: {json: $.id}")+
					"}}, {name: b, path: /, headers: {"+used+"}}")
			}, "extracts more than",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("x.yaml", []byte(c.file(c.limit))); err != nil {
				t.Errorf("at the limit: %.300v", err)
			}
			if _, err := Parse("x.yaml", []byte(c.file(c.limit+1))); err == nil ||
				!strings.Contains(err.Error(), c.says) || strings.Count(err.Error(), "x.yaml:") != 1 {
				t.Errorf("beyond the limit: %.300v", err)
			}
		})
	}
}

func TestMemberNames(t *testing.T) {
	for path, good := range map[string]bool{
		"$.azAZ_09": true, "$._": true, "$.ä": true, "$.0": false, "$.a-b": false, "$.[": false, "$.`": false,
		"$.{": false, "$.@": false, "$.a\xff": false,
	} {
		if _, err := parseJSONPath(path); (err == nil) != good {
			t.Errorf("%s: error %v", path, err)
		}
	}
}
