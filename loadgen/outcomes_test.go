package loadgen

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// TestThresholdsByResponse: what thresholds select by status and by whether a response was expected is counted apart,
// by both engines, and is the same after the run was saved; that there is none of a status is data.
func TestThresholdsByResponse(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); {
		case n%10 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case n%10 == 1:
			w.WriteHeader(http.StatusNotFound)
		case n%10 == 2:
			panic(http.ErrAbortHandler) // no answer
		}
		w.Write([]byte("12345"))
	})
	const file = `
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 100
    duration: 1s
    requests: [{name: get, path: "/{{iteration}}", expectedStatus: [200, 404]}]
thresholds:
  http_reqs{status:503}: ["count==10", "count<5"]
  http_reqs{status:404}: "count==10"
  http_reqs{status:500}: ["count==0", "rate<0.1"]
  http_reqs{status:0}: "count==10"
  http_reqs: "count==100"
  http_reqs{expected_response:true,name:get}: "count==80"
  http_reqs{expected_response:false}: "count==20"
  http_reqs{expected_response:true,status:404}: "count==10"
  http_req_duration{expected_response:true}: ["p(95)<20000", "max<20000"]
  http_req_duration{status:500}: "p(95)<1000"
  data_received{expected_response:true}: ["count==400", "rate>1"]
  data_received: "count<450.5"
  http_req_failed: "rate==0.2"
`
	plan, err := scenarios.Parse("s.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		mine := *plan
		mine.Engine = engine
		m := run1(t, &mine, url, Options{})
		dir := t.TempDir()
		saved := &results.Run{Name: "s", Measurements: *m, Scenario: results.Scenario{File: "s.yaml", Text: file}}
		if err := results.Save(dir, saved); err != nil {
			t.Fatal(err)
		}
		again, err := results.Read(filepath.Join(dir, "run.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*results.Measurements{m, &again.Measurements} {
			v, err := judge.Run(m, plan.Thresholds)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range v.Gates {
				want := g.Expression != "count<5" && g.Metric != "http_req_duration{status:500}"
				if strings.HasPrefix(g.Expression, "p(95)") && want { // of 80 values; the interval may be too wide
					want = g.Passed
				}
				if g.Passed != want {
					t.Errorf("%s %s: passed %v, %v of %d: %s", g.Metric, g.Expression, g.Passed, g.Actual, g.Samples,
						g.Reason)
				}
			}
			requests, err := m.ByRequest()
			if err != nil || len(requests) != 1 || requests[0].Requests != 100 || requests[0].Statuses[503] != 10 {
				t.Errorf("the request altogether is %+v, %v", requests, err)
			}
		}
	})
}
