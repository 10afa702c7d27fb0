package scenarios_test

import (
	"fmt"

	"github.com/policycortex/headroom/scenarios"
)

func ExampleParse() {
	plan, err := scenarios.Parse("shop.yaml", []byte(`
target: {url: "http://127.0.0.1:8080"}
scenarios:
  browse:
    executor: constant-arrival-rate
    rate: 100
    duration: 30s
    requests: [{name: home, path: /}]
thresholds:
  http_req_duration{scenario:browse}: p(95)<50
`), "scenarios.browse.rate=250") // an override, as --set gives it
	if err != nil {
		fmt.Println(err)
		return
	}
	browse := plan.Scenarios[0]
	fmt.Printf("%s sends %+v\n", browse.Name, browse.Load)
	for _, t := range plan.Thresholds {
		fmt.Printf("%s must be %s %v\n", t.Name(), t.Op, t.Limit)
	}
	// Output:
	// browse sends {Rate:250 Duration:30s Arrivals:even MaxVUs:100}
	// http_req_duration{scenario:browse} must be < 50
}

// Every fault of a file has its place and says what to do.
func ExampleParse_faults() {
	_, err := scenarios.Parse("shop.yaml", []byte(`
target: {url: "http://127.0.0.1:8080"}
scenarios:
  browse:
    executor: constant-arrival-rate
    ratee: 100
    duration: 30
    requests: [{name: home, path: /}]
`))
	fmt.Println(err)
	// Output:
	// shop.yaml:6:5: unknown key "ratee" in scenarios.browse; did you mean "rate"?
	// shop.yaml:7:15: scenarios.browse.duration must be a duration, not "30"; add a unit: 30s or 30ms
}
