package vegetaformat

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// TestInterruptedBetweenRequests: a cancelled attack ends although its next request is due much later.
func TestInterruptedBetweenRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	a := Attack{
		Targets: []vegeta.Target{{Method: "GET", URL: server.URL}}, Rate: 0.02, Timeout: time.Second,
		Workers: 1, MaxWorkers: 1,
	}
	began := time.Now()
	sum, err := a.Run(ctx, func(*vegeta.Result) error { return nil })
	if took := time.Since(began); err != nil || sum.Sent != 1 || took > 10*time.Second {
		t.Errorf("%d sent in %v, %v", sum.Sent, took, err)
	}
}
