package tuning

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// plant is a simulated server: its settings, its load, and how its figures follow from them.
type plant struct {
	random  *rand.Rand
	noise   float64 // relative, of each slice
	rate    func(window int) float64
	demand  float64 // connections that the load keeps busy at 1,000 requests a slice
	working float64 // bytes that L1 needs
	best    float64 // of the pool: beyond it queries become slower
	stuck   bool    // queries wait for something else, however large the pool
	state   State
}

// slice is what happens in a fifth of a second.
func (p *plant) slice(window int) Counts {
	noisy := func(v float64) float64 { return v * math.Exp(p.noise*p.random.NormFloat64()) }
	n := noisy(p.rate(window))
	hit := min(0.97, 0.97*float64(p.state.L1Largest)/p.working)
	queries := n * (1 - hit)
	pool := float64(p.state.Pool)
	each := 0.002 * max(1, pool/p.best)
	busy := p.demand * n / 1000 / pool
	wait := each * busy * busy * 2
	if p.stuck {
		wait = 0.02
	}
	gc := 20 / (20 + float64(p.state.GCPercent))
	c := Counts{
		Requests: n, Queries: queries, QueryTime: noisy(queries * each), Acquires: queries,
		Waits: noisy(queries * min(1, busy*busy)), Waited: noisy(queries * wait), L1Hits: n * hit,
		L1Misses:  n * (1 - hit),
		Evictions: n * max(0, 0.9-hit), CPU: noisy(1), GC: gc,
	}
	c.RequestTime = noisy(n*0.0005*(1+gc) + c.QueryTime + c.Waited)
	return c
}

// run lets a controller work on it for some windows and returns what it did.
func (p *plant) run(t *testing.T, windows int) (all []Action) {
	t.Helper()
	c := New(Act)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	turn := func(change Change) {
		switch change.Knob {
		case Pool:
			p.state.Pool = int(change.To)
		case L1Size:
			p.state.L1Largest, p.state.L1Size = int64(change.To), int64(change.To)
		case GCPercent:
			p.state.GCPercent = int(change.To)
		default:
			t.Fatalf("the simulated server has no %s", change.Knob)
		}
	}
	for window := range windows {
		at = at.Add(time.Second)
		w := Window{At: at, Length: time.Second, State: p.state}
		for range Slices {
			w.Slices = append(w.Slices, p.slice(window))
		}
		if change, wanted := c.Step(w); wanted {
			turn(change)
			c.Made(at, nil)
		}
	}
	for _, actions := range c.Totals() {
		if n := actions[Failed]; n > 0 {
			t.Errorf("%d actions failed", n)
		}
	}
	return c.Actions()
}

func steady(rate float64) func(int) float64 { return func(int) float64 { return rate } }

func newPlant(random *rand.Rand, noise float64) *plant {
	return &plant{
		random: random, noise: noise, rate: steady(1000), demand: 6, working: 8 << 20, best: 16,
		state: State{
			Pool: 16, PoolBound: 16, L1Largest: 16 << 20, L1Size: 16 << 20, L1Bound: 128 << 20, GCPercent: 400,
			LiveHeap: 1 << 20, MemoryLimit: 1 << 30, MemoryBound: 1 << 30,
		},
	}
}

// A server that is set badly comes to good settings within 200 windows, mostly within 40, and stays there: no
// setting goes up and down, and the last half has nothing but failed attempts, ever rarer ones.
func TestControllerConverges(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := newPlant(random, 0.02+0.1*random.Float64())
		p.state.Pool, p.state.GCPercent = 1+random.IntN(3), 5+random.IntN(20)
		p.state.L1Largest = int64(256<<10) << random.IntN(3)
		p.state.L1Size = p.state.L1Largest
		all := p.run(t, 240)
		if p.state.Pool < 8 || p.state.L1Largest < 6<<20 || p.state.GCPercent < 150 {
			t.Errorf("seed %d, noise %.2f: the pool has %d, L1 %d MiB, GOGC is %d", seed, p.noise, p.state.Pool,
				p.state.L1Largest>>20, p.state.GCPercent)
		}
		for _, a := range all[len(all)/2:] {
			if a.Outcome == Kept && a.To < a.From {
				t.Errorf("seed %d: %s", seed, a.Text)
			}
		}
		if len(all) > 30 {
			t.Errorf("seed %d: %d actions in 240 windows", seed, len(all))
		}
		if last := all[len(all)-1]; last.Outcome == Kept && last.At.After(all[0].At.Add(200*time.Second)) {
			t.Errorf("seed %d: it was still changing %s after %s", seed, last.Knob, last.At.Sub(all[0].At))
		}
	}
}

// A server that is set well is left alone, also when its load comes and goes.
func TestControllerDoesNotOscillate(t *testing.T) {
	for name, rate := range map[string]func(int) float64{
		"steady": steady(1000),
		"alternating": func(window int) float64 {
			if window/7%2 == 0 {
				return 400
			}
			return 1600
		},
		"waves": func(window int) float64 { return 1000 + 600*math.Sin(float64(window)/9) },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(40) {
				p := newPlant(rand.New(rand.NewPCG(seed, 2)), 0.1)
				p.rate = rate
				before := p.state
				all := p.run(t, 600)
				if len(all) > 0 || p.state.Pool != before.Pool || p.state.GCPercent != before.GCPercent {
					t.Errorf("seed %d: %d actions, the first: %+v", seed, len(all), all[0])
				}
			}
		})
	}
}

// A pool whose waits cannot be helped by more connections is tried ever more rarely, and keeps its size.
func TestControllerGivesUpWhatDoesNotHelp(t *testing.T) {
	for seed := range uint64(40) {
		p := newPlant(rand.New(rand.NewPCG(seed, 3)), 0.05)
		p.best, p.demand, p.stuck = 4, 40, true // the more connections, the slower the queries
		p.state.Pool = 8
		all := p.run(t, 600)
		grown := 0
		for _, a := range all {
			if a.Knob == Pool {
				grown++
			}
		}
		if grown == 0 || grown > 8 {
			t.Errorf("seed %d: the pool was changed %d times in 600 windows", seed, grown)
		}
	}
}
