package experiment

import (
	"math"
	"math/rand/v2"
	"testing"
)

// noise is what a simulated machine does to the slices' figures.
type noise struct {
	pair    float64 // standard deviation of ln(head / base) of a pair without a difference
	layout  float64 // of what a start of a process makes of its arm, for a block
	spikes  float64 // share of slices that something disturbs, by up to a factor of 3
	restart bool    // whether the arms start anew for each block; otherwise one layout for all
}

// blocks simulates blocks of one figure of which the head has a factor more. The slices' noise is autoregressive with a
// coefficient of 0.9 for half of its variance, on a slow drift.
func (n noise) blocks(r *rand.Rand, count int, factor float64) []Block {
	slow, drift := r.NormFloat64(), r.NormFloat64()*0.2
	layout := map[Arm]float64{}
	var all []Block
	for b := range count {
		if b == 0 || n.restart {
			layout[Base], layout[Head] = r.NormFloat64()*n.layout, r.NormFloat64()*n.layout
		}
		block := Block{Number: b}
		for i, arm := range Order(r.Uint64(), b) {
			slow = 0.9*slow + math.Sqrt(1-0.81)*r.NormFloat64()
			// Half of the variance of a pair's difference is that of neighbours which are alike.
			x := n.pair * (math.Sqrt(0.5/(2*0.1))*slow + math.Sqrt(0.25)*r.NormFloat64())
			x += layout[arm] + drift*float64(8*b+i)/float64(8*count)
			if r.Float64() < n.spikes {
				x += r.Float64()
			}
			if arm == Head {
				x += math.Log(factor)
			}
			block.Slices = append(block.Slices,
				Slice{Arm: arm, Figures: map[string]float64{"x": math.Exp(x), "y": math.Exp(x)}})
		}
		all = append(all, block)
	}
	return all
}

func simulate(t *testing.T, n noise, factor float64, experiments int, rule Rule) (map[Decision]float64, float64) {
	test, err := NewTest(rule)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 11))
	outcomes, used := map[Decision]float64{}, 0
	for range experiments {
		s := test.Judge(n.blocks(r, rule.Blocks, factor))
		outcomes[s.Decision] += 1 / float64(experiments)
		used += s.Blocks
	}
	return outcomes, float64(used) / float64(experiments)
}

// The experiments here are few enough for each run of the tests; TestCalibration has recorded noise and more of them.
const experiments = 400

// TestFalseAlarms simulates experiments of two equal arms. Of 400, at most 10 may fail: at the nominal 1 % more come
// with a probability of 0.003, and the test keeps well under its nominal rate.
func TestFalseAlarms(t *testing.T) {
	rule := Rule{
		Gates: []Gate{{Figure: "x", Tolerance: 0.05}, {Figure: "y", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01,
		Miss: 0.025,
	}
	for _, n := range []noise{
		{pair: 0.02, layout: 0.01, spikes: 0.02, restart: true},
		{pair: 0.05, layout: 0.01, spikes: 0.02, restart: true},
		{pair: 0.09, layout: 0.02, spikes: 0.05, restart: true},
		{pair: 0.30, layout: 0.02, spikes: 0.05, restart: true},
	} {
		outcomes, blocks := simulate(t, n, 1, experiments, rule)
		if outcomes[Failed] > 10.5/experiments {
			t.Errorf("noise %+v: %.2f %% of equal arms fail", n, 100*outcomes[Failed])
		}
		t.Logf("noise %+v: %v after %.1f blocks", n, outcomes, blocks)
	}
}

// TestDetection simulates heads that are worse by the tolerance, and by twice as much.
func TestDetection(t *testing.T) {
	rule := Rule{Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.005, Miss: 0.025}
	for _, c := range []struct {
		pair, factor, least float64
	}{
		{0.02, 1.05, 0.98},
		{0.05, 1.05, 0.95},
		{0.07, 1.05, 0.93},
		{0.09, 1.10, 0.98},
	} {
		outcomes, blocks := simulate(t, noise{pair: c.pair, layout: 0.01, spikes: 0.02, restart: true}, c.factor,
			experiments, rule)
		if outcomes[Failed] < c.least || outcomes[Passed] > 0.05 {
			t.Errorf("pair noise %v, %v times as much: %v", c.pair, c.factor, outcomes)
		}
		t.Logf("pair noise %v, %v times as much: %v after %.1f blocks", c.pair, c.factor, outcomes, blocks)
	}
}

// TestContinuous simulates arms that are never started anew, whose blocks are alike.
func TestContinuous(t *testing.T) {
	rule := Rule{Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01, Miss: 0.025, Continuous: true}
	n := noise{pair: 0.05, spikes: 0.02}
	if outcomes, _ := simulate(t, n, 1, experiments, rule); outcomes[Failed] > 10.5/experiments {
		t.Errorf("equal arms: %v", outcomes)
	}
	if outcomes, _ := simulate(t, n, 1.1, experiments, rule); outcomes[Failed] < 0.9 {
		t.Errorf("10 %% more: %v", outcomes)
	}
}

// TestOutlook holds what is said to be found with a probability of 90 % to what simulated experiments find.
func TestOutlook(t *testing.T) {
	for _, c := range []struct {
		blocks     int
		noise      float64
		continuous bool
	}{{16, 0.06, false}, {16, 0.06, true}, {4, 0.06, false}, {8, 0.002, false}, {8, 0.012, false}} {
		rule := Rule{
			Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: c.blocks, Alpha: 0.01, Miss: 0.025,
			Continuous: c.continuous,
		}
		test, err := NewTest(rule)
		if err != nil {
			t.Fatal(err)
		}
		o := test.Outlook(rule.Gates[0], c.noise)
		r := rand.New(rand.NewPCG(5, 6))
		found := 0
		for range 1000 {
			if test.Judge(independent(r, c.blocks, o.Smallest, c.noise)).Decision == Failed {
				found++
			}
		}
		if found < 870 || found > 960 {
			t.Errorf("%+v: %.1f %% more is found in %d of 1,000 experiments, and in about 900 it should be", c,
				100*o.Smallest, found)
		}
		if more := test.Outlook(rule.Gates[0], 2*c.noise); !(more.Smallest > o.Smallest) || more.Blocks < o.Blocks ||
			o.Reaches(rule.Gates[0]) != (o.Blocks <= c.blocks) {
			t.Errorf("%+v: outlook %+v, with twice the noise %+v", c, o, more)
		}
	}
}

// independent are blocks whose values have a standard deviation, of a head that has a change.
func independent(r *rand.Rand, count int, change, noise float64) (blocks []Block) {
	for b := range count {
		v := math.Exp(math.Log1p(change) + noise*r.NormFloat64())
		block := Block{Number: b}
		for _, arm := range Order(1, b) {
			f := map[string]float64{"x": 1}
			if arm == Head {
				f["x"] = v
			}
			block.Slices = append(block.Slices, Slice{Arm: arm, Figures: f})
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// TestMeanNoise: blocks that are alike tell less than their number says, unless the arms were started anew.
func TestMeanNoise(t *testing.T) {
	var blocks []Block
	for b := range 24 { // one wave
		v := math.Exp(0.05 * math.Sin(2*math.Pi*float64(b)/24))
		blocks = append(blocks, block(1, v, v, 1, v, 1, 1, v))
	}
	for _, continuous := range []bool{false, true} {
		test, err := NewTest(Rule{
			Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01, Miss: 0.025, Continuous: continuous,
		})
		if err != nil {
			t.Fatal(err)
		}
		g := test.JudgeEnded(blocks).Gates[0]
		if ratio := g.MeanNoise / g.Noise; continuous && ratio < 1.5 || !continuous && math.Abs(ratio-1) > 1e-9 {
			t.Errorf("continuous %v: %v times the noise of a block", continuous, ratio)
		}
	}
}
