package calibration

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/experiment"
)

const rateFigure = "http_reqs{scenario:get} rate"

var gates = []experiment.Gate{
	{Figure: cpuFigure, Tolerance: 0.05}, {Figure: rateFigure, Tolerance: 0.05, MoreIsBetter: true},
}

// block is one with a change of the CPU time.
func block(random *rand.Rand, n int, name string, cpu float64) Block {
	b := Block{
		Change: name, Time: time.Date(2026, 1, 2, 3, 0, n, 0, time.UTC), Seconds: 25,
		Usual: Usual{CPU: 0.1, Response: 0.3},
	}
	for _, arm := range experiment.Order(1, n) {
		noise := func(sd float64) float64 { return math.Exp(sd * random.NormFloat64()) }
		more := 1.0
		if arm == experiment.Head {
			more += cpu
		}
		b.Block.Slices = append(b.Block.Slices, experiment.Slice{Arm: arm, Figures: map[string]float64{
			cpuFigure: 0.1 * more * noise(0.01), p50Figure: 0.3 * noise(0.02), rateFigure: 9000 / more * noise(0.02),
			"http_req_duration{name:get_hot} p(95)": 0.9 * noise(0.03),
			"http_req_duration{name:get_hot} p(99)": 2 * noise(0.1),
		}})
	}
	return b
}

// TestRecording: what is appended is read again; the end of a line that was cut is not.
func TestRecording(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.jsonl")
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 3 {
		if err := Append(path, block(random, i, "none", 0)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"change": "none"`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	blocks, err := Read(path)
	if err != nil || len(blocks) != 3 || len(blocks[2].Block.Slices) != 8 || blocks[1].Usual.CPU != 0.1 {
		t.Errorf("%+v, %v", blocks, err)
	}
	for text, want := range map[string]string{
		"{}\n": `:1: there is no change ""`, "x\n": ":1: it is no block of a recording",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestOrigin: a recording has blocks of one origin, and what another one differs in is said. Recordings of versions
// that noted none are read.
func TestOrigin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	one := Origin{Version: "v1", Scenario: "ab", Machine: "m", Warmup: 0.5, Discard: 0.05, Measure: 0.25}
	for want, change := range map[string]func(o *Origin){
		"":                            func(*Origin) {},
		"the version was v1 and is v": func(o *Origin) { o.Version = "v2" },
		"the scenario or the servers (a fingerprint of them) was ab": func(o *Origin) { o.Scenario = "cd" },
		"the machine was m and is n":                                 func(o *Origin) { o.Machine = "n" },
		"the warm-up in seconds was 0.5 and is 2":                    func(o *Origin) { o.Warmup = 2 },
		"the discarded part of a slice in seconds was 0.05":          func(o *Origin) { o.Discard = 1 },
		"the measured part of a slice in seconds was 0.25 and is 1":  func(o *Origin) { o.Measure = 1 },
	} {
		other := one
		change(&other)
		if said := one.Differs(other); !strings.HasPrefix(said, want) || (said == "") != (want == "") {
			t.Errorf("%q, want %q", said, want)
		}
	}
	if said := (Origin{}).Differs(one); said != "it does not say what was recorded" {
		t.Error(said)
	}
	path := filepath.Join(t.TempDir(), "c.jsonl")
	for i, origin := range []Origin{one, one, {}} {
		if _, err := Read(path); err != nil && i > 0 {
			t.Fatal(err)
		}
		b := block(random, i, "none", 0)
		b.Origin = origin
		if err := Append(path, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), ":3: the blocks before are of another") {
		t.Errorf("two recordings in one file: %v", err)
	}
}

// TestJudge: a change of the CPU time is found by the gate on it and not by that on response times.
func TestJudge(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	var recorded []Block
	for i := range 30 {
		recorded = append(recorded, block(random, i, "none", 0), block(random, i, "CPU +10 %", 0.1))
	}
	r, err := Judge(recorded, gates, 0.01, 10*time.Minute, 200)
	if err != nil {
		t.Fatal(err)
	}
	if r.Blocks != 24 || r.BlockSeconds != 25 || r.Recorded != 60 || r.Pairs != 240 || len(r.Rows) != 2 {
		t.Fatalf("%+v", r)
	}
	none, more := r.Rows[0], r.Rows[1]
	if none.All.Failed > 10 || more.All.Failed < 195 || more.Single[cpuFigure].Failed < 195 ||
		more.Single[rateFigure].Failed < 195 || more.Single["http_req_duration{name:get_hot} p(95)"].Failed > 10 {
		t.Errorf("none %+v, more %+v", none, more)
	}
	for _, figure := range []string{cpuFigure, rateFigure} {
		if s := more.OneRun[figure]; s.N != 29 || s.K < 25 {
			t.Errorf("one run against one run, %s: %+v", figure, s)
		}
	}
	i := slices.IndexFunc(r.Noise, func(n Noise) bool { return n.Figure == cpuFigure })
	if i < 0 || math.Abs(r.Noise[i].Pair-0.014) > 0.003 {
		t.Errorf("noise %+v", r.Noise)
	}
	if _, err := Judge(nil, gates, 0.01, time.Minute, 10); err == nil {
		t.Error("nothing was recorded, and there is a result")
	}
}

func TestSettings(t *testing.T) {
	u := Usual{CPU: 0.1, Response: 0.4}
	for name, want := range map[string]string{
		"none": "", "CPU +5 %": "HEADROOM_SLOWDOWN_CPU=5µs", "response time +5 %": "HEADROOM_SLOWDOWN_CPU=20µs",
		"1 request in 100 takes 10 times as long": "HEADROOM_SLOWDOWN_DELAY=3.6ms HEADROOM_SLOWDOWN_EVERY=100",
	} {
		i := slices.IndexFunc(Changes, func(c Change) bool { return c.Name == name })
		if got := strings.Join(Changes[i].Settings(u), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := UsualOf(Block{}); err == nil {
		t.Error("an empty block has no usual costs")
	}
}
