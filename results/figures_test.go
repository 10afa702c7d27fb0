package results

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
	"time"
)

const exposition = `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{code="200",path="/a b"} 40
requests_total{code="500",path="/"} 2
# TYPE temperature gauge
temperature 21.5
temperature{of="nothing"} NaN
temperature{of="the sun"} +Inf
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 3
took_seconds_bucket{le="1"} 9
took_seconds_bucket{le="+Inf"} 10
took_seconds_sum 4.5
took_seconds_count 10
# TYPE pause_seconds summary
pause_seconds{quantile="0.5"} 0.1
pause_seconds_sum 1.5
pause_seconds_count 7
unknown_thing 3
`

func all(string, map[string]string) bool { return true }

func TestParseFigures(t *testing.T) {
	got, err := ParseFigures([]byte(exposition), map[string]string{"instance": "1"}, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 7 {
		t.Errorf("%d figures: %+v", len(got), got)
	}
	for key, want := range map[string]Figure{
		`requests_total{code="200",instance="1",path="/a b"}`: {Kind: FigureCounter, Value: 40},
		`temperature{instance="1"}`:                           {Kind: FigureGauge, Value: 21.5},
		`temperature{instance="1",of="the sun"}`:              {Kind: FigureGauge, Value: 1e300},
		`took_seconds{instance="1"}`:                          {Kind: FigureHistogram, Value: 4.5, Count: 10},
		`pause_seconds{instance="1"}`:                         {Kind: FigureSummary, Value: 1.5, Count: 7},
		`unknown_thing{instance="1"}`:                         {Kind: FigureUntyped, Value: 3},
	} {
		f := got[key]
		if f.Kind != want.Kind || f.Value != want.Value || f.Count != want.Count || f.Key() != key {
			t.Errorf("%s is %+v", key, f)
		}
	}
	if b := got[`took_seconds{instance="1"}`].Buckets; len(b) != 2 || b[1] != (FigureBucket{1, 9}) {
		t.Errorf("buckets %v", b)
	}
	if _, err := ParseFigures([]byte("a{b 5"), nil, all); err == nil {
		t.Error("what is no exposition was read")
	}
}

func FuzzParseFigures(f *testing.F) {
	f.Add(exposition)
	f.Add("a 1 2\na{b=\"c\\n\"} +Inf\n")
	f.Fuzz(func(t *testing.T, text string) {
		figures, err := ParseFigures([]byte(text), nil, all)
		if err != nil {
			return
		}
		var kept Lasting
		view := NewServerView("")
		before, now := Snapshot{Figures: kept.Continue(figures)}, Snapshot{Figures: kept.Continue(figures)}
		err = view.Add(before, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(view); err != nil {
			t.Errorf("%q cannot be saved: %v", text, err)
		}
	})
}

// TestFiguresOverWindows: what was added in the windows counts, also across a restart of the service, and gauges are as
// they are.
func TestFiguresOverWindows(t *testing.T) {
	at := func(counter, gauge float64, observed ...float64) Figures {
		h := Figure{Name: "h", Kind: FigureHistogram, Buckets: []FigureBucket{{Upper: 1}, {Upper: 2}}}
		for _, x := range observed {
			h.Value, h.Count = h.Value+x, h.Count+1
			for i := range h.Buckets {
				if x <= h.Buckets[i].Upper {
					h.Buckets[i].Count++
				}
			}
		}
		return Figures{
			"c": {Name: "c", Kind: FigureCounter, Value: counter},
			"g": {Name: "g", Kind: FigureGauge, Value: gauge},
			"h": h,
		}
	}
	var kept Lasting
	var taken []Snapshot
	start := time.Now()
	for i, says := range []Figures{
		at(10, 5, 0.5), at(14, 7, 0.5, 1.5, 3), // a window of 4 and two observations
		at(1, 2),          // started again: one more, which lies in no window
		{},                // and again, and nothing was counted yet
		at(3, 1, 1.5, .1), // 3 more, and two observations
	} {
		taken = append(taken, Snapshot{At: start.Add(time.Duration(i) * time.Second), Figures: kept.Continue(says)})
	}
	view := NewServerView("")
	for _, window := range [][2]int{{0, 1}, {2, 4}} {
		if err := view.Add(taken[window[0]], taken[window[1]]); err != nil {
			t.Fatal(err)
		}
	}
	if c := view.Figures["c"]; c.Value != 4+3 {
		t.Errorf("the counter grew by %v", c.Value)
	}
	if g := view.Figures["g"]; g.Value != 1 {
		t.Errorf("the gauge is %v", g.Value)
	}
	h := view.Figures["h"]
	if h.Count != 4 || math.Abs(h.Value-(1.5+3+1.5+.1)) > 1e-9 || h.Buckets[0].Count != 1 || h.Buckets[1].Count != 3 {
		t.Errorf("the histogram is %+v", h)
	}
	s := NewSample(1, taken[0], taken[1])
	if s.Figures["c"] != 4 || s.Figures["g"] != 7 || s.Figures["h"] != 2 {
		t.Errorf("sampled are %v", s.Figures)
	}
}

// TestQuantileOfABound: the percentile of 999 of 1,000 lies in the bucket that has 999.
func TestQuantileOfABound(t *testing.T) {
	f := Figure{Kind: FigureHistogram, Count: 1000, Buckets: []FigureBucket{{1, 999}, {2, 1000}}}
	value, low, high, known := f.Quantile(99.9)
	if value != 1 || low != 0 || high != 1 || !known {
		t.Errorf("%v of %v to %v, %t", value, low, high, known)
	}
}

// TestSumOfDifferentBuckets: only of common bounds it is known how much all series together have below them.
func TestSumOfDifferentBuckets(t *testing.T) {
	a := Figure{Kind: FigureHistogram, Value: 3, Count: 10, Buckets: []FigureBucket{{1, 4}, {2, 8}, {3, 9}}}
	b := Figure{Kind: FigureHistogram, Value: 4, Count: 20, Buckets: []FigureBucket{{1, 5}, {3, 11}, {5, 20}}}
	none := Figure{Kind: FigureHistogram, Buckets: []FigureBucket{{7, 0}}}
	want := []FigureBucket{{1, 9}, {3, 20}}
	for _, all := range [][]Figure{{a, b}, {b, a}, {none, a, b}, {a, none, b}} {
		sum := all[0]
		for _, f := range all[1:] {
			sum = SumOf(sum, f)
		}
		if sum.Count != 30 || sum.Value != 7 || !slices.Equal(sum.Buckets, want) {
			t.Errorf("the sum is %+v", sum)
		}
	}
	if a.Buckets[1] != (FigureBucket{2, 8}) || len(b.Buckets) != 3 {
		t.Errorf("a series has been changed: %+v, %+v", a, b)
	}
}

func TestParseKey(t *testing.T) {
	for _, labels := range []map[string]string{
		{}, {"a": "b"}, {"a": `"},{="\`, "b": "", "c": "ü\n"},
	} {
		name, got, ok := ParseKey(Figure{Name: "x:y", Labels: labels}.Key())
		if name != "x:y" || !maps.Equal(got, labels) || !ok {
			t.Errorf("%v is read as %s %v, %t", labels, name, got, ok)
		}
	}
	for _, key := range []string{"a{", "a{b", "a{b=", `a{b="c"`, `a{b="c`, "a{}x"} {
		name, labels, ok := ParseKey(key)
		if ok {
			t.Errorf("%s is read as %s %v", key, name, labels)
		}
	}
}

// TestFiguresThatCouldNotBeRead: what was added in a part of the windows does not pass for all.
func TestFiguresThatCouldNotBeRead(t *testing.T) {
	counted := func(n float64) Snapshot { return Snapshot{Figures: Figures{"c": {Kind: FigureCounter, Value: n}}} }
	unread := Snapshot{NoFigures: errors.New("refused"), CPU: 1}
	for name, taken := range map[string][]Snapshot{
		"at the end": {counted(1), counted(2), unread}, "between": {counted(1), unread, counted(2)},
		"at the beginning": {unread, counted(5), counted(6)}, "never": {unread, unread, unread},
	} {
		view := NewServerView("")
		for i := 1; i < len(taken); i++ {
			err := view.Add(taken[i-1], taken[i])
			if err != nil {
				t.Fatal(err)
			}
		}
		if view.Figures != nil {
			t.Errorf("%s: %+v", name, view.Figures)
		}
	}
	if s := NewSample(1, unread, counted(5)); s.Figures != nil {
		t.Errorf("all since the start is in one sample: %v", s.Figures)
	}
}
