package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/results"
)

const (
	// watchEvery is the interval between looks at the processes of the run.
	watchEvery = time.Second
	// lastLook bounds the last look, in which each server also has to answer a query.
	lastLook = 15 * time.Second
)

// watch observes the processes of a run during the load.
type watch struct {
	system *system
	say    func(text string)
	done   chan struct{}
	all    sync.WaitGroup
	seen   []seen
}

// seen is an incident: something that happened to a process and that the run did not cause.
type seen struct {
	at   time.Time
	text string
}

func (s *system) watch(ctx context.Context, say func(text string)) *watch {
	w := &watch{system: s, say: say, done: make(chan struct{})}
	w.all.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.look(ctx, false)
			case <-w.done:
				return
			}
		}
	})
	return w
}

func (w *watch) look(ctx context.Context, ask bool) {
	for _, text := range w.system.incidents(ctx, ask) {
		if !slices.ContainsFunc(w.seen, func(s seen) bool { return s.text == text }) {
			w.seen = append(w.seen, seen{time.Now(), text})
			w.say(text)
		}
	}
}

// end looks for a last time and returns the incidents. Their times are seconds since the start of the load.
func (w *watch) end(ctx context.Context, started time.Time) []results.Incident {
	close(w.done)
	w.all.Wait()
	ask := ctx.Err() == nil // after an interrupt, do not wait for answers
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	w.look(ctx, ask)
	var all []results.Incident
	for _, s := range w.seen {
		all = append(all, results.Incident{At: max(0, s.at.Sub(started).Seconds()), Text: s.text})
	}
	return all
}

// incidents are the unexpected events of the servers since the last call, and all of the reference server.
func (s *system) incidents(ctx context.Context, ask bool) []string {
	if s.environment == nil {
		return nil
	}
	return append(s.environment.Incidents(ctx, ask), s.servers.incidents()...)
}

// withIncidents adds the incidents of the servers to an error.
func (s *system) withIncidents(ctx context.Context, err error) error {
	for _, text := range s.incidents(context.WithoutCancel(ctx), false) {
		err = fmt.Errorf("%w\n%s", err, text)
	}
	return err
}
