package results

import (
	"cmp"
	"slices"
)

// SlowRequest is one of the slowest requests of its name in the measured window. Times are milliseconds unless they say
// otherwise; what is not known, or was not needed, is 0.
type SlowRequest struct {
	Scenario  string  `json:"scenario"`
	Request   string  `json:"request"`
	Iteration int64   `json:"iteration"`
	Trace     string  `json:"trace_id,omitempty"` // of 32 hexadecimal digits; empty where it was not sampled
	At        float64 `json:"at_seconds"`         // when it was due, since the start of the run
	Response  float64 `json:"response_ms"`        // from then to its end
	Waited    float64 `json:"waited_ms"`          // from then until it was sent
	Connect   float64 `json:"connect_ms,omitempty"`
	TLS       float64 `json:"tls_ms,omitempty"`
	FirstByte float64 `json:"first_byte_ms,omitempty"` // from sending to the first byte of the answer
	Status    string  `json:"status,omitempty"`
	Error     string  `json:"error,omitempty"` // class, where no answer came whole
	Instance  int     `json:"instance,omitempty"`
	// Connection is "new" or "reused"; empty where the engine does not tell.
	Connection string `json:"connection,omitempty"`
	// OfSampled says that it is here as one of the slowest that were sampled, and not as one of the slowest of all.
	OfSampled bool `json:"of_sampled,omitempty"`
}

// The most requests of a name that are kept: the slowest of all, and the slowest that were sampled.
const (
	MostSlowest        = 5
	MostSlowestSampled = 5
)

// MergeSlowest puts the slowest requests of shards together.
func MergeSlowest(parts []*Measurements) []SlowRequest {
	byName := map[[2]string][]SlowRequest{}
	var names [][2]string
	for _, m := range parts {
		for _, s := range m.Slowest {
			name := [2]string{s.Scenario, s.Request}
			if byName[name] == nil {
				names = append(names, name)
			}
			byName[name] = append(byName[name], s)
		}
	}
	var all []SlowRequest
	for _, name := range names {
		of := byName[name]
		slices.SortStableFunc(of, func(a, b SlowRequest) int { return cmp.Compare(b.Response, a.Response) })
		sampled := 0
		for i, s := range of {
			if s.Trace != "" {
				sampled++
			}
			// A shard has no request that is slower than those which it left out.
			s.OfSampled = i >= MostSlowest
			if !s.OfSampled || s.Trace != "" && sampled <= MostSlowestSampled {
				all = append(all, s)
			}
		}
	}
	return all
}

// SlowestFirst are the slowest requests of all names, or those that were sampled.
func (m *Measurements) SlowestFirst(sampled bool) []SlowRequest {
	all := slices.DeleteFunc(slices.Clone(m.Slowest), func(s SlowRequest) bool {
		return sampled && s.Trace == "" || !sampled && s.OfSampled
	})
	slices.SortStableFunc(all, func(a, b SlowRequest) int { return cmp.Compare(b.Response, a.Response) })
	return all
}
