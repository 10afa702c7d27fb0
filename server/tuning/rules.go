package tuning

import (
	"fmt"
	"time"
)

// proposal is a change that a window asks for.
type proposal struct {
	Change
	figure figure
	reason string
	free   bool // it costs nothing, so it is kept unless it did harm
	// takes is how long it takes to have its effect, besides a window.
	takes time.Duration
}

// Thresholds of the rules. Each rule has a minimum of events, below which shares mean little.
const (
	minRequests = 100
	minSlow     = 10
	slowShare   = 0.2 // of the time of all queries

	minAcquires = 50
	waitShare   = 0.2  // of the acquires
	waitRatio   = 0.25 // of the time of a query

	l1HitWanted  = 0.8
	evictedShare = 0.01
	tooOldLimit  = 0.05

	minPrefetched = 100
	usedWanted    = 0.25 // as report.MinEffectiveness

	gcLimit = 0.1

	minReplicaReads = 50
	fallbackShare   = 0.01
	tripRatio       = 5
	minTrip         = 5 * time.Millisecond
	flaps           = 2
)

// rules are what may be asked for, in the order of [Knobs]. A rule returns nil when all is well.
var rules = map[Knob]func(*Window, Counts) *proposal{
	Statistics: staleStatistics, PlanMode: forcedPlans, PlanKind: badPlan, Pool: smallPool, L1Size: smallL1,
	L1TTL: shortLifetime, Replica: badReplica, Prefetch: wastedPrefetch, GCPercent: frequentGC,
	MemoryLimit: tightMemory,
}

// slow reports whether slow statements take a good part of the time of all.
func slow(c Counts) bool { return c.Slow >= minSlow && c.SlowTime >= slowShare*c.QueryTime }

func staleStatistics(w *Window, c Counts) *proposal {
	if !slow(c) {
		return nil
	}
	for _, t := range w.Tables {
		if !t.stale() {
			continue
		}
		known := fmt.Sprintf("%.0f of its %.0f rows have changed since the last ANALYZE", t.Changed, t.Rows)
		if t.Never {
			known = fmt.Sprintf("its %.0f rows were never analyzed", t.Rows)
		}
		return &proposal{
			Change: Change{Knob: Statistics, Subject: t.Name, From: t.Times, To: t.Times + 1}, figure: slowTime,
			free:   true,
			reason: fmt.Sprintf("%.0f statements were slow, some of them read %s, and %s", c.Slow, t.Name, known),
		}
	}
	return nil
}

func forcedPlans(w *Window, c Counts) *proposal {
	if !slow(c) || w.PlanModeSet || w.PlanMode == "" || w.PlanMode == "auto" {
		return nil
	}
	return &proposal{
		Change: Change{Knob: PlanMode, From: 0, To: 1}, figure: slowTime,
		reason: fmt.Sprintf("%.0f statements were slow, and plan_cache_mode is %s, so that Postgres does not choose "+
			"the plan that is cheaper", c.Slow, w.PlanMode),
	}
}

func badPlan(w *Window, c Counts) *proposal {
	if !slow(c) {
		return nil
	}
	for _, s := range w.Statements {
		if s.Kept && !s.Anew && s.Slow >= minSlow && s.SlowTime >= slowShare*c.QueryTime {
			return &proposal{
				Change: Change{Knob: PlanKind, Subject: s.SQL, From: 0, To: 1}, figure: slowTime,
				reason: fmt.Sprintf("%s was slow %.0f times, for %.3g s in all, by a plan that may be kept for other "+
					"parameters", s.Name, s.Slow, s.SlowTime),
			}
		}
	}
	return nil
}

func smallPool(w *Window, c Counts) *proposal {
	if c.Acquires < minAcquires || c.Waits < waitShare*c.Acquires || w.Pool >= w.PoolBound ||
		c.Waited/c.Acquires < waitRatio*c.QueryTime/max(c.Queries, 1) {
		return nil
	}
	return &proposal{
		Change: Change{Knob: Pool, From: float64(w.Pool), To: float64(min(2*w.Pool, w.PoolBound))},
		figure: waitingShare,
		reason: fmt.Sprintf("%.0f %% of the queries waited for a connection, %.3g ms in the mean of all, while a "+
			"query takes %.3g ms", 100*c.Waits/c.Acquires, 1000*c.Waited/c.Acquires,
			1000*c.QueryTime/max(c.Queries, 1)),
	}
}

// growL1 is the factor by which L1 may become larger at a time.
const growL1 = 4

func smallL1(w *Window, c Counts) *proposal {
	reads := c.L1Hits + c.L1Misses
	// It is for the cache itself to grow L1 within its bounds.
	if reads < minRequests || c.L1Hits >= l1HitWanted*reads || c.Evictions < evictedShare*reads ||
		w.L1Largest >= w.L1Bound || float64(w.L1Size) < 0.8*float64(w.L1Largest) {
		return nil
	}
	return &proposal{
		Change: Change{Knob: L1Size, From: float64(w.L1Largest), To: float64(min(growL1*w.L1Largest, w.L1Bound))},
		figure: l1MissShare,
		reason: fmt.Sprintf("L1 served %.0f %% of the reads, had to evict %.0f entries, and is as large as it may be",
			100*c.L1Hits/reads, c.Evictions),
	}
}

func shortLifetime(w *Window, c Counts) *proposal {
	reads := c.L1Hits + c.L1Misses
	if reads < minRequests || c.Refreshes < tooOldLimit*reads || w.L1TTL >= w.L1TTLBound {
		return nil
	}
	longer := min(growL1*w.L1TTL, w.L1TTLBound)
	return &proposal{
		Change: Change{Knob: L1TTL, From: w.L1TTL.Seconds(), To: longer.Seconds()}, figure: tooOldShare,
		takes: w.L1TTL, // what is in L1 keeps its lifetime
		reason: fmt.Sprintf("%.0f of %.0f reads found an entry of L1 older than its lifetime of %s", c.Refreshes, reads,
			w.L1TTL.Round(time.Millisecond)),
	}
}

func badReplica(w *Window, c Counts) *proposal {
	if !w.Replicated {
		return nil
	}
	far := w.ReplicaTrip >= minTrip && w.ReplicaTrip >= tripRatio*w.PrimaryTrip
	if !w.ReplicaShared {
		if far || !w.ReplicaUsable || 2*w.ReplicaLag > w.ReplicaMaxLag {
			return nil
		}
		return &proposal{
			Change: Change{Knob: Replica, From: 0, To: 1}, figure: queryTime, free: true,
			reason: fmt.Sprintf("the replica answers in %s again, and is %s behind", w.ReplicaTrip, w.ReplicaLag),
		}
	}
	reason := ""
	switch {
	case w.ReplicaUsable && far:
		reason = fmt.Sprintf("the replica takes %s for the simplest question, the primary %s", w.ReplicaTrip,
			w.PrimaryTrip)
	case c.ReplicaReads >= minReplicaReads && c.Fallbacks >= fallbackShare*c.ReplicaReads:
		reason = fmt.Sprintf("%.0f of %.0f reads failed on the replica and were repeated on the primary", c.Fallbacks,
			c.ReplicaReads)
	case c.ReplicaChanges > flaps:
		reason = fmt.Sprintf("the replica was left out or taken up again %.0f times", c.ReplicaChanges)
	default:
		return nil
	}
	return &proposal{Change: Change{Knob: Replica, From: 1, To: 0}, figure: queryTime, free: true, reason: reason}
}

func wastedPrefetch(w *Window, c Counts) *proposal {
	ended := c.PrefetchUsed + c.PrefetchLost
	if !w.Prefetching || ended < minPrefetched || c.PrefetchUsed >= usedWanted*ended || c.Acquires < minAcquires ||
		c.Waits < waitShare/2*c.Acquires {
		return nil
	}
	return &proposal{
		Change: Change{Knob: Prefetch, From: 1, To: 0}, figure: queriesByRequest, free: true,
		reason: fmt.Sprintf("%.0f of %.0f values that were prefetched were never asked for, while %.0f %% of the "+
			"queries waited for a connection", c.PrefetchLost, ended, 100*c.Waits/c.Acquires),
	}
}

// The percentages between which GOGC is raised: the collector runs once for each doubling of the live heap by 100, so
// more than 800 saves hardly anything.
const (
	growGC  = 4
	mostGC  = 800
	gcSteps = 100
)

func collectsOften(c Counts) bool { return c.GC > 0 && c.GC >= gcLimit*c.CPU }

func frequentGC(w *Window, c Counts) *proposal {
	if c.Requests < minRequests || !collectsOften(c) || w.GCPercent < 0 || w.GCPercent >= mostGC {
		return nil
	}
	percent := growGC * max(w.GCPercent, 1)
	if w.GCPercent >= gcSteps {
		percent = 2 * w.GCPercent
	}
	percent = min(percent, mostGC)
	// Beyond the limit, the collector would run by the limit instead.
	limit := float64(min(w.MemoryLimit, w.MemoryBound))
	if float64(w.LiveHeap)*(1+float64(percent)/100) > limit {
		return nil
	}
	return &proposal{
		Change: Change{Knob: GCPercent, From: float64(w.GCPercent), To: float64(percent)}, figure: gcShare,
		reason: fmt.Sprintf("garbage collection took %.0f %% of the CPU time, and %.4g MiB of %.4g MiB are alive",
			100*c.GC/c.CPU, float64(w.LiveHeap)/(1<<20), limit/(1<<20)),
	}
}

func tightMemory(w *Window, c Counts) *proposal {
	wanted := float64(w.LiveHeap) * (1 + float64(max(w.GCPercent, 0))/100)
	more := min(w.MemoryLimit+w.MemoryLimit/2, w.MemoryBound)
	if c.Requests < minRequests || !collectsOften(c) || wanted < 0.9*float64(w.MemoryLimit) ||
		more <= w.MemoryLimit {
		return nil
	}
	return &proposal{
		Change: Change{Knob: MemoryLimit, From: float64(w.MemoryLimit), To: float64(more)}, figure: gcShare,
		reason: fmt.Sprintf("garbage collection took %.0f %% of the CPU time, because memory is limited to %.4g MiB",
			100*c.GC/c.CPU, float64(w.MemoryLimit)/(1<<20)),
	}
}

// Slow reports whether statements were slow often enough in a window for a rule to ask about them.
func Slow(statements []Statement) bool {
	n := 0.0
	for _, s := range statements {
		n += s.Slow
	}
	return n >= minSlow
}
