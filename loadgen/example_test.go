package loadgen_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/scenarios"
)

// A plan is read from a scenario file, and its load sent to a service: here by both engines at the same time.
func ExampleRun() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request,
	) {
		io.WriteString(w, "hello")
	}))
	defer service.Close()
	plan, err := scenarios.Parse("hello.yaml", []byte(`
target: {url: "`+service.URL+`"}
scenarios:
  hello:
    executor: constant-arrival-rate
    rate: 40
    duration: 500ms
    maxVUs: 10
    requests: [{name: hello, path: /}]
  witness:
    engine: vegeta
    executor: constant-arrival-rate
    rate: 20
    duration: 500ms
    maxVUs: 10
    requests: [{name: hello, path: /}]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := loadgen.Run(context.Background(), plan, service.URL, loadgen.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, load := range m.Loads {
		series := m.Series[i]
		fmt.Printf("%s: %d of %d requests sent, %d failed, %d bytes received\n",
			load.Scenario, load.Sent, load.Planned, series.Failed, series.BytesReceived)
	}
	// Output:
	// hello: 20 of 20 requests sent, 0 failed, 100 bytes received
	// witness: 10 of 10 requests sent, 0 failed, 50 bytes received
}
