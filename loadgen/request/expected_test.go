package request

import (
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// TestExpectedStatuses: without a list, a status of HTTP from 200 to 399 is expected, and of gRPC OK.
func TestExpectedStatuses(t *testing.T) {
	for status, want := range map[int]bool{
		199: false, 200: true, 399: true, 400: false, 900: false, 999: false,
		scenarios.GRPCStatus: true, scenarios.GRPCUnavailable: false,
	} {
		if got := Expected(&scenarios.Request{}, status); got != want {
			t.Errorf("%d is expected: %t, want %t", status, got, want)
		}
	}
}
