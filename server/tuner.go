package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tuning"
)

const (
	defaultTuningWindow = 30 * time.Second
	minTuningWindow     = 500 * time.Millisecond
	maxTuningWindow     = 10 * time.Minute
)

func (o Options) checkTuning() (faults []error) {
	modes := []tuning.Mode{"", tuning.Off, tuning.Advise, tuning.Act}
	if !slices.Contains(modes, tuning.Mode(o.Tuning)) {
		faults = append(faults, fmt.Errorf("HEADROOM_TUNING is %q; set it to off, advise or act", o.Tuning))
	}
	if w := o.TuningWindow; w != 0 && (w < minTuningWindow || w > maxTuningWindow) {
		faults = append(faults, fmt.Errorf("HEADROOM_TUNING_WINDOW is %s; set it from %s to %s", w, minTuningWindow,
			maxTuningWindow))
	}
	if o.L1TTL < 0 || o.L1TTL > cache.LongestL1TTL {
		faults = append(faults, fmt.Errorf("HEADROOM_L1_TTL is %s; set it to at most %s", o.L1TTL, cache.LongestL1TTL))
	}
	return faults
}

// tuner lets a controller of package tuning work on this process: it reads the figures, and turns the knobs.
type tuner struct {
	mode    tuning.Mode
	window  time.Duration
	db      *store.Store
	answers *cache.Cache
	handler *api.API
	logger  *slog.Logger
	limits  tuningLimits

	turning    sync.Mutex // held while something is changed, which may take seconds
	slowBefore map[string]store.SlowQuery
	memory     processLimit

	mu         sync.Mutex // guards what follows, for moments
	controller *tuning.Controller
	told       map[int64]string // outcomes in the log, by action
	plans      planMode
}

// newTuner makes a tuner; it begins with start.
func newTuner(o Options, db *store.Store, answers *cache.Cache, handler *api.API) *tuner {
	t := &tuner{
		mode: tuning.Mode(o.Tuning), window: o.TuningWindow, db: db, answers: answers, handler: handler,
		logger: o.Logger, limits: newTuningLimits(o), memory: newProcessLimit(),
		controller: tuning.New(tuning.Mode(o.Tuning)), told: map[int64]string{},
	}
	handler.Tuning(&tuningMetrics{t}, t.ofCache)
	return t
}

// start tunes until ctx is done or stop is called, which gives the process back the settings of its garbage collector.
func (t *tuner) start(ctx context.Context) (stop func()) {
	if t.mode == tuning.Off {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	percent, _, limit := collectorSettings()
	var running sync.WaitGroup
	running.Go(func() { t.run(ctx) })
	return func() {
		cancel()
		running.Wait()
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// run reads the figures several times in each window, and has the controller decide at its end.
func (t *tuner) run(ctx context.Context) {
	ticker := time.NewTicker(t.window / tuning.Slices)
	defer ticker.Stop()
	t.slowSince()
	readings := []tuning.Counts{t.read()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		readings = append(readings, t.read())
		if len(readings) <= tuning.Slices {
			continue
		}
		t.step(ctx, readings)
		readings = []tuning.Counts{t.read()} // what the change itself has cost belongs to no window
		ticker.Reset(t.window / tuning.Slices)
	}
}

// step decides about a window and does what was decided.
func (t *tuner) step(ctx context.Context, readings []tuning.Counts) {
	t.turning.Lock()
	defer t.turning.Unlock()
	w := tuning.NewWindow(time.Now(), t.window, readings, t.state(ctx))
	var change tuning.Change
	wanted := false
	t.control(func(c *tuning.Controller) { change, wanted = c.Step(w) })
	if !wanted {
		return
	}
	err := t.turn(ctx, change)
	t.control(func(c *tuning.Controller) { c.Made(time.Now(), err) })
}

// control uses the controller, and logs what has come of it.
func (t *tuner) control(use func(*tuning.Controller)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	use(t.controller)
	t.tell()
}

// adapted notes what the cache has changed by itself.
func (t *tuner) adapted(a cache.Adaptation) {
	const reason = "the cache adapts to its hit rate and to the times between accesses"
	size := tuning.Change{Knob: tuning.L1Size, From: float64(a.SizeBefore), To: float64(a.Size)}
	ttl := tuning.Change{Knob: tuning.L1TTL, From: a.TTLBefore.Seconds(), To: a.TTL.Seconds()}
	t.control(func(c *tuning.Controller) {
		for _, change := range []tuning.Change{size, ttl} {
			if change.From != change.To {
				c.Note(change, a.At, reason)
			}
		}
	})
}

var errNotInForce = errors.New("that action cannot be undone")

// undo undoes an action for the administrator.
func (t *tuner) undo(ctx context.Context, id int64) error {
	t.turning.Lock()
	defer t.turning.Unlock()
	var change tuning.Change
	var err error
	t.control(func(c *tuning.Controller) { change, err = c.Undo(id) })
	if err != nil {
		return fmt.Errorf("%w: %w", errNotInForce, err)
	}
	err = t.turn(ctx, change)
	if err != nil {
		return fmt.Errorf("undo action %d: %w", id, err)
	}
	t.control(func(c *tuning.Controller) { c.Undid(id, time.Now()) })
	return nil
}

// tell logs actions whose outcome is new. t.mu is held.
func (t *tuner) tell() {
	before := t.told
	t.told = map[int64]string{} // those that are remembered
	for _, a := range t.controller.Actions() {
		t.told[a.ID] = a.Outcome
		if before[a.ID] == a.Outcome {
			continue
		}
		level := slog.LevelInfo
		if a.Outcome == tuning.Failed {
			level = slog.LevelWarn
		}
		t.logger.Log(context.Background(), level, "tuning: "+a.Outcome, "action", a.ID, "knob", a.Knob, "change",
			a.Text,
			"of", a.Subject, "reason", a.Reason, "figure", a.Figure, "before", number(a.Before), "after",
			number(a.After),
			"request_ms_before", number(a.RequestBefore), "request_ms_after", number(a.RequestAfter), "note", a.Note)
	}
}

// number is a figure for the log.
func number(v *float64) any {
	if v == nil {
		return "unknown"
	}
	return *v
}
