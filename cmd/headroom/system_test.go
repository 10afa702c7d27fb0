package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/policycortex/headroom/containers"
)

// TestMaintenanceThatFailedIsAWarning, also when it fails after the last window, and when the server does not answer
// any more.
func TestMaintenanceThatFailedIsAWarning(t *testing.T) {
	var failures atomic.Int64
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w,
			`{"version": 1, "maintenance": {"analyze_resources": {"runs": 2, "errors": %d, "last_failure": "statement timeout"}}}`, failures.Load())
	}))
	defer admin.Close()
	child, err := containers.StartChild(t.Context(), containers.ChildSpec{Path: "/bin/sleep", Args: []string{"60"}})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop(context.WithoutCancel(t.Context()))
	s := &system{
		environment: &containers.Environment{}, servers: referenceServers{{child: child, admin: admin.URL}},
	}
	s.sample = s.servers.sample
	if got := s.warnings(t.Context()); len(got) != 0 {
		t.Errorf("nothing failed: %q", got)
	}
	failures.Store(1)
	for range 2 {
		if got := s.warnings(t.Context()); len(got) != 1 ||
			!strings.Contains(got[0], "analyze_resources failed in 1 of 2 runs") ||
			!strings.Contains(got[0], "statement timeout") {
			t.Errorf("warnings %q", got)
		}
		admin.Close()
	}
}
