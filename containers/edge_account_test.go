package containers

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestEdgeAccountOverFaults: the counts of an edge stay while it is down, and go on with its next process.
func TestEdgeAccountOverFaults(t *testing.T) {
	var requests, fetched int
	down := errors.New("it is down")
	var fault error
	r := &runningEdge{varnish: true}
	r.run = func(context.Context, string, ...string) (string, error) {
		text := `{"counters": {`
		for _, name := range varnishNames {
			n := map[string]int{varnishRequests: requests, varnishFetched: fetched}[name]
			text += fmt.Sprintf("%q: {\"value\": %d},", name, n)
		}
		return text + `"other": {"value": 7}}}`, fault
	}
	holds := func(when string, want lookups) {
		t.Helper()
		if got, err := r.counts(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
		}
	}
	requests, fetched = 15, 5
	holds("at first", lookups{10, 5})
	requests = 17
	r.falls(t.Context())
	fault = down
	holds("while it is down", lookups{12, 5})
	r.falls(t.Context()) // a restart of what was killed
	r.rises()
	if _, err := r.counts(t.Context()); !errors.Is(err, down) {
		t.Errorf("an edge that does not answer: %v", err)
	}
	fault, requests, fetched = nil, 3, 1
	holds("after its restart", lookups{14, 6})
	requests = 4
	holds("and later", lookups{15, 6})
}
