package changepoint

import (
	"bufio"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// TestPublishedSplits compares the splitting with that of Apache Otava on the series that its tests have: windows of
// 30, Student's t in place of permutations, and weak changes merged (M. Fleming et al., Hunter, ICPE 2023).
func TestPublishedSplits(t *testing.T) {
	series := readSeries(t, "testdata/tigerbeetle.txt")
	for _, c := range []struct {
		p, size float64
		want    []int
	}{
		{0.01, 0.05, []int{15, 71}},
		{0.05, 0.05, []int{15, 71}},
		{0.1, 0.05, []int{10, 11, 15, 71, 363}},
		{0.01, 0, []int{15, 26, 61, 71, 95, 117, 131, 142, 148, 165, 169, 192, 212, 260}},
		{0.001, 0, []int{15, 61, 71, 95, 117, 131, 142, 148, 192, 212, 260}},
		{0.0001, 0, []int{71, 95, 117, 131, 142, 148, 192, 212}},
		{0.00001, 0, []int{71, 95, 131, 192, 212}},
	} {
		if got := hunter(series, 30, c.p, c.size); !slices.Equal(got, c.want) {
			t.Errorf("p %v, size %v: %v, want %v", c.p, c.size, got, c.want)
		}
	}
}

// TestFind has series of which the changes are known: those of MongoDB's library (signal_processing_algorithms), and
// others.
func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noisy := func(sd float64, levels ...float64) (all []float64) {
		for _, v := range levels {
			for range 20 {
				all = append(all, v+sd*r.NormFloat64())
			}
		}
		return all
	}
	for _, c := range []struct {
		name   string
		series []float64
		least  float64
		want   []int
	}{
		{"three levels", noisy(0.1, 1, 2, 3), 0, []int{20, 40}},
		{"fifteen and fifteen", append(repeated(50, 15), repeated(100, 15)...), 0, []int{15}},
		{"one level", noisy(1, 5, 5, 5), 0, nil},
		{"constant", repeated(7, 40), 0, nil},
		{"one spike", append(append(noisy(0.1, 1), 9), noisy(0.1, 1)...), 0, nil},
		{"too small to count", noisy(0.001, 1, 1.02), math.Log(1.03), nil},
		{"large enough", noisy(0.001, 1, 1.04), math.Log(1.03), []int{20}},
		{"short", []float64{1, 1, 9}, 0, nil},
		{"empty", nil, 0, nil},
	} {
		var got []int
		for _, p := range Find(c.series, c.least) {
			got = append(got, p.Index)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFalseAlarms counts the series without a change in which one is found: about 0.5 % of them may have one.
func TestFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	const all = 200
	for range all {
		series := make([]float64, 30)
		for i := range series {
			series[i] = r.ExpFloat64()
		}
		found += min(1, len(Find(series, 0)))
	}
	if found > 5 { // of 200 at 0.5 % more than 5 come with a probability of 0.0006
		t.Errorf("a change is found in %d of %d series without one", found, all)
	}
}

func repeated(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }

func readSeries(t *testing.T, file string) (series []float64) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, err := strconv.ParseFloat(lines.Text(), 64); err == nil {
			series = append(series, v)
		} else if !strings.HasPrefix(lines.Text(), "#") {
			t.Fatal(err)
		}
	}
	return series
}

// hunter is Otava's procedure around split.
func hunter(series []float64, window int, level, size float64) []int {
	first := level
	if level < 0.05 {
		first = 10 * level
	} else if level < 0.5 {
		first = 2 * level
	}
	var splits []int
	for start := 0; start < len(series); {
		end := min(start+window, len(series))
		last := 0
		for _, at := range windowSplits(series[start:end], first) {
			if !slices.Contains(splits, start+at) {
				splits = insert(splits, start+at)
			}
			last = max(last, start+at)
		}
		start = max(last, start+window/2)
	}
	return merge(series, splits, level, size)
}

// merge drops the weakest change over and over. What is known of a change is renewed for the two that come after the
// one that was dropped, as there, and not for the one before it.
func merge(series []float64, splits []int, level, size float64) []int {
	type known struct{ p, size float64 }
	look := func(i int) known { return known{tTest(series, splits, i), magnitude(series, splits, i)} }
	var all []known
	for i := range splits {
		all = append(all, look(i))
	}
	for len(splits) > 0 {
		weakest, smallest := 0, 0
		for i, k := range all {
			if k.p > all[weakest].p {
				weakest = i
			}
			if k.size < all[smallest].size {
				smallest = i
			}
		}
		if all[weakest].p < level {
			weakest = smallest
			if all[smallest].size > size {
				return splits
			}
		}
		splits, all = slices.Delete(splits, weakest, weakest+1), slices.Delete(all, weakest, weakest+1)
		for i := weakest; i < min(weakest+2, len(splits)); i++ {
			all[i] = look(i)
		}
	}
	return nil
}

func windowSplits(x []float64, level float64) (splits []int) {
	for {
		at, q := -1, 0.0
		eachSegment(len(x), splits, func(from, to int) {
			if to-from < 2 {
				return
			}
			if i, v := split(x[from:to], 1); at < 0 || v > q {
				at, q = from+i, v
			}
		})
		if at < 0 {
			return splits
		}
		with := insert(slices.Clone(splits), at)
		if tTest(x, with, slices.Index(with, at)) > level {
			return splits
		}
		splits = with
	}
}

func sides(x []float64, splits []int, i int) (left, right []float64) {
	from, to := 0, len(x)
	if i > 0 {
		from = splits[i-1]
	}
	if i+1 < len(splits) {
		to = splits[i+1]
	}
	return x[from:splits[i]], x[splits[i]:to]
}

// tTest is the two-sided p-value of Student's t with pooled variances that are divided by n, not n - 1, as there.
func tTest(x []float64, splits []int, i int) float64 {
	a, b := sides(x, splits, i)
	n, m := float64(len(a)), float64(len(b))
	if n+m <= 2 {
		return 1
	}
	_, va := stat.PopMeanVariance(a, nil)
	_, vb := stat.PopMeanVariance(b, nil)
	pooled := ((n-1)*va + (m-1)*vb) / (n + m - 2)
	t := math.Abs(stat.Mean(a, nil)-stat.Mean(b, nil)) / math.Sqrt(pooled*(1/n+1/m))
	return 2 * distuv.StudentsT{Sigma: 1, Nu: n + m - 2}.Survival(t)
}

func magnitude(x []float64, splits []int, i int) float64 {
	a, b := sides(x, splits, i)
	return max(math.Abs(stat.Mean(b, nil)/stat.Mean(a, nil)-1), math.Abs(stat.Mean(a, nil)/stat.Mean(b, nil)-1))
}
