package search

import (
	"context"

	"github.com/policycortex/headroom/results"
)

// mostRecoveries are how many stretches of light load the service has to recover.
const mostRecoveries = 4

// recovery sends the light load again after a trial that left the service with requests, or with connections that it
// did not accept, until the objectives hold again: what a collapse leaves behind would spoil the next trial.
// What it sees does not count for the capacity.
func (o *Options) recovery(ctx context.Context, f *Found, last results.CapacityTrial) error {
	light := f.light()
	if light == 0 || last.Kind == results.TrialLight || last.Unanswered == 0 && last.Requests > 0 {
		return nil
	}
	for range mostRecoveries {
		if o.left(f) < around+o.Trial.length() {
			return nil
		}
		s := o.stretch(o.Trial, len(f.Bracket)+len(f.Instances)+len(f.Trials))
		m, began, err := o.send(ctx, f, o.Mix.AtRate(light, s))
		if err != nil || ctx.Err() != nil {
			return err
		}
		t, err := o.judged(m, results.TrialRecovery, light, began)
		if err != nil {
			return err
		}
		over := !t.Bad && t.Veto == ""
		if t.Veto == "" {
			t.Veto = "it shows whether the service has recovered from the trial before"
		}
		f.Trials = append(f.Trials, t)
		o.Measured(t, f.Search.Posterior())
		if over {
			break
		}
	}
	return nil
}

// light is the rate at light load where the objectives held; 0: they did not.
func (f *Found) light() float64 {
	for _, t := range f.Trials {
		if t.Kind == results.TrialLight && t.Veto == "" && !t.Bad {
			return t.Rate
		}
	}
	return 0
}
