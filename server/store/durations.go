package store

import "time"

// durationBounds are the upper bounds of the classes in which durations are counted besides their histograms. They are
// finest near the targets: 1 ms for half of the queries, 5 ms for 95 %.
var durationBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// DurationBounds returns the upper bounds, inclusive, of [Durations.UpTo].
func DurationBounds() []time.Duration { return durationBounds[:] }

// Durations counts durations in classes, which is much cheaper to read than a histogram.
type Durations struct {
	Count int64
	Sum   time.Duration
	// UpTo counts the durations up to each of [DurationBounds]; it is cumulative.
	UpTo []uint64
}

// classes has one more class than there are bounds: for what is longer than all of them.
type classes [len(durationBounds) + 1]uint64

func (c *classes) add(took time.Duration) {
	for i, bound := range durationBounds {
		if took <= bound {
			c[i]++
			return
		}
	}
	c[len(durationBounds)]++
}

// sums returns what was recorded, in classes.
func (t *timings) sums() (d Durations, errors int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.durations == nil {
		return Durations{}, 0
	}
	d = Durations{Count: t.durations.TotalCount(), Sum: t.sum, UpTo: make([]uint64, len(durationBounds))}
	below := uint64(0)
	for i := range d.UpTo {
		below += t.classes[i]
		d.UpTo[i] = below
	}
	return d, t.errors
}

// QueryDurations are the measurements of one named query since Open, in classes: see [QueryStats].
type QueryDurations struct {
	Durations
	Errors, Replica int64
}

// QueryDurations returns the durations by query name in classes. Queries that have not run are omitted. It takes some
// microseconds; [Store.QueryStats] copies a histogram of 140 KB for each query.
func (s *Store) QueryDurations() map[string]QueryDurations {
	all := make(map[string]QueryDurations, len(s.queries.named))
	for name, q := range s.queries.named {
		if d, errors := q.times.sums(); d.Count > 0 {
			all[name] = QueryDurations{Durations: d, Errors: errors, Replica: q.replica.Load()}
		}
	}
	return all
}

// AcquireDurations returns how long queries waited for a connection, in classes, by the server's role ("primary",
// "replica").
func (s *Store) AcquireDurations() map[string]Durations {
	all := map[string]Durations{}
	for _, n := range s.nodes() {
		if d, _ := n.waits.sums(); d.Count > 0 {
			all[n.role] = d
		}
	}
	return all
}
