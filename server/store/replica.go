package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// defaultReplicaMaxLag is how far a replica may be behind before it is left out.
const defaultReplicaMaxLag = 5 * time.Second

// replica is the streaming replica and its lag.
type replica struct {
	*node
	maxLag time.Duration

	usable    atomic.Bool   // it answers, and its lag is within maxLag
	replayed  atomic.Uint64 // LSN up to which it has replayed everything
	fallbacks atomic.Int64
	away      atomic.Bool  // the tuning has reads go to the primary
	changes   atomic.Int64 // how often usable has changed

	mu      sync.Mutex
	up      bool
	why     error // why it is not up
	primary LSN   // where the primary was when it was last asked
	// LSNs of the primary that the replica has not replayed, with their times: the age of the first is the lag. Unlike
	// a comparison of commit times, this needs no synchronized clocks and is correct while nobody writes.
	ahead []sample
}

type sample struct {
	lsn LSN
	at  time.Time
}

// maxSamples bounds ahead: at a sample every watchEvery it is two minutes of lag, and the first one stays.
const maxSamples = 5000

// serves reports whether a read that must see everything up to after may go to the replica now. When all its
// connections are in use, the primary is quicker, so a replica that begins to fail delays few reads.
func (r *replica) serves(after LSN) bool {
	return r != nil && r.usable.Load() && LSN(r.replayed.Load()) >= after && r.busy.Load() < r.size.Load() &&
		!r.away.Load()
}

// primaryIsAt records the primary's LSN.
func (r *replica) primaryIsAt(lsn LSN, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lsn > r.primary {
		r.primary = lsn
		if len(r.ahead) < maxSamples {
			r.ahead = append(r.ahead, sample{lsn, now})
		}
	}
	r.judge(now)
}

// replicaIsAt records the replica's LSN.
func (r *replica) replicaIsAt(lsn LSN, now time.Time) {
	r.replayed.Store(uint64(lsn))
	r.mu.Lock()
	defer r.mu.Unlock()
	passed := 0
	for passed < len(r.ahead) && r.ahead[passed].lsn <= lsn {
		passed++
	}
	r.ahead = append(r.ahead[:0], r.ahead[passed:]...)
	r.judge(now)
}

// isUp records whether the replica answers.
func (r *replica) isUp(up bool, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up, r.why = up, why
	r.judge(time.Now())
}

func (r *replica) judge(now time.Time) {
	usable := r.up && r.lag(now) <= r.maxLag
	if r.usable.Swap(usable) != usable {
		r.changes.Add(1)
	}
}

func (r *replica) lag(now time.Time) time.Duration {
	if len(r.ahead) == 0 {
		return 0
	}
	return now.Sub(r.ahead[0].at)
}

// ReplicaStats describes the streaming replica.
type ReplicaStats struct {
	// Configured reports whether a replica is configured; without one all other fields are zero.
	Configured bool
	// Healthy reports whether reads go to it: it answers and does not lag too far.
	Healthy bool
	// Reason says why it is not healthy.
	Reason string
	// LagBytes is how much of the primary's log it has not replayed, in bytes. Lag is the age of the oldest such byte.
	// Both are measured every 25 ms.
	LagBytes int64
	Lag      time.Duration
	// Fallbacks counts reads that failed on the replica and were repeated on the primary.
	Fallbacks int64
	Pool      PoolStats
}

// ReplicaStats returns the replica's current state.
func (s *Store) ReplicaStats() ReplicaStats {
	r := s.replica
	if r == nil {
		return ReplicaStats{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	lag := r.lag(time.Now())
	stats := ReplicaStats{
		Configured: true, Healthy: r.usable.Load(), Lag: lag, Fallbacks: r.fallbacks.Load(), Pool: r.stats(),
		LagBytes: max(int64(r.primary)-int64(r.replayed.Load()), 0),
	}
	switch {
	case stats.Healthy:
	case r.why != nil:
		stats.Reason = r.why.Error()
	default:
		stats.Reason = "it is " + lag.Round(time.Millisecond).String() + " behind, at most " + r.maxLag.String() +
			" are allowed"
	}
	return stats
}
