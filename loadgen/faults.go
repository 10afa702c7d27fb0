package loadgen

import (
	"context"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// injector makes the faults of a plan happen at their times, one after the other.
type injector struct {
	faults []scenarios.Fault
	inject func(ctx context.Context, f scenarios.Fault) error
	marks  []results.Mark
}

// run injects the faults and keeps when each was begun and done, until ctx ends. One that is begun is brought to its
// end: a server that is half started would be neither there nor gone.
func (i *injector) run(ctx context.Context, start time.Time) {
	for _, f := range i.faults {
		if sleep(ctx, time.Until(start.Add(f.At))) != nil {
			return
		}
		mark := results.Mark{Text: f.String(), Due: f.At.Seconds(), Begun: time.Since(start).Seconds()}
		err := i.inject(context.WithoutCancel(ctx), f)
		mark.Done = time.Since(start).Seconds()
		if err != nil {
			mark.Error = err.Error()
		}
		i.marks = append(i.marks, mark)
	}
}

// missRest marks the faults that the run's end came before, because one before them took long.
func (i *injector) missRest(now time.Duration) {
	for _, f := range i.faults[len(i.marks):] {
		i.marks = append(i.marks, results.Mark{
			Text: f.String(), Due: f.At.Seconds(), Begun: now.Seconds(), Done: now.Seconds(),
			Error: "the run had ended: the faults before it took too long",
		})
	}
}
