package results_test

import (
	"fmt"
	"log"

	"github.com/policycortex/headroom/results"
)

// A saved run is a directory: here one that ended with a crossed threshold.
func ExampleRead() {
	run, err := results.Read("judge/testdata/saved")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Name, run.Verdict.Outcome)
	requests, err := run.Measurements.ByRequest()
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range requests {
		fmt.Printf("%s: %d requests, %d failed, P95 %.1f ms\n", s.Name, s.Requests, s.Failed, s.Response.Percentile(95))
	}
	for _, g := range run.Verdict.Gates {
		if !g.Passed && !g.Unresolved {
			fmt.Printf("crossed: %s %s, measured %.4g%s\n", g.Metric, g.Expression, g.Actual, g.Unit)
		}
	}
	// Output:
	// check FAIL
	// item: 2425 requests, 43 failed, P95 25.4 ms
	// home: 275 requests, 2 failed, P95 28.1 ms
	// r: 700 requests, 21 failed, P95 27.4 ms
	// crossed: http_req_duration p(95)<30 for 5s, measured 37.5ms
	// crossed: http_req_duration{name:item} p(95)<14, measured 25.36ms
	// crossed: http_req_service_duration p(99)<25, measured 42.59ms
	// crossed: http_req_failed rate<0.01, measured 0.01941
}
