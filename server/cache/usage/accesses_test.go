package usage

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
)

func TestAccessesOfASteadyKey(t *testing.T) {
	for _, perMinute := range []float64{2, 12, 600} {
		table := newAccessTable(4)
		now := time.Duration(0)
		for now < 10*time.Minute {
			table.read(7, now, 1)
			now += time.Duration(float64(time.Minute) / perMinute)
		}
		u, ok := table.look(7, now)
		// Between accesses that are far apart the count falls by a quarter or more, and seconds are all it knows.
		if tolerance := 0.1 + 1/perMinute; !ok || math.Abs(u.frequency/perMinute-1) > tolerance {
			t.Errorf("%.0f accesses a minute were taken for %.2f", perMinute, u.frequency)
		}
		if want := 60 * perMinute * (1 - math.Exp(-10.0/60)); math.Abs(u.reads/want-1) > 0.05 {
			t.Errorf("%.0f reads are remembered, want about %.0f", u.reads, want)
		}
		if u.writes != 0 {
			t.Errorf("%g writes were made up", u.writes)
		}
	}
}

func TestAccessesOfNewAndRestingKeys(t *testing.T) {
	table := newAccessTable(4)
	if _, ok := table.look(7, 0); ok {
		t.Error("a key is known that was never used")
	}
	table.read(7, time.Second, 1)
	table.write(7, time.Second)
	table.write(7, 2*time.Second)
	u, _ := table.look(7, 2*time.Second)
	if u.last != 2*time.Second || math.Abs(u.frequency-1) > 0.1 || math.Abs(u.reads-1) > 0.1 ||
		math.Abs(u.writes-2) > 0.1 {
		t.Errorf("after one read and two writes: %+v", u)
	}
	u, _ = table.look(7, time.Hour)
	if u.frequency > 0.001 || u.reads > 0.5 {
		t.Errorf("an hour later: %+v", u)
	}
}

// Recording one access in eight, with weight eight, must not change what is expected.
func TestSampledAccessesAreUnbiased(t *testing.T) {
	table := newAccessTable(8)
	random := rand.New(rand.NewPCG(1, 2))
	const keys, perMinute = 200, 30
	for i := range keys * perMinute * 5 { // five minutes
		if random.IntN(8) == 0 {
			now := time.Duration(i) * time.Minute / (keys * perMinute)
			table.read(mixed(uint64(i%keys)), now, 8)
		}
	}
	sum := 0.0
	for key := range uint64(keys) {
		u, _ := table.look(mixed(key), 5*time.Minute)
		sum += u.frequency
	}
	// The error of the mean is sqrt(8 * 30 / 2 / 200) = 0.8.
	if want := perMinute * (1 - math.Exp(-5)); math.Abs(sum/keys-want) > 3 {
		t.Errorf("%d accesses a minute were taken for %.2f on average", perMinute, sum/keys)
	}
}

// Among many times more keys than the table has cells, those in use are not lost.
func TestHotKeysSurviveAFlood(t *testing.T) {
	table := newAccessTable(8) // 1024 cells
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		now := time.Duration(i) * time.Millisecond
		table.read(random.Uint64(), now, 1)
		if i%10 == 0 {
			table.read(mixed(uint64(i/10%100)), now, 1)
		}
	}
	lost := 0
	for key := range uint64(100) { // each was read once a second
		if u, _ := table.look(mixed(key), 200*time.Second); u.frequency < 30 {
			lost++
		}
	}
	if lost > 5 {
		t.Errorf("%d of 100 hot keys were forgotten", lost)
	}
}

func TestCountsDoNotOverflow(t *testing.T) {
	table := newAccessTable(2)
	for range 100_000 {
		table.read(7, 0, 8)
	}
	if u, _ := table.look(7, 0); u.frequency != frequencyMax/16.0 || u.reads != historyMax/16.0 || u.writes != 0 {
		t.Errorf("got %+v, want the greatest counts and no writes", u)
	}
}

// TestReplacedWhileCounting: a goroutine that has given a cell to a key, and is stopped before it counts its own
// access, does not undo what others count meanwhile.
func TestReplacedWhileCounting(t *testing.T) {
	const identity = 7<<32 | 5
	one := pack(1<<countFraction, 1<<countFraction, 0)
	for _, former := range []packedCounts{0, pack(300, 300, 16)} {
		var c cell
		c.counts.Store(uint64(former))
		c.identity.Store(identity)
		for range 3 {
			c.touch(identity, 7, one)
		}
		c.replace(former, one)
		if got, want := packedCounts(c.counts.Load()).after(0), (usage{frequency: 4, reads: 4}); got != want {
			t.Errorf("after %+v: %+v, want %+v", former.after(0), got, want)
		}
	}
	if got := pack(1, 5, 9).minus(pack(2, 5, 4)); got != pack(0, 0, 5) {
		t.Errorf("less than nothing: %x", got)
	}
}

func TestAccessesAtOnce(t *testing.T) {
	table := newAccessTable(4)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 10_000 {
				table.read(mixed(uint64(i%4)), time.Duration(i)*time.Millisecond/10, 1)
				table.look(mixed(uint64(i%4)), time.Second)
			}
		})
	}
	wg.Wait()
	for key := range uint64(4) {
		if u, ok := table.look(mixed(key), time.Second); !ok || math.Abs(u.reads-20_000) > 200 {
			t.Errorf("key %d: %+v, want 20,000 reads", key, u)
		}
	}
}

// mixed makes hashes of small numbers (the finalizer of MurmurHash3).
func mixed(v uint64) uint64 {
	v = (v + 1) * 0xff51afd7ed558ccd
	v = (v ^ v>>33) * 0xc4ceb9fe1a85ec53
	return v ^ v>>33
}

func BenchmarkRecord(b *testing.B) {
	table := newAccessTable(14)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		now := clock.Now()
		for i := rand.Uint64(); pb.Next(); i++ {
			table.read(mixed(i%10_000), now+time.Duration(i%1000)*time.Millisecond, 1)
		}
	})
}
