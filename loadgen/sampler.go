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
}

const sampleInterval = time.Second

// run takes samples until ctx ends. A server that does not answer within the second leaves a gap: how it served is
// what the load measures.
func (s *sampler) run(ctx context.Context, start time.Time) {
	if s.ask == nil {
		return
	}
	var before *results.Snapshot
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		now, err := s.take(ctx)
		switch {
		case err != nil:
			before = nil // the difference would not be one of a second
		default:
			if before != nil {
				sample := results.NewSample(time.Since(start).Seconds(), *before, now)
				s.samples, now.Breakers = append(s.samples, sample), sample.Breakers
			}
			before = &now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *sampler) take(ctx context.Context) (results.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleInterval)
	defer cancel()
	return s.ask(ctx)
}
