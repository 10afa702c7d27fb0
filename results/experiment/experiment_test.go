package experiment

import (
	"math"
	"slices"
	"testing"
)

// block is one whose slices have the given figures, in the order ABBA BAAB; 0 is a vetoed slice.
func block(figures ...float64) Block {
	b := Block{}
	for i, arm := range [SlicesPerBlock]Arm{Base, Head, Head, Base, Head, Base, Base, Head} {
		if i == len(figures) {
			break
		}
		s := Slice{Arm: arm, Figures: map[string]float64{"x": figures[i]}}
		if figures[i] == 0 {
			s.Figures["x"], s.Veto = 1, "steal"
		}
		b.Slices = append(b.Slices, s)
	}
	return b
}

func TestBlockValue(t *testing.T) {
	for _, c := range []struct {
		name  string
		block Block
		want  float64 // head / base
		ok    bool
	}{
		{"equal", block(1, 1, 1, 1, 1, 1, 1, 1), 1, true},
		{"twice", block(1, 2, 2, 1, 2, 1, 1, 2), 2, true},
		{"one disturbed slice does not decide", block(1, 2, 200, 1, 2, 1, 1, 2), 2, true},
		{"of four the middle two", block(1, 2, 3, 1, 4, 1, 1, 5), math.Sqrt(12), true},
		{"of three the middle one", block(1, 2, 3, 1, 4, 0, 1, 5), 3, true},
		{"of two their mean", block(1, 2, 0, 1, 8, 1, 0, 5), 4, true},
		{"of one nothing", block(1, 2, 0, 1, 0, 1, 0, 5), 0, false},
		{"cut after two pairs and a half", block(1, 2, 2, 1, 2), 2, true},
		{"empty", Block{}, 0, false},
	} {
		got, ok := c.block.Value("x")
		if ok != c.ok || ok && math.Abs(math.Exp(got)-c.want) > 1e-12 {
			t.Errorf("%s: %v %v, want %v %v", c.name, math.Exp(got), ok, c.want, c.ok)
		}
	}
	if _, ok := block(1, 1, 1, 1, 1, 1, 1, 1).Value("y"); ok {
		t.Error("a figure that was not measured has a value")
	}
}

// TestBlockValueOfSuccess: no slice in which requests failed is left out as a disturbance.
func TestBlockValueOfSuccess(t *testing.T) {
	const figure = Succeeded + " rate"
	for _, c := range []struct {
		name    string
		shares  [SlicesPerBlock]float64 // ABBA BAAB; below 0: no value
		want    float64
		ok      bool
		lacking int
	}{
		{"equal", [...]float64{1, 1, 1, 1, 1, 1, 1, 1}, 1, true, 0},
		{"one slice of the head fails", [...]float64{1, 0, 1, 1, 1, 1, 1, 1}, 0.75, true, 0},
		{"one of the base", [...]float64{1, 1, 1, 0, 1, 1, 1, 1}, 4.0 / 3, true, 0},
		{"all of the head", [...]float64{1, 0, 0, 1, 0, 1, 1, 0}, leastSuccess, true, 0},
		{"all of the base", [...]float64{0, 1, 1, 0, 1, 0, 0, 1}, 0, false, 0},
		{"one without a value", [...]float64{1, -1, 0.5, 1, 1, 1, 1, 1}, 2.5 / 3, true, 1},
		{"three without", [...]float64{1, -1, -1, 1, 1, 1, 1, -1}, 0, false, 3},
	} {
		b := block(1, 1, 1, 1, 1, 1, 1, 1)
		for i, v := range c.shares {
			if v >= 0 {
				b.Slices[i].Figures[figure] = v
			}
		}
		got, ok := b.Value(figure)
		if ok != c.ok || ok && math.Abs(math.Exp(got)-c.want) > 1e-12 {
			t.Errorf("%s: %v %v, want %v %v", c.name, math.Exp(got), ok, c.want, c.ok)
		}
		if lacking, all := Lacking([]Block{b}, figure); lacking != c.lacking || all != 4 {
			t.Errorf("%s: %d of %d pairs lack a value, want %d", c.name, lacking, all, c.lacking)
		}
	}
}

func TestOrder(t *testing.T) {
	first := [SlicesPerBlock]Arm{Base, Head, Head, Base, Head, Base, Base, Head}
	mirrored := 0
	for b := range 1000 {
		order := Order(42, b)
		if order != Order(42, b) {
			t.Fatal("the same block has two orders")
		}
		for i := 0; i < len(order); i += 2 {
			if order[i] == order[i+1] {
				t.Fatalf("a pair of one arm: %v", order)
			}
		}
		if order != first {
			mirrored++
		}
	}
	if mirrored < 430 || mirrored > 570 {
		t.Errorf("%d of 1,000 blocks are mirrored", mirrored)
	}
}

func TestVetoed(t *testing.T) {
	vetoed, all := Vetoed([]Block{block(1, 2, 0, 1, 0, 1, 0, 0), block(1, 1, 1, 1, 1, 1, 1, 1)})
	if vetoed != 3 || all != 8 {
		t.Errorf("%d of %d", vetoed, all)
	}
}

// TestJudge has blocks without noise worth the name: what is decided, and when.
func TestJudge(t *testing.T) {
	with := func(factors ...float64) (blocks []Block) {
		for i := range 24 {
			f := factors[i%len(factors)]
			blocks = append(blocks, block(1, f, f, 1, f, 1, 1, f))
		}
		return blocks
	}
	less := Rule{Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01, Miss: 0.025}
	more := less
	more.Gates = []Gate{{Figure: "x", Tolerance: 0.05, MoreIsBetter: true}}
	for _, c := range []struct {
		name   string
		rule   Rule
		blocks []Block
		want   Decision
		after  int
	}{
		{"equal", less, with(0.999, 1.001), Passed, 8},
		{"better", less, with(0.5, 0.501), Passed, 8},
		{"worse", less, with(1.1, 1.101), Failed, 8},
		{"worse by less than half of the tolerance", less, with(1.02, 1.0201), Passed, 8},
		{"throughput halved", more, with(0.5, 0.501), Failed, 8},
		{"throughput doubled", more, with(2, 2.01), Passed, 8},
		{"noise", less, with(0.5, 2, 0.6, 1.7), Unresolved, 24},
		{"too few", less, with(1.1, 1.101)[:7], Undecided, 7},
		{"between two looks", less, with(0.5, 2, 0.6, 1.7)[:10], Undecided, 10},
		{"one", less, with(1)[:1], Undecided, 0},
		{"none", less, nil, Undecided, 0},
	} {
		test, err := NewTest(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		s := test.Judge(c.blocks)
		if s.Decision != c.want || s.Blocks != c.after {
			t.Errorf("%s: %q after %d blocks, want %q after %d", c.name, s.Decision, s.Blocks, c.want, c.after)
		}
		ended := test.JudgeEnded(c.blocks)
		if ended.Decision == Undecided || ended.Gates[0].Decision == Undecided {
			t.Errorf("%s: undecided when it has ended", c.name)
		}
		if c.want != Undecided && ended.Decision != c.want {
			t.Errorf("%s: %s, and %s when it has ended", c.name, c.want, ended.Decision)
		}
		if c.name == "too few" && ended.Decision != Failed {
			t.Errorf("10 %% more in 7 blocks without noise: %s", ended.Decision)
		}
	}
}

func TestEstimates(t *testing.T) {
	all := Estimates([]Block{block(10, 11, 11, 10, 11, 10, 10, 11), block(10, 12, 12, 10, 12, 0, 10, 12)}, false)
	if len(all) != 1 {
		t.Fatalf("%d figures", len(all))
	}
	e := all[0]
	if want := math.Sqrt(1.1*1.2) - 1; math.Abs(e.Change-want) > 1e-12 || e.Low >= e.Change || e.High <= e.Change {
		t.Errorf("change %v from %v to %v, want %v", e.Change, e.Low, e.High, want)
	}
	if e.Base != 10 || e.Head != 11.5 || e.Blocks != 2 || !(e.PairNoise < 1e-12) {
		t.Errorf("%+v", e)
	}
	one := Estimates([]Block{block(10, 11, 11, 10)}, false)[0]
	if !math.IsInf(one.High, 1) || !math.IsNaN(one.Noise) || math.Abs(one.Change-0.1) > 1e-12 {
		t.Errorf("one block: %+v", one)
	}
	if none := Estimates([]Block{block(10, 0)}, false)[0]; !math.IsNaN(none.Change) || none.Blocks != 0 {
		t.Errorf("no pair: %+v", none)
	}
}

// TestHolm has two gates of which the second is found only with the error rate that the first one leaves.
func TestHolm(t *testing.T) {
	rule := Rule{
		Gates: []Gate{{Figure: "x", Tolerance: 0.05}, {Figure: "y", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01,
		Miss: 0.025,
	}
	test, err := NewTest(rule)
	if err != nil {
		t.Fatal(err)
	}
	k := slices.Index(test.design.Looks(), 24)
	bounds := [2]float64{studentBound(test.levels.fail[1][k], 23), studentBound(test.levels.fail[0][k], 23)}
	if bounds[0] <= bounds[1] {
		t.Fatalf("bounds %v: half of alpha must ask for more", bounds)
	}
	values := func(t float64) []float64 { // 24 of mean t·sd/√24 + something above half of the tolerance
		sd := 0.05 / t * math.Sqrt(24)
		all := make([]float64, 24)
		for i := range all {
			all[i] = 0.05 + sd*math.Sqrt(23.0/24)*float64(1-2*(i%2))
		}
		return all
	}
	x, y := values(bounds[0]*1.01), values((bounds[0]+bounds[1])/2)
	rows := make([][]float64, 24)
	for i := range rows {
		rows[i] = []float64{x[i], y[i]}
	}
	state := State{Gates: []GateState{{Gate: rule.Gates[0]}, {Gate: rule.Gates[1]}}}
	test.look(&state, rows, k)
	if state.Gates[0].Decision != Failed || state.Gates[1].Decision != Failed {
		t.Errorf("x %s, y %s", state.Gates[0].Decision, state.Gates[1].Decision)
	}
	for i := range rows {
		rows[i][0] = -x[i]
	}
	state = State{Gates: []GateState{{Gate: rule.Gates[0]}, {Gate: rule.Gates[1]}}}
	test.look(&state, rows, k)
	if state.Gates[1].Decision == Failed {
		t.Error("y fails though x, which leaves it no error rate, did not")
	}
}

func TestRulesThatAreNot(t *testing.T) {
	good := Rule{Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01, Miss: 0.025}
	for name, change := range map[string]func(*Rule){
		"no gate":            func(r *Rule) { r.Gates = nil },
		"no tolerance":       func(r *Rule) { r.Gates = []Gate{{Figure: "x"}} },
		"NaN":                func(r *Rule) { r.Gates = []Gate{{Figure: "x", Tolerance: math.NaN()}} },
		"all of throughput":  func(r *Rule) { r.Gates = []Gate{{Figure: "x", Tolerance: 1, MoreIsBetter: true}} },
		"too few blocks":     func(r *Rule) { r.Blocks = 3 },
		"no error rate":      func(r *Rule) { r.Alpha = 0 },
		"certain to miss it": func(r *Rule) { r.Miss = 1 },
	} {
		r := good
		change(&r)
		if _, err := NewTest(r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	test, err := NewTest(Rule{Gates: []Gate{{Figure: "x", Tolerance: 0.05}}, Blocks: 24, Alpha: 0.01, Miss: 0.025})
	if err != nil {
		b.Fatal(err)
	}
	var blocks []Block
	for i := range 24 {
		blocks = append(blocks, block(1, 1+float64(i%3), 1, 1, 2, 1, 1, 1))
	}
	b.ReportAllocs()
	for b.Loop() {
		test.Judge(blocks)
	}
}
