package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The jobs are run again and again, never two at once, whatever one of them does, and end with their context.
func TestMaintenance(t *testing.T) {
	var log strings.Builder
	var running, overlaps, quick, slow, ended atomic.Int32
	alone := func(run func() error) func(context.Context) error {
		return func(context.Context) error {
			if running.Add(1) > 1 {
				overlaps.Add(1)
			}
			defer running.Add(-1)
			return run()
		}
	}
	m := &maintenance{logger: slog.New(slog.NewTextHandler(&log, nil)), jobs: []*job{
		{name: "quick", every: time.Millisecond, run: alone(func() error { quick.Add(1); return nil })},
		{
			name: "slow", every: time.Millisecond,
			run: alone(func() error { slow.Add(1); time.Sleep(5 * time.Millisecond); return nil }),
		},
		{name: "failing", every: time.Millisecond, run: alone(func() error { return errors.New("no luck") })},
		{name: "panicking", every: time.Millisecond, run: alone(func() error { panic("oh") })},
		{name: "rare", every: time.Hour, run: func(context.Context) error { t.Error("it is not due"); return nil }},
		{
			name: "waiting", every: 5 * time.Second,
			run: func(ctx context.Context) error { <-ctx.Done(); ended.Add(1); return ctx.Err() },
		},
	}}
	stop := m.start(t.Context())
	for began := time.Now(); m.snapshot()["quick"].Runs < 3 ||
		m.snapshot()["slow"].Runs < 3; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the jobs are not run")
		}
	}
	stop()
	done := m.snapshot()
	// The run that is under way when it is stopped is not counted.
	if n := int64(quick.Load()); done["quick"].Runs < n-1 || done["quick"].Runs > n || done["quick"].Errors != 0 ||
		done["slow"].TookMS < 15 || overlaps.Load() != 0 {
		t.Errorf("%d runs, %d overlaps, counted %+v", n, overlaps.Load(), done)
	}
	for name, message := range map[string]string{"failing": "no luck", "panicking": "it panicked"} {
		if s := done[name]; s.Runs == 0 || s.Errors != s.Runs || s.LastFailure != message ||
			!strings.Contains(log.String(), "job="+name) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if done["waiting"].Runs != 0 || ended.Load() > 1 || done["rare"].Runs != 0 {
		t.Errorf("counted what was stopped or not due: %+v", done)
	}
	after := quick.Load()
	time.Sleep(20 * time.Millisecond)
	if quick.Load() != after || running.Load() != 0 {
		t.Error("jobs are run after stop")
	}
}
