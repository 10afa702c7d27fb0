package server

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/policycortex/headroom/server/tuning"
)

// turnTakes bounds a change.
const turnTakes = time.Minute

// planMode is plan_cache_mode of the connections before the tuner has set it.
type planMode struct {
	set    bool
	before string
}

// turn makes a change.
func (t *tuner) turn(ctx context.Context, change tuning.Change) error {
	ctx, cancel := context.WithTimeout(ctx, turnTakes)
	defer cancel()
	switch change.Knob {
	case tuning.Statistics:
		return t.db.AnalyzeTable(ctx, change.Subject)
	case tuning.PlanMode:
		return t.turnPlanMode(ctx, change.To == 1)
	case tuning.PlanKind:
		t.db.PlanAnew(change.Subject, change.To == 1)
	case tuning.Pool:
		return t.db.ResizePool(ctx, int(change.To))
	case tuning.L1Size:
		t.turnL1(int64(change.To))
	case tuning.L1TTL:
		t.answers.SetL1TTL(seconds(change.To))
	case tuning.Replica:
		t.db.ShareReads(change.To == 1)
	case tuning.Prefetch:
		t.answers.SetPrefetching(change.To == 1)
	case tuning.GCPercent:
		debug.SetGCPercent(int(change.To))
	case tuning.MemoryLimit:
		t.memory.move(int64(change.To)-int64(change.From), t.limits.memory)
	default:
		return fmt.Errorf("there is no knob %s", change.Knob)
	}
	return nil
}

func (t *tuner) turnPlanMode(ctx context.Context, auto bool) error {
	t.mu.Lock()
	mode := t.plans.before
	t.mu.Unlock()
	if auto {
		mode = "auto"
	}
	before, err := t.db.SetPlanMode(ctx, mode)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plans.set = auto
	if auto {
		t.plans.before = before
	}
	return nil
}

// turnL1 gives L1 another limit, and the process the memory that goes with it: see collectRarely.
func (t *tuner) turnL1(largest int64) {
	if !t.limits.fixed {
		before := int64(t.answers.Activity().L1.LargestBytes)
		t.memory.move(limitForL1(largest)-limitForL1(before), t.limits.memory)
	}
	t.answers.LimitL1(largest)
}

// processLimit is the limit of memory that two knobs move, the size of L1 and the limit itself. Each moves it by a
// difference, so that either can be undone first, and what a bound has cut off is not missing afterwards.
type processLimit struct {
	first, wanted int64 // bytes
}

func newProcessLimit() processLimit {
	_, _, limit := collectorSettings()
	return processLimit{limit, limit}
}

// move sets another limit, of at most bound bytes, or what the limit was at first if that is more.
func (l *processLimit) move(by, bound int64) {
	l.wanted += by
	debug.SetMemoryLimit(min(l.wanted, max(bound, l.first)))
}
