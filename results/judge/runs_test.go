package judge

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// sideOf are runs of 12 s of a service that is slower by a factor, whose runs scatter by 1 %, made two minutes after
// each other.
func sideOf(t *testing.T, random *rand.Rand, name string, runs int, slower float64, failed int,
	first time.Time,
) []NamedRun {
	t.Helper()
	var out []NamedRun
	for i := range runs {
		r := comparedRunOf(t, random, 12, slower*math.Exp(0.01*random.NormFloat64()), 0, failed, false)
		r.Measurements.Started = first.Add(time.Duration(i) * 2 * time.Minute)
		out = append(out, NamedRun{fmt.Sprintf("%s%d", name, i+1), r})
	}
	return out
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// inTurns are runs of both sides, made in turns.
func inTurns(t *testing.T, runs int, slower float64, failed int) (base, head []NamedRun) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 9))
	return sideOf(t, random, "base/", runs, 1, 0, noon), sideOf(t, random, "head/", runs, slower, failed,
		noon.Add(time.Minute))
}

func comparedRuns(t *testing.T, base, head []NamedRun, rule Rule) *Comparison {
	t.Helper()
	c, err := CompareRuns(base, head, rule)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verdicts are those of all figures, by name.
func verdicts(c *Comparison) map[string]Verdict {
	out := map[string]Verdict{}
	for _, f := range c.Figures {
		out[f.Name()] = f.Verdict
	}
	return out
}

// TestCompareRuns: a service that became slower, one that became faster, one that fails more, and one that stayed as it
// was. A figure that a threshold and a request have in common is judged once.
func TestCompareRuns(t *testing.T) {
	const p50, p95 = "http_req_duration{name:item} p(50)", "http_req_duration{name:item} p(95)"
	const all = "http_req_failed rate"
	for _, tt := range []struct {
		what    string
		slower  float64
		failed  int
		want    map[string]Verdict
		outcome results.Outcome
	}{
		{"the same", 1, 0, map[string]Verdict{p95: Unresolved, all: Within, p50: Within}, results.Unresolved},
		{"slower", 1.3, 0, map[string]Verdict{p95: Worse, all: Within, p50: Worse}, results.Fail},
		{"faster", 0.8, 0, map[string]Verdict{p95: Better, all: Within, p50: Better}, results.Pass},
		{"failing", 1, 60, map[string]Verdict{p95: Unresolved, all: Worse, p50: Within}, results.Fail},
	} {
		base, head := inTurns(t, 6, tt.slower, tt.failed)
		c := comparedRuns(t, base, head, DefaultRule)
		if got := verdicts(c); fmt.Sprint(got) != fmt.Sprint(tt.want) || c.Outcome() != tt.outcome {
			t.Errorf("%s: %s, %v, want %v", tt.what, c.Outcome(), got, tt.want)
		}
		if !c.Exact || c.Deals != 924 || c.TooFew != 0 || c.Invalid != "" {
			t.Errorf("%s: %+v", tt.what, c)
		}
		f := c.Figures[0]
		if by, ok := f.By(); !ok || !f.Ratio || math.Abs(by+1-tt.slower) > 0.1*tt.slower || f.Low > by || f.High < by ||
			!slices.Equal(f.Gates, []string{"p(95)<50"}) || f.Unit != "ms" || len(f.Base) != 6 {
			t.Errorf("%s: %+v", tt.what, f)
		}
		if f.Verdict == Unresolved && (f.Needed < 7 || f.Smallest <= 0.025) {
			t.Errorf("%s: %d runs are needed, and find %v", tt.what, f.Needed, f.Smallest)
		}
	}
}

// TestTooFewRuns: three runs on each side cannot show anything at 1 %, however far apart they are, and it is said how
// many can. Without a bound of the deals, no run is needed beyond those that the noise asks for.
func TestTooFewRuns(t *testing.T) {
	base, head := inTurns(t, 3, 4, 0)
	c := comparedRuns(t, base, head, DefaultRule)
	if c.Count(Worse) > 0 || c.TooFew != 5 || c.Family != 2 || c.Outcome() != results.Unresolved {
		t.Errorf("%d figures: %d runs needed: %v", c.Family, c.TooFew, verdicts(c))
	}
	for _, f := range c.Figures {
		if f.Verdict == Unresolved && (f.Needed < 5 || !math.IsInf(f.Smallest, 1) || f.Worse != 0.05) {
			t.Errorf("%+v", f)
		}
	}
	if c := comparedRuns(t, base, head, Rule{Tolerance: 0.05, Alpha: 0.1}); c.Count(Worse) != 2 || c.TooFew != 0 {
		t.Errorf("at 10 %%: %v", verdicts(c))
	}
}

// TestManyRuns: beyond 20,000 deals the test is Welch's, and finds what the exact one finds.
func TestManyRuns(t *testing.T) {
	base, head := inTurns(t, 9, 1.3, 0)
	if c := comparedRuns(t, base, head, DefaultRule); c.Exact || c.Count(Worse) != 2 || c.TooFew != 0 {
		t.Errorf("%+v", verdicts(c))
	}
}

// TestCompareRunsRefuses: runs that are not alike, the same run twice, single runs, and rules that are not possible.
func TestCompareRunsRefuses(t *testing.T) {
	base, head := inTurns(t, 2, 1, 0)
	other := *head[1].Run
	other.Scenario.Text = strings.Replace(other.Scenario.Text, "rate: 100", "rate: 200", 1)
	refused := func(base, head []NamedRun, rule Rule, want string, notAlike bool) {
		t.Helper()
		_, err := CompareRuns(base, head, rule)
		if !strings.Contains(fmt.Sprint(err), want) || errors.As(err, new(*NotAlikeError)) != notAlike {
			t.Errorf("%v, want %s", err, want)
		}
	}
	refused(base, []NamedRun{head[0], {"other", &other}}, DefaultRule,
		"base/1 and other: scenario s: rate is 100 in one and 200 in the other", true)
	refused(base, []NamedRun{head[0], base[1]}, DefaultRule, "base/2 and base/2 are the same run", true)
	refused(base, head[:1], DefaultRule, "each side needs at least 2", false)
	refused(base, head, Rule{0, 0.01}, "a tolerance of 0", false)
	refused(base, head, Rule{0.05, 0.5}, "an alpha of 0.5", false)
	refused(base, head, Rule{0.05, math.NaN()}, "an alpha of NaN", false)
}

// TestCompareRunsWarnings: sides that were not made in turns, environments that differ, and warnings of runs are said;
// of an INVALID run, or of times that cannot be trusted, nothing is judged.
func TestCompareRunsWarnings(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	base := sideOf(t, random, "b", 3, 1, 0, noon)
	head := sideOf(t, random, "h", 3, 2, 0, noon.Add(time.Hour))
	for i, r := range slices.Concat(base, head) {
		r.Environment.ServerSettings = map[string]string{"GOGC": []string{"100", "100", "50", "200", "200", "200"}[i]}
		r.Verdict.Warnings = []string{"everywhere"}
	}
	head[2].Environment.GeneratorSettings = map[string]string{"GOGC": "1"}
	head[1].Verdict.Warnings = []string{"everywhere", "here"}
	c := comparedRuns(t, base, head, DefaultRule)
	want := []string{
		"all base runs were made before the head runs: a drift of the machine or of the service between them is not " +
			"excluded, and no p-value accounts for it; take the runs in turns",
		"the reference server's GOGC differs: 100 or 50, then 200",
		"3 of 3 base runs and 2 of 3 head runs did not record the settings of the load generator: they may differ",
		"all runs: everywhere", "h2: here",
	}
	if !slices.Equal(c.Warnings, want) || !slices.Equal(c.Differences, want[1:3]) {
		t.Errorf("%q, want %q", c.Warnings, want)
	}
	head[0].Verdict.Untimed = []string{"late"}
	c = comparedRuns(t, base, head, DefaultRule)
	if f := c.Figures[0]; f.Verdict != NotJudged || f.Reason != "the response times of h1 cannot be trusted" {
		t.Errorf("%+v", f)
	}
	if f := c.Figures[1]; f.Of.Metric != scenarios.HTTPReqFailed || f.Verdict != Within {
		t.Errorf("%+v", f)
	}
	head[0].Verdict.Outcome, head[0].Verdict.Invalid = results.Invalid, []string{"starved"}
	c = comparedRuns(t, base, head, DefaultRule)
	if c.Outcome() != results.Invalid || c.Invalid != "h1 is INVALID: starved" || c.Count(NotJudged) != len(c.Figures) {
		t.Errorf("%s %q %v", c.Outcome(), c.Invalid, verdicts(c))
	}
	if base, head := inTurns(t, 2, 1, 0); strings.Contains(fmt.Sprint(comparedRuns(t, base, head,
		DefaultRule).Warnings), "in turns") {
		t.Error("runs in turns are said not to be")
	}
}

// simulatedRuns judges figures of simulated runs; the first figure of the head is higher by a factor.
func simulatedRuns(random *rand.Rand, runs, figures int, rule Rule, by float64,
	noise func(*rand.Rand) float64,
) *Comparison {
	c := &Comparison{Base: make([]NamedRun, runs), Head: make([]NamedRun, runs), Rule: rule}
	c.Figures = make([]JudgedFigure, figures)
	for i := range 2 * runs {
		common := noise(random) // what moves all figures of a run
		for k := range c.Figures {
			value := 10 * math.Exp(common+noise(random))
			if f := &c.Figures[k]; i < runs {
				f.Base = append(f.Base, value)
			} else if k == 0 {
				f.Head = append(f.Head, value*by)
			} else {
				f.Head = append(f.Head, value)
			}
		}
	}
	c.judge()
	return c
}

// TestErrorsOfRuns simulates how often any of nine figures of two equal sides is called worse, and how often one that
// is 10 % worse is found. Runs scatter by 2 % and each figure by 2 % more, once normally and once with a long tail. The
// seeds are fixed.
func TestErrorsOfRuns(t *testing.T) {
	t.Parallel()
	const experiments = 150
	normal := func(r *rand.Rand) float64 { return 0.02 * r.NormFloat64() }
	skewed := func(r *rand.Rand) float64 { return 0.02 * r.ExpFloat64() }
	for _, tt := range []struct {
		what  string
		runs  int
		alpha float64
		noise func(*rand.Rand) float64
		found float64 // at least this share of the experiments finds the change
	}{
		{"6 runs, 1 %", 6, 0.01, normal, 0.8},
		{"6 runs, 10 %, skewed", 6, 0.1, skewed, 0.95},
		{"12 runs, 10 %, Welch", 12, 0.1, normal, 0.99},
	} {
		random := rand.New(rand.NewPCG(3, 4))
		alarms, found := 0, 0
		for range experiments {
			rule := Rule{Tolerance: 0.01, Alpha: tt.alpha} // so that the tolerance hides nothing
			if simulatedRuns(random, tt.runs, 9, rule, 1, tt.noise).Count(Worse) > 0 {
				alarms++
			}
			if simulatedRuns(random, tt.runs, 9, rule, 1.1, tt.noise).Figures[0].Verdict == Worse {
				found++
			}
		}
		t.Logf("%s: of %d, %d false alarms, %d found", tt.what, experiments, alarms, found)
		most := tt.alpha + 2.6*math.Sqrt(tt.alpha*(1-tt.alpha)/experiments)
		if share := float64(alarms) / experiments; share > most {
			t.Errorf("%s: false alarms in %.2f %%", tt.what, 100*share)
		}
		if share := float64(found) / experiments; share < tt.found {
			t.Errorf("%s: found in %.1f %%", tt.what, 100*share)
		}
	}
}

// TestFiguresWithoutRatio: a figure that is 0 in some run is judged by its differences, a share by percentage points,
// and one that is the same in all runs has no part in the family.
func TestFiguresWithoutRatio(t *testing.T) {
	many := func(v float64) []float64 { return []float64{v, v + 1, v + 2, v + 1, v, v + 2} }
	c := &Comparison{Base: make([]NamedRun, 6), Head: make([]NamedRun, 6), Rule: DefaultRule, Figures: []JudgedFigure{
		{Base: many(0), Head: many(500)},
		{
			Base: []float64{0.001, 0, 0, 0, 0, 0.001}, Head: []float64{0.003, 0.002, 0.003, 0.002, 0.002, 0.002},
			Share: true,
		},
		{
			Base: []float64{0.9, 0.91, 0.9, 0.91, 0.9, 0.91}, Head: []float64{0.8, 0.81, 0.8, 0.81, 0.8, 0.81},
			Share: true, MoreIsBetter: true,
		},
		{Base: []float64{7, 7, 7, 7, 7, 7}, Head: []float64{7, 7, 7, 7, 7, 7}},
		{Base: many(100), Head: many(50), MoreIsBetter: true},
	}}
	c.judge()
	var got []Verdict
	for _, f := range c.Figures {
		got = append(got, f.Verdict)
	}
	if !slices.Equal(got, []Verdict{Worse, Within, Worse, Within, Worse}) || c.Family != 4 {
		t.Errorf("%v, a family of %d", got, c.Family)
	}
	if _, ok := c.Figures[1].By(); ok || c.Figures[0].Change != 500 {
		t.Errorf("%+v", c.Figures[:2])
	}
}
