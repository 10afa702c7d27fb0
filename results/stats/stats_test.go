package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// process appends n values, lognormal around 10, whose logarithms are an autoregressive process: x = memory·x + noise.
// Without memory they are independent.
func process(random *rand.Rand, x float64, n int, memory float64, values []float64) (float64, []float64) {
	noise := math.Sqrt(1 - memory*memory)
	for range n {
		x = memory*x + noise*random.NormFloat64()
		values = append(values, 10*math.Exp(0.5*x))
	}
	return x, values
}

// sampleOf lays sorted values out for Quantile.
func sampleOf(sorted []float64) Sample {
	s := Sample{Values: sorted, AtMost: make([]int64, len(sorted))}
	for i := range sorted {
		s.AtMost[i] = int64(i + 1)
	}
	return s
}

// partsOf are the blocks of equal length into which values are divided, in the order in which they were measured.
func partsOf(values, sorted []float64, perBlock int) []Part {
	var parts []Part
	for of := range slices.Chunk(values, perBlock) {
		atMost := make([]float64, len(sorted))
		for _, v := range of {
			i, _ := slices.BinarySearch(sorted, v)
			atMost[i]++
		}
		for i := range atMost[1:] {
			atMost[i+1] += atMost[i]
		}
		parts = append(parts, Part{
			Block: len(parts), Count: float64(len(of)),
			AtMost: func(i int) float64 { return atMost[i] },
		})
	}
	return parts
}

// coverage is the share of the runs, of MaxBlocks blocks, whose interval holds the true quantile, with and without the
// blocks.
func coverage(runs, perBlock int, percentile, quantile, memory float64) (corrected, plain float64) {
	random := rand.New(rand.NewPCG(1, uint64(1000*memory+percentile)))
	truth := 10 * math.Exp(0.5*quantile)
	holds := func(s Summary) float64 {
		if !math.IsInf(s.Low, 0) && !math.IsInf(s.High, 0) && s.Low <= truth && truth <= s.High {
			return 1 / float64(runs)
		}
		return 0
	}
	var values []float64
	x := random.NormFloat64()
	for range runs {
		x, values = process(random, x, perBlock*MaxBlocks, memory, values[:0])
		sorted := slices.Sorted(slices.Values(values))
		sample := sampleOf(sorted)
		corrected += holds(Quantile(sample, partsOf(values, sorted, perBlock), percentile))
		plain += holds(Quantile(sample, nil, percentile))
	}
	return corrected, plain
}

// TestIntervalCovers simulates what the 95 % are about: how often the interval holds the truth. The seeds are fixed;
// with 200 runs, 90 % is 3.2 standard errors below 95 %. The last rows are of slow moments that last as long as a
// block, and the very last of those that are also rare: a run that met none cannot know of them.
func TestIntervalCovers(t *testing.T) {
	t.Parallel()
	const runs, p95, p99 = 200, 1.644854, 2.326348
	for _, tt := range []struct {
		perBlock                            int
		percentile, quantile, memory, least float64
	}{
		{100, 50, 0, 0, 0.9},
		{100, 95, p95, 0, 0.9},
		{100, 99, p99, 0, 0.9},
		{100, 50, 0, 0.9, 0.9},
		{100, 95, p95, 0.9, 0.9},
		{300, 95, p95, 0.99, 0.9},
		{300, 99, p99, 0.99, 0.85},
		{300, 95, p95, 0.997, 0.85},
		{300, 99, p99, 0.997, 0.5},
	} {
		corrected, plain := coverage(runs, tt.perBlock, tt.percentile, tt.quantile, tt.memory)
		t.Logf("P%v, %d requests, memory %v: %.1f %% with the correction, %.1f %% without", tt.percentile,
			MaxBlocks*tt.perBlock, tt.memory, 100*corrected, 100*plain)
		if corrected < tt.least {
			t.Errorf("P%v, memory %v: the interval holds the truth in %.1f %% of the runs", tt.percentile, tt.memory,
				100*corrected)
		}
		if independent := tt.memory == 0; independent != (plain >= 0.9) {
			t.Errorf("P%v, memory %v: without the correction it does in %.1f %%", tt.percentile, tt.memory, 100*plain)
		}
	}
}

// The ranks are those of the tables of G. J. Hahn and W. Q. Meeker, and the sample sizes those below which there are
// none.
func TestOrderRanks(t *testing.T) {
	for _, tt := range []struct {
		n    int64
		p    float64
		want [2]int64
	}{
		{100, 0.5, [2]int64{40, 61}},
		{71, 0.95, [2]int64{63, 72}},
		{72, 0.95, [2]int64{64, 72}},
		{5, 0.5, [2]int64{0, 6}},
	} {
		if got := orderRanks(tt.n, tt.p); got != tt.want {
			t.Errorf("n %d, p %v: %v, want %v", tt.n, tt.p, got, tt.want)
		}
	}
	for freedom, want := range map[int]float64{9: 2.262, 19: 2.093, 39: 2.023} {
		if got := student975(freedom); math.Abs(got-want) > 0.001 {
			t.Errorf("t of %d degrees of freedom is %v, want %v", freedom, got, want)
		}
	}
}

// TestQuantileOfFew: the ends that too few values do not have are infinite, and the caller is warned of too few blocks.
func TestQuantileOfFew(t *testing.T) {
	values := make([]float64, 71)
	for i := range values {
		values[i] = float64(i + 1)
	}
	s := Quantile(sampleOf(values), partsOf(values, values, 8), 95) // 9 blocks
	if s.Center != 68 || s.Low != 63 || !math.IsInf(s.High, 1) || s.Effective != 71 || s.Confidence != 0.95 ||
		!slices.Contains(s.Warnings, ErrFewBlocks) {
		t.Errorf("%+v", s)
	}
	// 11 of a ramp
	if s := Quantile(sampleOf(values), partsOf(values, values, 7), 95); len(s.Warnings) > 0 || s.Effective >= 71 {
		t.Errorf("%+v", s)
	}
	if s := Quantile(Sample{}, nil, 95); !math.IsInf(s.Low, -1) || !math.IsInf(s.High, 1) ||
		!slices.Contains(s.Warnings, ErrFewBlocks) {
		t.Errorf("of nothing: %+v", s)
	}
}

// TestStrata: what differs between sources that are measured one after the other is no scatter.
func TestStrata(t *testing.T) {
	var values []float64
	for block := range 20 {
		for i := range 100 {
			values = append(values, float64(1+block/10*100+(i*37+block)%100)) // the second source is slower
		}
	}
	sorted := slices.Sorted(slices.Values(values))
	parts := partsOf(values, sorted, 100)
	if s := Quantile(sampleOf(sorted), parts, 50); s.Effective > 100 {
		t.Errorf("one source that became slower: %v of 2000 values are independent", s.Effective)
	}
	for i := range parts {
		parts[i].Stratum = i / 10
	}
	if s := Quantile(sampleOf(sorted), parts, 50); s.Effective != 2000 {
		t.Errorf("two sources: %v of 2000 values are independent", s.Effective)
	}
}

func TestWilson(t *testing.T) {
	for _, tt := range []struct{ share, n, low, high float64 }{
		{0, 10, 0, 0.2775},
		{0.5, 10, 0.2366, 0.7634},
		{1, 10, 0.7225, 1},
	} {
		s := Wilson(tt.share, tt.n)
		if math.Abs(s.Low-tt.low) > 1e-4 || math.Abs(s.High-tt.high) > 1e-4 {
			t.Errorf("%v of %v: %v to %v, want %v to %v", tt.share, tt.n, s.Low, s.High, tt.low, tt.high)
		}
	}
}

// TestBatchMeans: of independent blocks the interval is Student's, and of ones that depend on their neighbours it is
// wider.
func TestBatchMeans(t *testing.T) {
	if _, _, ok := BatchMeans(make([]float64, MinBlocks-1)); ok {
		t.Error("nine blocks are too few")
	}
	zigzag, ramp := make([]float64, 10), make([]float64, 10)
	for i := range zigzag {
		zigzag[i], ramp[i] = float64(5+i%2*2), float64(5+i/5*2)
	}
	for _, tt := range []struct {
		blocks []float64
		reach  float64
	}{{zigzag, 2.262 * math.Sqrt(10.0/9*10) / 10}, {ramp, 2.262 * math.Sqrt(10.0/9*(10+2*7)) / 10}} {
		if mean, reach, ok := BatchMeans(tt.blocks); !ok || math.Abs(mean-6) > 1e-9 || math.Abs(reach-tt.reach) > 1e-3 {
			t.Errorf("%v: %v ± %v, want 6 ± %v", tt.blocks, mean, reach, tt.reach)
		}
	}
}
