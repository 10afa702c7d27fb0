package search

import (
	"context"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// The names of the steps beyond the capacity.
const (
	stageBegin  = "begin" // of the overload
	stageBeyond = "beyond"
	stageAfter  = "after"
)

const (
	// relief is the load after the overload, as a share of the capacity.
	relief = 0.5
	// The overload is so many times as long as the longest limit of a response time, where there is time for it.
	limitsOfOverload = 10
)

// overload is how long the service is overloaded and watched then, where so much time is left for both: longer than
// asked for where the objectives have long limits, as it takes that long for a queue that grows to show in them.
func (o *Options) overload(left time.Duration) Stretch {
	s := o.Beyond
	want := time.Duration(limitsOfOverload * judge.LongestLimit(o.Objectives) * float64(time.Millisecond))
	room := time.Duration(float64(left) * float64(s.Discard) / float64(s.length()))
	if long := min(want, room).Truncate(time.Second); long > s.Discard {
		s.Measure = time.Duration(float64(s.Measure) * float64(long) / float64(s.Discard)).Truncate(time.Second)
		s.Discard = long
	}
	return s
}

// beyond sends more than the capacity for a while, and then half of it. What is said of the overload is of its last
// half, when what the service can put off is used up.
func (o *Options) beyond(ctx context.Context, f *Found) error {
	middle := f.Search.Posterior().Interval().Middle
	length := o.overload(o.left(f) - around)
	b := &results.Beyond{
		Rate: o.Mix.Sent(judge.Overload * middle), Seconds: length.Discard.Seconds(),
		After: o.Mix.Sent(relief * middle), Watched: length.Measure.Seconds(),
	}
	if b.Rate > f.Search.Ceiling() {
		return nil // the generator cannot send it
	}
	begin := length.Discard / 2
	plan := o.Mix.Steps([]scenarios.Stage{
		{Name: stageBegin, Target: b.Rate, Duration: begin},
		{Name: stageBeyond, Target: b.Rate, Duration: length.Discard - begin},
		{Name: stageAfter, Target: b.After, Duration: length.Measure},
	}, grace, o.Seed+uint64(len(f.Bracket)+len(f.Instances)+len(f.Trials))+1)
	plan.Thresholds = judge.CourseThresholds(plan)
	m, _, err := o.send(ctx, f, plan)
	if err != nil || ctx.Err() != nil {
		return err
	}
	b.Course, err = judge.Course(m, o.Objectives)
	if err != nil {
		return err
	}
	sum, err := m.Summarize(map[string]string{scenarios.StageTag: stageBeyond})
	if err != nil {
		return err
	}
	b.P95, b.Failed = sum.Response.Percentile(95), sum.FailedShare()
	var refused, all int64
	for _, s := range m.Series {
		if s.Stage == stageBeyond {
			refused, all = refused+judge.Refused(s), all+s.Requests
		}
	}
	b.Refused = share(refused, all)
	b.Goodput = judge.Goodput(m, stageBeyond, o.Objectives)
	b.Share = b.Goodput / (middle * f.RequestsPerIteration()) // both in requests
	b.Recovered, err = judge.Recovery(m, length.Discard.Seconds(), o.Objectives)
	if err != nil {
		return err
	}
	b.Behaviour, b.NotJudged = judge.Behaviour(m, b, o.Objectives)
	f.Beyond = b
	return nil
}
