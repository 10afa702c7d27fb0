package loadgen

import (
	"context"
	"time"

	"github.com/policycortex/headroom/results"
)

// sampler asks the reference server once a second how it is.
type sampler struct {
	ask     func(ctx context.Context) (results.Snapshot, error)
	samples []results.Sample
	before  *results.Snapshot // the one that the next sample begins with; nil without one
}

const sampleInterval = time.Second

// run takes samples until ctx ends. A server that does not answer within the second leaves a gap: how it served is
// what the load measures.
func (s *sampler) run(ctx context.Context, start time.Time) {
	if s.ask == nil {
		return
	}
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		now, err := s.take(ctx)
		if ctx.Err() != nil {
			return
		}
		s.add(time.Since(start), now, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// add takes in what the server said at an offset from the start of the run.
func (s *sampler) add(at time.Duration, now results.Snapshot, err error) {
	if err != nil {
		s.before = nil // the difference would not be one of a second
		return
	}
	if s.before != nil {
		sample := results.NewSample(at.Seconds(), *s.before, now)
		s.samples, now.Breakers = append(s.samples, sample), sample.Breakers
	}
	s.before = &now
}

// end takes the sample of the last second where the load ended with it, and run before it could.
func (s *sampler) end(ctx context.Context, start time.Time) {
	last := len(s.samples) - 1
	if s.before == nil || last >= 0 && int(time.Since(start).Seconds()) == int(s.samples[last].At) {
		return
	}
	now, err := s.take(ctx)
	s.add(time.Since(start), now, err)
}

func (s *sampler) take(ctx context.Context) (results.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleInterval)
	defer cancel()
	return s.ask(ctx)
}
