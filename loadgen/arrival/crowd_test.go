package arrival

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// timingOf is that of a closed load, of a shard of so many.
func timingOf(load scenarios.Load, shard Shard) *Timing {
	load = load.WithWorkers(Share(load.Workers(), int(shard.Index), int(shard.Count)))
	return &Timing{
		Window: NewWindow(&scenarios.Scenario{Load: load}, nil), Think: NewThinkTimes(scenarios.ThinkTimeOf(load), 1),
		Ramp: NewRamp(load), Count: NewCount(load, shard), Shard: shard, Users: load.Workers(),
	}
}

// iteration is one that a crowd has begun.
type iteration struct {
	user, n    int64
	began, end time.Duration
}

// play has the crowds of some loops go on to their end, where every iteration takes as long as length says. It looks at
// them whenever something is due or ends. It returns all iterations in the order of their begin.
func play(t *testing.T, timing *Timing, loops int, length func(user, n int64) time.Duration) (all []iteration) {
	t.Helper()
	type busy struct {
		loop int
		user int32
		iteration
	}
	var crowds []*Crowd
	var under []busy
	for i := range loops {
		crowds = append(crowds, NewCrowd(timing, i, loops))
	}
	for now, rounds := time.Duration(0), 0; ; rounds++ {
		if rounds > 1_000_000 {
			t.Fatal("the load does not end")
		}
		next, over := Never, true
		for i, c := range crowds {
			for {
				at, ended := c.Due(now)
				if ended {
					break
				}
				if at > now {
					next, over = min(next, at), false
					break
				}
				user, n, none := c.Begin(now)
				if none {
					break
				}
				one := iteration{c.Number(user), n, now, now + length(c.Number(user), n)}
				all = append(all, one)
				under = append(under, busy{i, user, one})
			}
		}
		for _, b := range under {
			next, over = min(next, b.end), false
		}
		if over {
			return all
		}
		now = next
		under = slices.DeleteFunc(under, func(b busy) bool {
			if b.end <= now {
				crowds[b.loop].End(b.user, b.n, now, 0)
			}
			return b.end <= now
		})
	}
}

// atOnce is how many iterations are under way at an instant.
func atOnce(all []iteration, at time.Duration) (n int) {
	for _, i := range all {
		if i.began <= at && at < i.end {
			n++
		}
	}
	return n
}

const ms = time.Millisecond

func TestSharedIterations(t *testing.T) {
	for _, loops := range []int{1, 3} {
		load := scenarios.SharedIterations{VUs: 10, Iterations: 95, MaxDuration: time.Hour}
		all := play(t, timingOf(load, Whole), loops, func(user, _ int64) time.Duration {
			return time.Duration(1+user) * ms // the first is ten times as fast as the last
		})
		var numbers []int64
		by := map[int64]int{}
		for _, i := range all {
			numbers = append(numbers, i.n)
			by[i.user]++
		}
		slices.Sort(numbers)
		if len(all) != 95 || numbers[0] != 0 || numbers[94] != 94 || len(slices.Compact(numbers)) != 95 {
			t.Errorf("%d loops: %d iterations: %v", loops, len(all), numbers)
		}
		if len(by) != 10 || by[0] < 3*by[9] || atOnce(all, 5*ms) != 10 {
			t.Errorf("%d loops: by user %v", loops, by)
		}
	}
}

func TestUserIterations(t *testing.T) {
	for _, loops := range []int{1, 3} {
		load := scenarios.UserIterations{
			VUs: 10, Iterations: 7, MaxDuration: time.Hour, ThinkTime: scenarios.ThinkTime{Min: ms, Max: 3 * ms},
		}
		numbers := map[int64]bool{}
		by := map[int64][]int64{}
		for shard := range int64(2) {
			all := play(t, timingOf(load, Shard{shard, 2}), loops, func(user, _ int64) time.Duration {
				return time.Duration(1+user) * ms
			})
			for _, i := range all {
				if numbers[i.n] || i.n%10 != i.user {
					t.Errorf("iteration %d of user %d", i.n, i.user)
				}
				numbers[i.n] = true
				by[i.user] = append(by[i.user], i.n/10)
			}
		}
		for user, rounds := range by {
			if !slices.Equal(rounds, []int64{0, 1, 2, 3, 4, 5, 6}) {
				t.Errorf("%d loops: the rounds of user %d are %v", loops, user, rounds)
			}
		}
		if len(by) != 10 {
			t.Errorf("%d users", len(by))
		}
	}
}

// TestMaxDuration: what has not begun by then does not.
func TestMaxDuration(t *testing.T) {
	slow := func(int64, int64) time.Duration { return 100 * ms }
	shared := scenarios.SharedIterations{VUs: 2, Iterations: 100, MaxDuration: 450 * ms}
	if all := play(t, timingOf(shared, Whole), 1, slow); len(all) != 10 {
		t.Errorf("%d of the shared iterations", len(all))
	}
	each := scenarios.UserIterations{VUs: 2, Iterations: 100, MaxDuration: 450 * ms}
	timing := timingOf(each, Whole)
	if all := play(t, timing, 2, slow); len(all) != 10 {
		t.Errorf("%d of the users' iterations", len(all))
	}
	if planned, measured, until := timing.Planned(time.Second); planned != 200 || measured != 200 || until != 450*ms {
		t.Errorf("planned %d, %d until %v", planned, measured, until)
	}
}

func TestRampingUsers(t *testing.T) {
	load := scenarios.RampingUsers{StartVUs: 2, Stages: []scenarios.Stage{
		{Target: 12, Duration: 10 * time.Second},
		{Target: 12, Duration: 5 * time.Second},
		{Target: 5},
		{Target: 5, Duration: 5 * time.Second},
		{Target: 0, Duration: 5 * time.Second},
	}}
	if load.Workers() != 12 || load.Length() != 25*time.Second {
		t.Fatalf("%d workers for %v", load.Workers(), load.Length())
	}
	length := func(int64, int64) time.Duration { return time.Duration(10+rand.IntN(10)) * ms }
	for _, think := range []scenarios.ThinkTime{{}, {Min: 10 * ms, Max: 30 * ms}} {
		load.ThinkTime = think
		for _, loops := range []int{1, 3} {
			var all []iteration
			for shard := range int64(2) {
				all = append(all, play(t, timingOf(load, Shard{shard, 2}), loops, length)...)
			}
			for _, test := range []struct {
				at   time.Duration
				want int
			}{
				{500 * ms, 2},
				{1500 * ms, 3},
				{5500 * ms, 7},
				{9900 * ms, 11},
				{10500 * ms, 12},
				{14900 * ms, 12},
				{15500 * ms, 5},
				{19900 * ms, 5},
				{20500 * ms, 5},
				{21500 * ms, 4},
				{24500 * ms, 1},
			} {
				// Users who think are not seen at one instant: who is there has an iteration within 50 ms.
				users := map[int64]bool{}
				for _, i := range all {
					if i.end > test.at && i.began <= test.at+50*ms {
						users[i.user] = true
					}
				}
				if len(users) != test.want {
					t.Errorf("thinking %v, %d loops: %d users at %v, want %d", think, loops, len(users), test.at,
						test.want)
				}
			}
		}
	}
}

// TestRampWakes: a loop that waits as long as it is told to misses no user.
func TestRampWakes(t *testing.T) {
	for range 200 {
		load := scenarios.RampingUsers{StartVUs: rand.IntN(20)}
		for range 1 + rand.IntN(4) {
			load.Stages = append(load.Stages, scenarios.Stage{
				Target:   float64(rand.IntN(40)),
				Duration: time.Duration(rand.IntN(3)) * time.Duration(rand.IntN(1_000_000)) * 1000,
			})
		}
		r := NewRamp(load)
		for now := time.Duration(0); ; {
			next := r.change(now)
			if next == Never {
				break
			}
			if next <= now {
				t.Fatalf("%+v: at %v it is told to wait until %v", load, now, next)
			}
			here, before := r.users(now, Whole), r.users(next-1, Whole)
			// a rounded instant may be off by as much as it takes to wake up
			if here != before && r.users(max(now, next-3*time.Microsecond), Whole) != here {
				t.Fatalf("%+v: %d users at %v, and %d at %v", load, here, now, before, next-1)
			}
			now = next
		}
	}
}

func BenchmarkCrowd(b *testing.B) {
	for name, load := range map[string]scenarios.Load{
		"constant": scenarios.Users{VUs: 100, Duration: time.Hour},
		"thinking": scenarios.Users{VUs: 100, Duration: time.Hour, ThinkTime: scenarios.ThinkTime{Min: 1, Max: 2}},
		"shared":   scenarios.SharedIterations{VUs: 100, Iterations: 1 << 40, MaxDuration: time.Hour},
		"each":     scenarios.UserIterations{VUs: 100, Iterations: 1 << 40, MaxDuration: time.Hour},
		"ramping": scenarios.RampingUsers{
			StartVUs: 100,
			Stages:   []scenarios.Stage{{Target: 200, Duration: time.Hour}},
		},
	} {
		b.Run(name, func(b *testing.B) {
			c := NewCrowd(timingOf(load, Whole), 0, 1)
			now := time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				now += 10
				c.Due(now)
				user, n, _ := c.Begin(now)
				c.End(user, n, now, 0)
			}
		})
	}
}
