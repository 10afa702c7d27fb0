package loadgen

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// observer takes the reference server's own account at the edges of the measured windows. The edges cut the run into
// segments; a scenario's view is the sum of the segments that its measured window covers.
type observer struct {
	plan     *scenarios.Plan
	snapshot func(ctx context.Context) (results.Snapshot, error)
	edges    []time.Duration // since the run's start, ascending
	wait     sync.WaitGroup

	taken []results.Snapshot // of the first so many edges
	err   error
}

// snapshotTimeout bounds one question to the server, which may be overloaded.
const snapshotTimeout = 10 * time.Second

func newObserver(plan *scenarios.Plan, snapshot func(ctx context.Context) (results.Snapshot, error)) *observer {
	o := &observer{plan: plan, snapshot: snapshot}
	for _, s := range plan.Scenarios {
		o.edges = append(o.edges, s.StartTime+s.Warmup, s.StartTime+s.Duration)
	}
	slices.Sort(o.edges)
	o.edges = slices.Compact(o.edges)
	return o
}

// watch takes a snapshot at every edge but the last, whose snapshot is taken by finish when all answers are in.
func (o *observer) watch(ctx context.Context, start time.Time) {
	if o.snapshot == nil {
		return
	}
	o.wait.Go(func() {
		for _, edge := range o.edges[:len(o.edges)-1] {
			if sleep(ctx, time.Until(start.Add(edge))) != nil || !o.take(ctx) {
				return
			}
		}
	})
}

func (o *observer) take(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	s, err := o.snapshot(ctx)
	if err != nil {
		if context.Cause(ctx) != errAborted { // then finish asks once more
			o.err = err
		}
		return false
	}
	o.taken = append(o.taken, s)
	return true
}

// finish takes the last snapshot and returns the views of the run and of each scenario, and why some are missing.
func (o *observer) finish(ctx context.Context) (views []results.ServerView, warnings []string) {
	if o.snapshot == nil {
		return nil, nil
	}
	o.wait.Wait()
	if o.err == nil && len(o.taken) > 0 {
		o.take(ctx)
	}
	if o.err != nil {
		warnings = append(warnings, fmt.Sprintf("the server's own view is incomplete: %v", o.err))
	}
	whole := results.NewServerView("")
	for _, s := range o.plan.Scenarios {
		view := results.NewServerView(s.Name)
		if err := o.add(&view, func(from, to time.Duration) bool { return covers(s, from, to) }); err != nil {
			return nil, append(warnings, err.Error())
		}
		if view.Seconds > 0 {
			views = append(views, view)
		}
	}
	err := o.add(&whole, func(from, to time.Duration) bool {
		return slices.ContainsFunc(o.plan.Scenarios, func(s scenarios.Scenario) bool { return covers(s, from, to) })
	})
	if err != nil {
		return nil, append(warnings, err.Error())
	}
	if whole.Seconds > 0 {
		views = append([]results.ServerView{whole}, views...)
	}
	return views, warnings
}

// add sums the segments that a window covers.
func (o *observer) add(v *results.ServerView, covered func(from, to time.Duration) bool) error {
	for i := 1; i < len(o.taken); i++ {
		if !covered(o.edges[i-1], o.edges[i]) {
			continue
		}
		if err := v.Add(o.taken[i-1], o.taken[i]); err != nil {
			return err
		}
	}
	return nil
}

func covers(s scenarios.Scenario, from, to time.Duration) bool {
	return s.StartTime+s.Warmup <= from && to <= s.StartTime+s.Duration
}
