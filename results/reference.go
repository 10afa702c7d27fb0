package results

import "math"

// Reference is what the pinned reference took beside a run: a server that does next to nothing, under a load that is
// always the same. It tells how fast the machine, its kernel and the generator were.
type Reference struct {
	Name   string            `json:"name"`   // with the version of server and load: other ones are not comparable
	Before ReferenceMeasured `json:"before"` // the load of the run
	After  ReferenceMeasured `json:"after"`
}

// ReferenceMeasured is one measurement of the reference.
type ReferenceMeasured struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	CPU float64 `json:"cpu_per_request_seconds,omitempty"` // of the server; 0 where it is not known
}

// Of is the reference of a figure, the geometric mean of before and after in the figure's unit; 0 where there is none.
func (r *Reference) Of(metric, statistic string) float64 {
	of := func(m ReferenceMeasured) float64 {
		switch metric + " " + statistic {
		case "http_req_duration med":
			return m.P50
		case "http_req_duration p(95)":
			return m.P95
		case "http_req_duration p(99)":
			return m.P99
		case "cpu_per_request value":
			return m.CPU
		}
		return 0
	}
	if r == nil || of(r.Before) <= 0 || of(r.After) <= 0 {
		return 0
	}
	return math.Sqrt(of(r.Before) * of(r.After))
}
