package reports

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{threeDigits(0), "0"},
		{threeDigits(0.0941), "0.094"},
		{threeDigits(0.0004), "<0.001"},
		{threeDigits(0.9996), "1.00"},
		{threeDigits(4.125), "4.12"},
		{threeDigits(9.996), "10.0"},
		{threeDigits(99.96), "100"},
		{threeDigits(1234.4), "1,234"},
		{threeDigits(-41.26), "-41.3"},
		{rate(0), "0/s"},
		{rate(1. / 3600), "0.000278/s"},
		{rate(0.25), "0.250/s"},
		{count(0), "0"},
		{count(999), "999"},
		{count(1000), "1,000"},
		{count(-1234567), "-1,234,567"},
		{count(math.MinInt64), "-9,223,372,036,854,775,808"},
		{Plural(1, "gate"), "1 gate"},
		{Plural(2000, "sample"), "2,000 samples"},
		{percent(0), "0 %"},
		{percent(0.00001), "<0.01 %"},
		{percent(0.0129), "1.29 %"},
		{percent(0.9997), "99.97 %"},
		{percent(0.99996), ">99.99 %"},
		{percent(-0.00004), "-<0.01 %"},
		{percent(-0.9997), "-99.97 %"},
		{failedPercent(results.Summary{}), none},
		{failedPercent(results.Summary{Requests: 4, Failed: 1}), "25.00 %"},
		{metPercent(results.Check{}), none},
		{hitPercent(results.TierStats{}), none},
		{percent(1), "100 %"},
		{percent(-12.5), "-1,250 %"},
		{bytesText(999), "999 B"},
		{bytesText(1000), "1.00 kB"},
		{bytesText(84_300_000), "84.3 MB"},
		{bytesText(math.MaxInt64), "9,223 PB"},
		{countsText(map[string]int64{"timeout": 2, "TLS": 1997}), "TLS\u00a0×\u00a01,997, timeout\u00a0×\u00a02"},
		{
			statusesText(map[int]int64{scenarios.GRPCUnavailable: 1, scenarios.GRPCStatus: 7}),
			"OK\u00a0×\u00a07, UNAVAILABLE\u00a0×\u00a01",
		},
		{statusesText(map[int]int64{503: 2, 200: 1997}), "200\u00a0×\u00a01,997, 503\u00a0×\u00a02"},
		{shellLine(again([]string{
			"headroom", "run", "--out", "a/b/", "x.yaml", "--start-at", "2026-01-02T15:04:05Z",
			"--quiet",
		})), `headroom run --out a/b-again x.yaml --quiet`},
		{
			shellLine(again([]string{"headroom", "run", "--start-at=2026-01-02T15:04:05Z", "--out=before", "x.yaml"})),
			`headroom run --out=before-again x.yaml`,
		},
		{shellLine(again([]string{"headroom", "run", "x.yaml"})), `headroom run x.yaml`},
		{
			shellLine([]string{"headroom", "run", "my file.yaml", "--set=a=b", "it's", ""}),
			`headroom run 'my file.yaml' --set=a=b 'it'\''s' ''`,
		},
		{onOneLine("a\x1b[2J\n\tb é"), "a�[2J��b é"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// What a machine does not tell is not 0.
func TestStolenTimeThatIsNotKnown(t *testing.T) {
	m := results.Measurements{Health: &results.Health{Seconds: []results.HealthSecond{{At: 1, Length: 1}}}}
	if got := stolenText(m); got != unavailable {
		t.Errorf("got %q", got)
	}
	m.Health.Seconds[0].Stolen, m.Generator.StolenShare = new(0.02), 0.01
	if got := stolenText(m); got != "1.00 %" {
		t.Errorf("got %q", got)
	}
}

func TestGateFigures(t *testing.T) {
	for name, c := range map[string]struct {
		gate                 results.Gate
		actual, target, word string
		margin               string
	}{
		"held": {
			results.Gate{Op: "<", Target: 1500, Actual: 1234.5, Unit: "ms", Samples: 10, Margin: 0.177, Passed: true},
			"1,234.50 ms", "1,500 ms", "held", "+17.70 %",
		},
		"only just crossed": {
			results.Gate{Op: "<", Target: 50, Actual: 50.0004, Unit: "ms", Samples: 10, Margin: -0.000008},
			"50.0004 ms", "50 ms", "crossed", "-<0.01 %",
		},
		"a rate": {
			results.Gate{Op: ">=", Target: 199, Actual: 199.98, Unit: "/s", Samples: 10, Margin: 0.0049, Passed: true},
			"199.98/s", "199/s", "held", "+0.49 %",
		},
		"nearly nothing": {
			results.Gate{Op: "<", Target: 0.01, Actual: 0.00001, Samples: 100_000, Margin: 0.999, Passed: true},
			"0.00001", "0.01", "held", "+99.90 %",
		},
		"a small share": {
			results.Gate{Op: "<", Target: 0.001, Actual: 1. / 798, Samples: 798, Margin: -0.2531},
			"0.00125", "0.001", "crossed", "-25.31 %",
		},
		"no target to be a share of": {
			results.Gate{Op: "==", Target: 0, Actual: 3, Samples: 10},
			"3", "0", "crossed", none,
		},
		"no data": {
			results.Gate{Op: "<", Target: 5, Unit: "ms"},
			"no data", "5 ms", "no data", none,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range []struct{ got, want string }{
				{gateActual(c.gate), c.actual},
				{gateTarget(c.gate), c.target},
				{gateWord(c.gate), c.word},
				{gateMargin(c.gate), c.margin},
			} {
				if f.got != f.want {
					t.Errorf("got %q, want %q", f.got, f.want)
				}
			}
		})
	}
}

// An end of an interval on one side of the target does not look as if it were the target.
func TestIntervalsEndApartFromTheTarget(t *testing.T) {
	for want, c := range map[string][3]float64{
		"49.96 to 50.04":   {49.96, 50.04, 50},
		"50.0 to 51.2":     {50, 51.2, 50},
		"999.6 to 1,000.4": {999.6, 1000.447, 1000},
		"4.71 to 5.03":     {4.7123, 5.0299, 50},
	} {
		if got := gateInterval(results.Gate{
			Target:   c[2],
			Interval: &results.Interval{Low: &c[0], High: &c[1]},
		}); got != want {
			t.Errorf("%v: got %q, want %q", c, got, want)
		}
	}
}

func TestLogAxisReachesJustBeyondItsLines(t *testing.T) {
	for _, c := range []struct{ low, high, min, max float64 }{
		{0.043, 123, 0.02, 200},
		{1, 10, 0.5, 20},
		{1.86, 84, 1, 100},
		{0.001, 0.001, 0.0005, 0.002},
	} {
		axis := logMillis([]line{{dots: []dot{{y: c.low}, {gap: true}, {y: c.high}}}})
		if axis.Min != c.min || axis.Max != c.max {
			t.Errorf("from %v to %v ms: the axis reaches from %v to %v, want %v to %v", c.low, c.high, axis.Min,
				axis.Max, c.min, c.max)
		}
	}
}

func TestSecondsWithoutAnswers(t *testing.T) {
	points := []results.Point{{Second: 3, Requests: 5}, {Second: 4, Requests: 6}, {Second: 7, Requests: 7}}
	dots := overTime(points, func(p results.Point) dot { return dot{x: float64(p.Second), y: float64(p.Requests)} })
	want := []dot{{x: 3, y: 5}, {x: 4, y: 6}, {x: 5}, {x: 6}, {x: 7, y: 7}}
	if len(dots) != len(want) {
		t.Fatalf("got %v, want %v", dots, want)
	}
	for i := range want {
		if dots[i] != want[i] {
			t.Errorf("got %v, want %v", dots[i], want[i])
		}
	}
}

// What is shaded as a warm-up ends where the measured part begins, also within a second.
func TestShadeEndsWithTheWarmup(t *testing.T) {
	r := sampleRun(t)
	r.Measurements.Loads[0].MeasuredFrom = 9.5
	d, err := newDigest(r)
	if err != nil {
		t.Fatal(err)
	}
	shades := warmups(d, pointsByScenario(d))
	if len(shades) != 2 || shades[0].to != 9.5 || shades[1].to != 10 {
		t.Errorf("shades %+v", shades)
	}
}

// TestTightestIsTold: a gate of which nothing can be told is not the tightest.
func TestTightestIsTold(t *testing.T) {
	low, high := 1.0, 9.0
	gate := func(margin float64) results.Gate {
		return results.Gate{Metric: "m", Op: "<", Target: 5, Samples: 6, Margin: margin, Passed: true}
	}
	few, missed, unsure := gate(-0.6), gate(-0.5), gate(-0.1)
	few.Passed, few.Unresolved, few.Interval = false, true, &results.Interval{Low: &low}
	missed.Passed, missed.NotReached = false, true
	unsure.Passed, unsure.Unresolved, unsure.Interval = false, true, &results.Interval{Low: &low, High: &high}
	fewer := few
	fewer.Interval = nil
	for _, tt := range []struct {
		gates []results.Gate
		want  float64
	}{
		{[]results.Gate{gate(0.3), few, gate(0.2), missed, fewer}, 0.2},
		{[]results.Gate{gate(0.3), unsure}, -0.1},
		{[]results.Gate{few, missed, fewer}, 0},
	} {
		got := 0.0
		if g := tightest(results.Verdict{Gates: tt.gates}); g != nil {
			got = g.Margin
		}
		if got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.gates, got, tt.want)
		}
	}
}

// TestLoneDots: a second with neighbours that had no response has no line, and therefore a mark.
func TestLoneDots(t *testing.T) {
	p := newPicture("", "c", opts.XAxis{}, opts.YAxis{}, []line{
		{name: "lone", dash: "solid", dots: []dot{{x: 1, y: 4}, {x: 2, gap: true}, {x: 3, y: 5}, {x: 4, y: 6}}},
		{name: "whole", dash: "solid", dots: []dot{{x: 1, y: 4}, {x: 2, y: 5}, {x: 3, gap: true}}},
	}, overlay{})
	got, err := json.Marshal(p.Option["series"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"showSymbol":true`, `"data":[{"value":[1,4],"symbol":"circle","symbolSize":5},[2,null],[3,5],[4,6]]`,
		`"showSymbol":false`, `"data":[[1,4],[2,5],[3,null]]`,
	} {
		if strings.Count(string(got), want) != 1 {
			t.Errorf("%s is not there once: %s", want, got)
		}
	}
}
