package scenarios

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// RampingUsers is a closed load of a number of users that changes linearly within each of its stages. A user who is to
// go ends its iteration first.
type RampingUsers struct {
	StartVUs  int
	Stages    []Stage // their targets are whole numbers
	ThinkTime ThinkTime
	most      int // of a shard: the most users at once; 0: as the stages have it
}

// SharedIterations is a closed load that ends when its users have done so many iterations together. Who is ready takes
// the next.
type SharedIterations struct {
	VUs         int
	Iterations  int64
	ThinkTime   ThinkTime
	MaxDuration time.Duration // after which no iteration begins
}

// UserIterations is a closed load that ends when each of its users has done so many iterations.
type UserIterations struct {
	VUs         int
	Iterations  int64
	ThinkTime   ThinkTime
	MaxDuration time.Duration
	all         int // of a shard: the users of all shards; 0: VUs
}

func (RampingUsers) Executor() Executor     { return "ramping-vus" }
func (SharedIterations) Executor() Executor { return "shared-iterations" }
func (UserIterations) Executor() Executor   { return "per-vu-iterations" }

func (RampingUsers) Open() bool     { return false }
func (SharedIterations) Open() bool { return false }
func (UserIterations) Open() bool   { return false }

func (RampingUsers) Steady() bool     { return false }
func (SharedIterations) Steady() bool { return false }
func (UserIterations) Steady() bool   { return false }

func (l RampingUsers) Length() time.Duration     { return lengthOf(l.Stages) }
func (l SharedIterations) Length() time.Duration { return l.MaxDuration }
func (l UserIterations) Length() time.Duration   { return l.MaxDuration }

// Workers is the most users that there are at once.
func (l RampingUsers) Workers() int {
	if l.most > 0 {
		return l.most
	}
	most := l.StartVUs
	for _, stage := range l.Stages {
		most = max(most, int(stage.Target))
	}
	return most
}

func (l SharedIterations) Workers() int { return l.VUs }
func (l UserIterations) Workers() int   { return l.VUs }

func (l RampingUsers) WithWorkers(n int) Load     { l.most = n; return l }
func (l SharedIterations) WithWorkers(n int) Load { l.VUs = n; return l }

// WithWorkers keeps the number of all users: it tells the iterations of one from those of another.
func (l UserIterations) WithWorkers(n int) Load { l.all, l.VUs = l.AllUsers(), n; return l }

// AllUsers are the users of all shards.
func (l UserIterations) AllUsers() int { return max(l.all, l.VUs) }

func (RampingUsers) sealed()     {}
func (SharedIterations) sealed() {}
func (UserIterations) sealed()   {}

// ThinkTimeOf is how long the users of a load pause after each iteration.
func ThinkTimeOf(load Load) ThinkTime {
	switch l := load.(type) {
	case Users:
		return l.ThinkTime
	case RampingUsers:
		return l.ThinkTime
	case SharedIterations:
		return l.ThinkTime
	case UserIterations:
		return l.ThinkTime
	}
	return ThinkTime{}
}

// HasUsers reports whether a load is one of users who each wait for the answer before they send again.
func (e Executor) HasUsers() bool {
	return slices.Contains([]Executor{
		Users{}.Executor(), RampingUsers{}.Executor(), SharedIterations{}.Executor(), UserIterations{}.Executor(),
	}, e)
}

// Counted reports whether a load is one of a given number of iterations, so that it is known which were not sent.
func Counted(load Load) bool {
	switch load.(type) {
	case SharedIterations, UserIterations:
		return true
	}
	return false
}

// StagesOf are the stages of a load that has any, and what it begins with: a rate or a number of users.
func StagesOf(load Load) (start float64, stages []Stage) {
	switch l := load.(type) {
	case RampingRate:
		return l.StartRate, l.Stages
	case RampingUsers:
		return float64(l.StartVUs), l.Stages
	}
	return 0, nil
}

func lengthOf(stages []Stage) (sum time.Duration) {
	for _, stage := range stages {
		sum += stage.Duration
	}
	return sum
}

// Bounds and defaults of users.
const (
	maxIterations      = 1_000_000_000 // of a load
	defaultMaxDuration = 10 * time.Minute
)

func (r *reader) rampingUsers(n *node, warmup time.Duration) RampingUsers {
	load := RampingUsers{ThinkTime: r.pause(n.get("thinkTime"), "thinkTime")}
	load.StartVUs = int(r.whole(n.get("startVUs"), 1, 0, maxUsers))
	target := func(stage *node) (users float64, moves bool) {
		most := r.whole(r.need(stage, "target", "target: 50"), 0, 0, maxUsers)
		return float64(most), most > 0
	}
	load.Stages = r.stages(n, "stages: [{target: 50, duration: 30s}]", load.StartVUs > 0, warmup, target)
	return load
}

func (r *reader) sharedIterations(n *node) SharedIterations {
	r.noWarmup(n)
	load := SharedIterations{
		VUs:         int(r.whole(n.get("vus"), 1, 1, maxUsers)),
		Iterations:  r.whole(r.need(n, "iterations", "iterations: 1000"), 0, 1, maxIterations),
		ThinkTime:   r.pause(n.get("thinkTime"), "thinkTime"),
		MaxDuration: r.maxDuration(n),
	}
	if load.Iterations > 0 && load.Iterations < int64(load.VUs) {
		r.fault(n.get("iterations"), "", "%s has %d iterations for %d users: each needs one", n.path, load.Iterations,
			load.VUs)
	}
	return load
}

func (r *reader) userIterations(n *node) UserIterations {
	r.noWarmup(n)
	load := UserIterations{
		VUs:         int(r.whole(n.get("vus"), 1, 1, maxUsers)),
		Iterations:  r.whole(r.need(n, "iterations", "iterations: 10"), 0, 1, maxIterations),
		ThinkTime:   r.pause(n.get("thinkTime"), "thinkTime"),
		MaxDuration: r.maxDuration(n),
	}
	if float64(load.VUs)*float64(load.Iterations) > math.Min(maxRangeEnd, maxIterations) {
		r.fault(n.get("iterations"), "", "%s has %s iterations in all; at most %s are sent", n.path,
			fmt.Sprintf("%d times %d", load.VUs, load.Iterations), grouped(maxIterations))
	}
	return load
}

// noWarmup refuses a warm-up where the iterations are counted.
func (r *reader) noWarmup(n *node) {
	if warmup := n.get("warmup"); warmup != nil {
		r.faultAt(warmup.keyAt, "warm the service up with another scenario, and give this one a startTime",
			"%s: all of so many iterations are measured", warmup.path)
	}
}

func (r *reader) maxDuration(n *node) time.Duration {
	if d, ok := r.positiveDuration(n.get("maxDuration")); ok {
		return d
	}
	return defaultMaxDuration
}

// stages reads the stages of a load. moving says that the load begins with something, target reads the target of one.
func (r *reader) stages(n *node, example string, moving bool, warmup time.Duration,
	target func(stage *node) (x float64, moves bool),
) (all []Stage) {
	list := r.need(n, "stages", example)
	if !given(list) {
		return nil
	}
	if len(list.items) == 0 {
		r.fault(list, "", "%s is empty", list.path)
		return nil
	}
	faults, unread := len(r.errs), false
	for _, item := range list.items {
		if item.bad {
			unread = true
			continue
		}
		before := len(r.errs)
		x, moves := target(item)
		stage := Stage{Target: x, Duration: r.duration(r.need(item, "duration", "duration: 30s"), 0)}
		moving = moving || moves
		if name := item.get("name"); name != nil && len(r.errs) == before {
			stage.Name = r.stageName(name, stage, all, warmup)
		}
		all = append(all, stage)
	}
	length := lengthOf(all)
	switch {
	case unread || len(r.errs) > faults: // what follows would only repeat it
	case !moving:
		r.fault(list, "give a target above 0", "%s never sends anything: every target is 0", n.path)
	case length == 0 || length > longest:
		r.fault(list, "", "%s takes %v in all; it must be more than 0 and at most 24h", list.path, length)
	}
	return all
}
