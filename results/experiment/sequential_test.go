package experiment

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// TestPublishedBounds compares with the bounds of five equally spaced looks at a one-sided level of 0.025 by the
// spending function of O'Brien and Fleming's shape: 4.877, 3.357, 2.680, 2.290, 2.031 (R's gsDesign, sfLDOF; also
// DeMets and Lan, Statistics in Medicine 13 (1994), table I).
func TestPublishedBounds(t *testing.T) {
	d := Design{looks: []look{{1, 0.2}, {2, 0.4}, {3, 0.6}, {4, 0.8}, {5, 1}}}
	for k, level := range d.Levels(0.025) {
		want := []float64{4.877, 3.357, 2.680, 2.290, 2.031}[k]
		if got := distuv.UnitNormal.Quantile(1 - level); math.Abs(got-want) > 0.002 {
			t.Errorf("look %d: %.4f, want %.3f", k+1, got, want)
		}
	}
	standard, err := NewDesign(24)
	if err != nil {
		t.Fatal(err)
	}
	for k, bound := range standard.Bounds(0.005) {
		want := []float64{13.93, 5.68, 4.01, 3.29, 2.87}[k]
		if math.Abs(bound-want) > 0.01 {
			t.Errorf("standard look %d: %.3f, want %.2f", k+1, bound, want)
		}
	}
}

// TestSpending crosses the bounds by simulated random walks as often as alpha says, at each number of looks.
func TestSpending(t *testing.T) {
	const alpha = 0.05
	for _, most := range []int{4, 8, 9, 24, 120} {
		d, err := NewDesign(most)
		if err != nil {
			t.Fatal(err)
		}
		if most == 120 { // one that was to be longer
			d = d.ending(50)
		}
		crosses(t, d, alpha, alpha)
	}
	d, err := NewDesign(100)
	if err != nil {
		t.Fatal(err)
	}
	// By 70 of 100 blocks, 2 - 2·Phi(1.95996/√0.7) are allowed.
	crosses(t, d.stopping(70), alpha, 0.0192)
	if _, err := NewDesign(3); err == nil {
		t.Error("three blocks are enough")
	}
}

// crosses holds the share of random walks that cross the bounds of a design.
func crosses(t *testing.T, d Design, alpha, want float64) {
	t.Helper()
	const walks = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	levels := d.Levels(alpha)
	crossed := 0
	for range walks {
		sum, n := 0.0, 0
		for k, look := range d.Looks() {
			sum += math.Sqrt(float64(look-n)) * r.NormFloat64()
			n = look
			if distuv.UnitNormal.Survival(sum/math.Sqrt(float64(n))) <= levels[k] {
				crossed++
				break
			}
		}
	}
	// 4 standard deviations of the count.
	if off := math.Abs(float64(crossed) - want*walks); off > 4*math.Sqrt(walks*want*(1-want)) {
		t.Errorf("looks %v: %d of %d walks cross, want %v", d.Looks(), crossed, walks, want*walks)
	}
}

// TestLongExperiments: of as many blocks as there may be, the bounds of the first looks lie far out, and every look has
// one that is a number and none that spends more than there is.
func TestLongExperiments(t *testing.T) {
	for _, most := range []int{4, 5, 8, 9, 24, 100, 119, 120, 150, 200, 300, 400} {
		d, err := NewDesign(most)
		if err != nil {
			t.Fatal(err)
		}
		for _, alpha := range []float64{0.025, 0.005, 0.001, 1e-9} {
			levels, bounds := d.Levels(alpha), d.Bounds(alpha)
			for k, level := range levels {
				if !(level >= 0) || level > alpha*(1+1e-6) || !(bounds[k] > 0) {
					t.Errorf("%d blocks, alpha %v, look %d: level %v, bound %v", most, alpha, k+1, level, bounds[k])
				}
			}
			if last := levels[len(levels)-1]; last < alpha/4 || levels[0] > last {
				t.Errorf("%d blocks, alpha %v: %v is left for the last look, after %v at first", most, alpha,
					last, levels[0])
			}
		}
	}
}
