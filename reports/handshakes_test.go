package reports

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestHandshakesInReports: requests that were the first on a connection by TLS have a row; without any there is no
// table.
func TestHandshakesInReports(t *testing.T) {
	r := passedRun(t)
	s := r.Measurements.Series[0]
	s.Handshakes = durations(rand.New(rand.NewPCG(4, 5)), 1234, 3)
	text, page := string(draw(t, ".txt", r)), string(draw(t, ".html", r))
	for _, part := range []string{"TLS handshakes", "1,234"} {
		if !strings.Contains(text, part) || !strings.Contains(page, part) {
			t.Errorf("%q is not in both reports:\n%s", part, text)
		}
	}
	none := string(draw(t, ".txt", passedRun(t))) + string(draw(t, ".html", passedRun(t)))
	if strings.Contains(none, "TLS handshakes") {
		t.Error("a run without handshakes has a table of them")
	}
	var summary struct {
		Scenarios []struct {
			Requests []struct {
				Handshakes *struct{ Count int64 } `json:"tls_handshaking_ms"`
			} `json:"by_request"`
		}
	}
	if err := json.Unmarshal(draw(t, ".json", r), &summary); err != nil {
		t.Fatal(err)
	}
	all := summary.Scenarios[0].Requests
	if all[0].Handshakes == nil || all[0].Handshakes.Count != 1234 || all[1].Handshakes != nil {
		t.Errorf("%+v", all)
	}
}
