package experiment

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// noisy are blocks whose head is greater by the change, with the noise of a pair.
func noisy(n int, change, noise float64) []Block {
	random := rand.New(rand.NewPCG(5, uint64(n)))
	blocks := make([]Block, n)
	for i := range blocks {
		blocks[i].Number = i
		for _, arm := range Order(1, i) {
			v := math.Exp(noise * random.NormFloat64() / math.Sqrt2)
			if arm == Head {
				v *= 1 + change
			}
			blocks[i].Slices = append(blocks[i].Slices, Slice{Arm: arm, Figures: map[string]float64{"f": v}})
		}
	}
	return blocks
}

// TestResample: experiments drawn from blocks of equal arms seldom fail, those from blocks with a change that is there
// mostly do, and the same seed draws the same.
func TestResample(t *testing.T) {
	test, err := NewTest(Rule{Gates: []Gate{{Figure: "f", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01, Miss: 0.025})
	if err != nil {
		t.Fatal(err)
	}
	draw := func(change float64) Resampled {
		r := Resampling{Experiments: 500, Blocks: 24, Stretch: 4, Exchange: change == 0, Seed: 1}
		return r.Resample(noisy(40, change, 0.05), test.JudgeEnded)
	}
	if r := draw(0); r.Failed > 20 || r.Passed < 300 || r.Experiments != 500 {
		t.Errorf("equal arms: %+v", r)
	}
	changed := draw(0.1)
	if changed.Failed < 490 || changed.Blocks >= 24 {
		t.Errorf("a change of 10 %%: %+v", changed)
	}
	if again := draw(0.1); again != changed {
		t.Errorf("%+v and %+v from one seed", changed, again)
	}
}

// TestExchanged: the block of exchanged arms has the opposite value.
func TestExchanged(t *testing.T) {
	b := noisy(1, 0.1, 0.05)[0]
	v, _ := b.Value("f")
	w, ok := b.exchanged().Value("f")
	if !ok || math.Abs(v+w) > 1e-12 {
		t.Errorf("values %v and %v", v, w)
	}
}

// TestShareInterval holds the ends to their definition: at the lower one, k or more are seen with a probability of
// 2.5 %, at the upper one k or fewer.
func TestShareInterval(t *testing.T) {
	for _, c := range []struct{ k, n int }{{3, 60}, {0, 10}, {10, 10}, {1, 10_000}, {5_000, 10_000}} {
		low, high := ShareInterval(c.k, c.n)
		k, n := float64(c.k), float64(c.n)
		if c.k == 0 && low != 0 || c.k > 0 && !near(1-distuv.Binomial{N: n, P: low}.CDF(k-1), 0.025) {
			t.Errorf("%d of %d: from %v", c.k, c.n, low)
		}
		if c.k == c.n && high != 1 || c.k < c.n && !near(distuv.Binomial{N: n, P: high}.CDF(k), 0.025) {
			t.Errorf("%d of %d: to %v", c.k, c.n, high)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
