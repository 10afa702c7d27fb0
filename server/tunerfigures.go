package server

import (
	"cmp"
	"context"
	"math"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tuning"
)

// read reads the counts since the start. It takes a fraction of a millisecond, and nothing of it is in the path of
// requests.
func (t *tuner) read() tuning.Counts {
	var c tuning.Counts
	requests, took := t.handler.RequestTotals()
	c.Requests, c.RequestTime = float64(requests), took.Seconds()

	l := t.db.Load()
	c.Queries, c.QueryTime = float64(l.Queries), l.QueryTime.Seconds()
	c.Slow, c.SlowTime = float64(l.Slow), l.SlowTime.Seconds()
	c.Acquires, c.Waits, c.Waited = float64(l.Acquires), float64(l.Waits), l.Waited.Seconds()
	c.ReplicaReads, c.Fallbacks = float64(l.ReplicaReads), float64(l.Fallbacks)
	c.ReplicaChanges = float64(l.ReplicaChanges)

	stats, work := t.answers.Stats(), t.answers.Activity()
	c.L1Hits, c.L1Misses = float64(stats.L1.Hits), float64(stats.L1.Misses)
	c.Evictions = float64(work.Evictions)
	c.Refreshes = float64(stats.Refreshes)
	c.PrefetchUsed, c.PrefetchLost = float64(work.Prefetch.Used), float64(work.Prefetch.Lost)

	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	if err == nil { // else the shares of it are unknown
		c.CPU, c.GC = cpuSeconds(&usage), gcSeconds()
	}
	return c
}

// state is how this process is set now. It asks the database only after slow statements.
func (t *tuner) state(ctx context.Context) tuning.State {
	work := t.answers.Activity()
	stats := t.db.ReplicaStats()
	s := tuning.State{
		Pool: t.db.PoolStats().MaxConns, PoolBound: t.db.PoolBound(),
		L1Largest: int64(work.L1.LargestBytes), L1Size: int64(work.L1.MaxBytes), L1Bound: t.limits.l1,
		L1TTL: seconds(work.L1.TTLSeconds), L1TTLBound: cache.LongestL1TTL,
		Prefetching: t.answers.Prefetching(), MemoryBound: t.limits.memory, Replicated: stats.Configured,
		ReplicaUsable: stats.Healthy, ReplicaShared: t.db.SharesReads(), ReplicaLag: stats.Lag,
		ReplicaMaxLag: t.db.MaxLag(),
	}
	t.mu.Lock()
	s.PlanModeSet = t.plans.set
	t.mu.Unlock()
	s.PrimaryTrip, s.ReplicaTrip = t.db.Trips()
	s.GCPercent, s.LiveHeap, s.MemoryLimit = collectorSettings()
	s.Statements = t.slowSince()
	if !tuning.Slow(s.Statements) {
		return s
	}
	var err error
	s.PlanMode, err = t.db.PlanMode(ctx)
	if err != nil {
		t.logger.Warn("tuning: the database cannot be asked", "error", err)
		return s
	}
	var texts []string
	for _, statement := range s.Statements {
		texts = append(texts, statement.SQL)
	}
	tables, err := t.db.StatisticsOf(ctx, texts)
	if err != nil {
		t.logger.Warn("tuning: the database cannot be asked", "error", err)
	}
	for _, table := range tables {
		s.Tables = append(s.Tables, tuning.Table{
			Name: table.Name, Rows: table.Rows, Changed: table.Changed, Never: table.Never,
			Times: float64(table.Analyzed),
		})
	}
	return s
}

// slowSince returns the statements that were slow since the last call, the one that took most time first.
func (t *tuner) slowSince() (all []tuning.Statement) {
	now := map[string]store.SlowQuery{}
	for _, q := range t.db.SlowQueries() {
		now[q.SQL] = q
		before := t.slowBefore[q.SQL]
		if q.Count <= before.Count { // it is fewer for a statement that was forgotten meanwhile
			continue
		}
		all = append(all, tuning.Statement{
			Name: q.Name, SQL: q.SQL, Slow: float64(q.Count - before.Count),
			SlowTime: (q.Total - before.Total).Seconds(),
			Kept:     q.Kept && store.CanPlanAnew(q.SQL), Anew: t.db.IsPlannedAnew(q.SQL),
		})
	}
	t.slowBefore = now
	slices.SortFunc(all, func(a, b tuning.Statement) int { return cmp.Compare(b.SlowTime, a.SlowTime) })
	return all
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// collectorSettings returns GOGC (negative when it is off), the bytes that the last collection kept, and GOMEMLIMIT.
func collectorSettings() (percent int, live, limit int64) {
	samples := []metrics.Sample{
		{Name: "/gc/gogc:percent"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/gomemlimit:bytes"},
	}
	metrics.Read(samples)
	values := [3]int64{-1, 0, math.MaxInt64}
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 && s.Value.Uint64() <= math.MaxInt64 {
			values[i] = int64(s.Value.Uint64())
		}
	}
	if values[0] > math.MaxInt32 {
		values[0] = -1
	}
	return int(values[0]), values[1], values[2]
}

// tuningLimits are what the tuner may let this process take.
type tuningLimits struct {
	l1     int64 // for L1, in bytes
	memory int64 // as GOMEMLIMIT, in bytes
	// fixed says that GOMEMLIMIT is set in the environment: it is a limit that somebody wanted.
	fixed bool
}

// newTuningLimits allows L1 what a server has that is not told its size, or a sixteenth of the machine's memory if that
// is less, and the whole process a quarter of it. Postgres and the cache server may be on the same machine.
func newTuningLimits(o Options) tuningLimits {
	memory := machineMemory()
	l := tuningLimits{
		l1: min(2*defaultL1Bytes, memory/16), memory: memory / 4, fixed: os.Getenv("GOMEMLIMIT") != "",
	}
	if _, _, limit := collectorSettings(); l.fixed {
		l.l1, l.memory = min(l.l1, max((limit-o.besideL1())/5*4, 0)), limit
	}
	l.l1 = max(l.l1, cmp.Or(o.L1MaxBytes, 2*o.L1Bytes))
	return l
}

// machineMemory returns the bytes of memory of the machine or of the control group; 0 where it is not known.
func machineMemory() int64 {
	memory := int64(0)
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	if fields := strings.Fields(string(info)); len(fields) > 1 && fields[0] == "MemTotal:" {
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err == nil {
			memory = kilobytes << 10
		}
	}
	group, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return memory
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(group)), 10, 64)
	if err == nil { // else it is "max"
		memory = min(memory, limit)
	}
	return memory
}
