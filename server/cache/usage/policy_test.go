package usage

import (
	"container/list"
	"math/rand/v2"
	"testing"
	"time"
)

// lru is a level of a simulated cache: so many bytes, the least recently used go first, and each value has a lifetime.
type lru struct {
	bytes, room int
	ttl         time.Duration
	order       *list.List
	values      map[uint64]*list.Element
}

type lruValue struct {
	key  uint64
	size int
	ends time.Duration
}

func newLRU(room int, ttl time.Duration) *lru {
	return &lru{room: room, ttl: ttl, order: list.New(), values: map[uint64]*list.Element{}}
}

func (l *lru) get(key uint64, at time.Duration) bool {
	e, ok := l.values[key]
	if !ok {
		return false
	}
	if e.Value.(*lruValue).ends < at {
		l.remove(key)
		return false
	}
	l.order.MoveToFront(e)
	return true
}

func (l *lru) set(key uint64, size int, at time.Duration) {
	l.remove(key)
	l.values[key] = l.order.PushFront(&lruValue{key, size, at + l.ttl})
	for l.bytes += size; l.bytes > l.room; {
		l.remove(l.order.Back().Value.(*lruValue).key)
	}
}

func (l *lru) remove(key uint64) {
	if e, ok := l.values[key]; ok {
		l.bytes -= e.Value.(*lruValue).size
		l.order.Remove(e)
		delete(l.values, key)
	}
}

// trace is ten minutes of 300 operations a second: reads of 30,000 keys by Zipf's law, three in ten of them of 4 KB and
// the rest of 600 bytes; one operation in ten is for a key that is written as often as it is read, about once a minute
// in all: not worth sharing.
type operation struct {
	key   uint64
	size  int
	churn bool // of a key that is not worth sharing
	write bool
	at    time.Duration
}

func zipfTrace() []operation {
	random := rand.New(rand.NewPCG(7, 8))
	zipf := rand.NewZipf(random, 1.1, 8, 30_000)
	trace := make([]operation, 10*60*300)
	for i := range trace {
		o := operation{at: time.Duration(i) * time.Second / 300, size: 600}
		if i%10 == 0 {
			o.key = mixed(1<<32 + uint64(random.IntN(1000)))
			o.size, o.churn, o.write = 4096, true, random.IntN(2) == 0
		} else {
			o.key = mixed(zipf.Uint64())
			if o.key%10 < 3 {
				o.size = 4096
			}
		}
		trace[i] = o
	}
	return trace
}

// policy decides where a value goes that was loaded, by what the table and the whole kind know.
type policy func(u usage, kindRatio float64, size int, at time.Duration) Placement

type replayed struct {
	hitRate   float64 // of all reads
	worthy    float64 // of the reads of keys that are worth sharing
	l2Written int     // bytes
}

func replay(trace []operation, decide policy) replayed {
	l1, l2 := newLRU(4<<20, time.Minute), newLRU(32<<20, 30*time.Minute)
	table := newAccessTable(14)
	var kind kindUse
	var r replayed
	reads, hits := [2]int{}, [2]int{} // not churning, churning
	for _, o := range trace {
		if o.write {
			table.write(o.key, o.at)
			kind.writes.Add(1)
			l1.remove(o.key)
			l2.remove(o.key)
			continue
		}
		table.read(o.key, o.at, 1)
		kind.reads.Add(1)
		churn := 0
		if o.churn {
			churn = 1
		}
		reads[churn]++
		switch {
		case l1.get(o.key, o.at):
			hits[churn]++
		case l2.get(o.key, o.at):
			hits[churn]++
			l1.set(o.key, o.size, o.at)
		default:
			u, _ := table.look(o.key, o.at)
			where := decide(u, kind.ratio(), o.size, o.at)
			if where.L1 {
				l1.set(o.key, o.size, o.at)
			}
			if where.L2 {
				l2.set(o.key, o.size, o.at)
				r.l2Written += o.size
			}
		}
	}
	r.hitRate = float64(hits[0]+hits[1]) / float64(reads[0]+reads[1])
	r.worthy = float64(hits[0]) / float64(reads[0])
	return r
}

func TestPolicyDoesNotCostHits(t *testing.T) {
	trace := zipfTrace()
	pattern := func(u usage, ratio float64, size int, at time.Duration) Placement {
		return AccessPattern{
			Frequency: max(u.frequency-1, 0), Recency: at - u.last, Size: size,
			ReadWriteRatio: ratio,
		}.place()
	}
	everything := replay(trace, func(usage, float64, int,
		time.Duration,
	) Placement {
		return Placement{L1: true, L2: true}
	})
	ours := replay(trace, func(u usage, kindRatio float64, size int, at time.Duration) Placement {
		return pattern(u, withPrior(u.reads, u.writes, kindRatio), size, at)
	})
	// The rules by what is known of the key alone.
	literal := replay(trace, func(u usage, _ float64, size int, at time.Duration) Placement {
		p := AccessPattern{
			Frequency: max(u.frequency-1, 0), Recency: at - u.last, Size: size,
			ReadWriteRatio: ReadWriteRatio(u.reads, u.writes),
		}
		return Placement{L1: p.IsHot() || size < smallSize, L2: p.ShouldCacheL2()}
	})
	for name, r := range map[string]replayed{"everything": everything, "the policy": ours, "the rules alone": literal} {
		t.Logf("%-15s hit rate %.4f (%.4f where sharing is worth it), %.1f MB written to L2", name, r.hitRate, r.worthy,
			float64(r.l2Written)/1e6)
	}
	if ours.worthy < everything.worthy-0.001 || ours.hitRate < everything.hitRate-0.01 {
		t.Errorf("the policy costs hits: %.4f (%.4f), and %.4f (%.4f) when everything is kept", ours.hitRate,
			ours.worthy, everything.hitRate, everything.worthy)
	}
	if ours.worthy < literal.worthy+0.05 {
		t.Errorf("the prior is worth nothing: %.4f with it, %.4f without", ours.worthy, literal.worthy)
	}
	if ours.l2Written > everything.l2Written*9/10 {
		t.Errorf("%d bytes are written to L2, and %d when everything is kept: the policy keeps nothing out",
			ours.l2Written, everything.l2Written)
	}
}
