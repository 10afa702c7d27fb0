package loadgen

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/results"
)

// observer takes the reference server's own account at the edges of the measured windows. The edges cut the run into
// segments; a scenario's view is the sum of the segments that its measured window covers.
type observer struct {
	runs     []*scenarioRun
	snapshot func(ctx context.Context) (results.Snapshot, error)
	wait     sync.WaitGroup

	taken []results.Snapshot
	at    []time.Duration // the edges at which they were taken, since the run's start
	err   error           // why there is none of the next edge, and so of none after it

	noFigures error // the first reason for which a snapshot has no figures of the endpoint of metrics
}

// snapshotTimeout bounds one question to the server, which may be overloaded.
const snapshotTimeout = 10 * time.Second

func newObserver(runs []*scenarioRun, snapshot func(ctx context.Context) (results.Snapshot, error)) *observer {
	return &observer{runs: runs, snapshot: snapshot}
}

// next is the first edge that has no snapshot yet, as far as is known now: a warm-up that ends early moves those of its
// scenario to instants that are still to come. It is the last when there is none after it.
func (o *observer) next() (edge time.Duration, last bool) {
	var edges []time.Duration
	for _, r := range o.runs {
		from, to := r.measured()
		for _, e := range []time.Duration{from, to} {
			if n := len(o.at); n == 0 || e > o.at[n-1] {
				edges = append(edges, e)
			}
		}
	}
	if len(edges) == 0 {
		return 0, true
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	return edges[0], len(edges) == 1
}

// watch takes a snapshot at every edge but the last, whose snapshot is taken by finish when all answers are in.
func (o *observer) watch(ctx context.Context, start time.Time) {
	if o.snapshot == nil {
		return
	}
	o.wait.Go(func() {
		for {
			edge, last := o.next()
			if last {
				return
			}
			left := time.Until(start.Add(edge))
			wait := left
			if slices.ContainsFunc(o.runs, func(r *scenarioRun) bool { return r.timing.Window.Moves() }) {
				wait = min(left, edgePatience)
			}
			if sleep(ctx, wait) != nil {
				return
			}
			if wait == left && !o.take(ctx, edge) {
				return
			}
		}
	})
}

// edgePatience is how long an edge may have moved without being noticed. It is shorter than warmupNotice.
const edgePatience = 200 * time.Millisecond

func (o *observer) take(ctx context.Context, edge time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	s, err := o.snapshot(ctx)
	switch {
	case err == nil && s.NoFigures == nil:
	case context.Cause(ctx) == errAborted: // finish asks once more
		return false
	case err != nil:
		o.err = err
		return false
	case o.noFigures == nil:
		o.noFigures = s.NoFigures
	}
	o.taken, o.at = append(o.taken, s), append(o.at, edge)
	return true
}

// finish takes the last snapshot and returns the views of the run and of each scenario, and why some are missing.
func (o *observer) finish(ctx context.Context) (views []results.ServerView, warnings []string) {
	if o.snapshot == nil {
		return nil, nil
	}
	o.wait.Wait()
	if o.err == nil && len(o.taken) > 0 {
		edge, _ := o.next()
		o.take(ctx, edge)
	}
	if o.err != nil {
		warnings = append(warnings, fmt.Sprintf("the server's own view is incomplete: %v", o.err))
	}
	if o.noFigures != nil {
		warnings = append(warnings, fmt.Sprintf("the service's metrics could not be read at an edge of a measured "+
			"window, so there are none of that window: %v", o.noFigures))
	}
	whole, allReached := results.NewServerView(""), true
	for _, r := range o.runs {
		view := results.NewServerView(r.scenario.Name)
		if err := o.add(&view, r.covers); err != nil {
			return nil, append(warnings, err.Error())
		}
		reached := o.reached(r)
		allReached = allReached && reached
		if view.Seconds > 0 && reached {
			views = append(views, view)
		}
	}
	err := o.add(&whole, func(from, to time.Duration) bool {
		return slices.ContainsFunc(o.runs, func(r *scenarioRun) bool { return r.covers(from, to) })
	})
	if err != nil {
		return nil, append(warnings, err.Error())
	}
	if whole.Seconds > 0 && allReached {
		views = append([]results.ServerView{whole}, views...)
	}
	return views, warnings
}

// reached reports whether snapshots were taken up to the end of a scenario's window, or of the run that ended early: a
// count of a part of the window would pass for that of all of it.
func (o *observer) reached(r *scenarioRun) bool {
	_, to := r.measured()
	n := len(o.at)
	return o.err == nil || n > 0 && o.at[n-1] >= to
}

// add sums the segments that a window covers.
func (o *observer) add(v *results.ServerView, covered func(from, to time.Duration) bool) error {
	for i := 1; i < len(o.taken); i++ {
		if !covered(o.at[i-1], o.at[i]) {
			continue
		}
		if err := v.Add(o.taken[i-1], o.taken[i]); err != nil {
			return err
		}
	}
	return nil
}
