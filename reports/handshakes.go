package reports

import "github.com/policycortex/headroom/results"

// handshakeRow has the TLS handshakes of the connections on which a request was the first.
type handshakeRow struct {
	Scenario, Name string
	Handshakes     *results.Histogram
}

// Handshakes are those of the requests that have any.
func (d digest) Handshakes() (rows []handshakeRow) {
	for _, s := range d.Scenarios {
		for _, q := range s.Requests {
			if q.Handshakes != nil && q.Handshakes.Count() > 0 {
				rows = append(rows, handshakeRow{s.Name, q.Name, q.Handshakes})
			}
		}
	}
	return rows
}

func handshakesText(rows []handshakeRow) string {
	t := textTable{left: 2, rows: [][]string{{"scenario", "request", "handshakes", "P50", "P95", "P99", "max"}}}
	for _, r := range rows {
		t.add(r.Scenario, r.Name, count(r.Handshakes.Count()), percentileOf(r.Handshakes, 50),
			percentileOf(r.Handshakes, 95), percentileOf(r.Handshakes, 99), maxOf(r.Handshakes))
	}
	return t.String()
}
