package reports

import (
	"github.com/policycortex/headroom/results"
)

// streamedRow is a request with streamed answers.
type streamedRow struct {
	Scenario, Name string
	*results.Streamed
	Seconds float64 // of the measured window
}

// StreamedAnswers are the requests with streamed answers.
func (d digest) StreamedAnswers() (rows []streamedRow) {
	for _, s := range d.Scenarios {
		for _, q := range s.Requests {
			if q.Streamed != nil {
				rows = append(rows, streamedRow{s.Name, q.Name, q.Streamed, q.Summary.Seconds})
			}
		}
	}
	return rows
}

// EventRate is the events a second.
func (r streamedRow) EventRate() float64 { return perSecondOf(r.Events, r.Seconds) }

// TokenRate is the tokens a second, or a dash where answers have none.
func (r streamedRow) TokenRate() string {
	if r.Tokens == 0 {
		return none
	}
	return rate(perSecondOf(r.Tokens, r.Seconds))
}

func perSecondOf(n int64, seconds float64) float64 {
	if seconds == 0 {
		return 0
	}
	return float64(n) / seconds
}

func streamedText(rows []streamedRow) string {
	t := textTable{left: 3, rows: [][]string{{
		"scenario", "request", "stream", "events", "rate", "tokens", "rate", "first P50", "P95", "P99", "gap P50",
		"P95", "P99",
	}}}
	for _, r := range rows {
		t.add(r.Scenario, r.Name, string(r.Kind), count(r.Events), rate(r.EventRate()), count(r.Tokens), r.TokenRate(),
			percentileOf(r.First, 50), percentileOf(r.First, 95), percentileOf(r.First, 99),
			percentileOf(r.Gap, 50), percentileOf(r.Gap, 95), percentileOf(r.Gap, 99))
	}
	return t.String()
}

// summaryStreamed is what summary.json says of streamed answers.
type summaryStreamed struct {
	*results.Streamed
	First *distribution `json:"first_ms"`
	Gap   *distribution `json:"gap_ms"`
}

func newSummaryStreamed(s *results.Streamed) *summaryStreamed {
	if s == nil {
		return nil
	}
	return &summaryStreamed{s, newDistribution(s.First), newDistribution(s.Gap)}
}
