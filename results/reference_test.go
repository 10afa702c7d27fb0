package results

import "testing"

func TestReferenceOf(t *testing.T) {
	r := &Reference{
		Before: ReferenceMeasured{P50: 1, P95: 2, P99: 3, CPU: 4e-6},
		After:  ReferenceMeasured{P50: 4, P95: 8, P99: 12},
	}
	for figure, want := range map[[2]string]float64{
		{"http_req_duration", "med"}: 2, {"http_req_duration", "p(95)"}: 4, {"http_req_duration", "p(99)"}: 6,
		{"cpu_per_request", "value"}: 0, {"http_reqs", "rate"}: 0, {"http_req_duration", "p(90)"}: 0,
	} {
		if got := r.Of(figure[0], figure[1]); got != want {
			t.Errorf("%v: %v, want %v", figure, got, want)
		}
	}
	if (*Reference)(nil).Of("http_req_duration", "med") != 0 {
		t.Error("a run without a reference has one")
	}
}
