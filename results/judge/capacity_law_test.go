package judge

import (
	"testing"

	"github.com/policycortex/headroom/results/capacity"
)

// TestPeakOfLaw: a peak is stated where the law may be asked, which is up to what was measured when it is refused to
// say more.
func TestPeakOfLaw(t *testing.T) {
	samples := func(l capacity.Law, noise float64, users ...float64) (all []capacity.Sample) {
		for i, n := range users {
			all = append(all, capacity.Sample{N: n, X: l.At(n) * (1 + noise*float64(i%3-1))})
		}
		return all
	}
	peaked := capacity.Law{Alpha: 0.03, Beta: 0.002, Gamma: 1000} // at 22
	for name, c := range map[string]struct {
		samples       []capacity.Sample
		peak, refused bool
	}{
		"within what was measured": {samples(peaked, 0.002, 1, 2, 4, 8, 16, 32, 64), true, false},
		"within twice that":        {samples(peaked, 0.001, 1, 2, 4, 8, 16), true, false},
		"far beyond": {
			samples(capacity.Law{Alpha: 0.03, Beta: 1e-5, Gamma: 1000}, 0, 1, 2, 4, 8),
			false, false,
		},
		"scattered": {samples(capacity.Law{Beta: 0.004, Gamma: 1000}, 0.3, 1, 2, 4, 8, 10), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			law, err := lawOf(c.samples, "users")
			if err != nil {
				t.Fatal(err)
			}
			if (law.Peak > 0) != c.peak || (law.Refusal != "") != c.refused || (law.Most > 0) != c.peak {
				t.Errorf("peak %v (%v to %v) of %v, refusal %q", law.Peak, law.PeakLow, law.PeakHigh, law.Most,
					law.Refusal)
			}
			if c.peak && (law.PeakLow > law.Peak || law.PeakHigh != 0 && law.PeakHigh < law.Peak || law.PeakLow < 1) {
				t.Errorf("peak %v, %v to %v", law.Peak, law.PeakLow, law.PeakHigh)
			}
		})
	}
}
