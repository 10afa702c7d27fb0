package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/policycortex/headroom/server/tuning"
)

// tuningReport is the answer of GET /tuning.
type tuningReport struct {
	Mode          tuning.Mode             `json:"mode"`
	WindowSeconds float64                 `json:"window_seconds"`
	Values        map[tuning.Knob]float64 `json:"values"` // now, in the units of the actions
	Held          []tuning.Knob           `json:"held"`   // that the administrator has undone: they are left alone
	Actions       []tuning.Action         `json:"actions"`
}

func (t *tuner) report() *tuningReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &tuningReport{
		Mode: t.mode, WindowSeconds: t.window.Seconds(), Values: t.values(), Held: t.controller.Held(),
		Actions: t.controller.Actions(),
	}
}

// values are the present settings of all knobs.
func (t *tuner) values() map[tuning.Knob]float64 {
	work := t.answers.Activity()
	percent, _, limit := collectorSettings()
	return map[tuning.Knob]float64{
		tuning.Statistics: float64(t.db.TablesAnalyzed()), tuning.PlanMode: toggle(t.plans.set),
		tuning.PlanKind: float64(t.db.PlannedAnew()), tuning.Pool: float64(t.db.PoolStats().MaxConns),
		tuning.L1Size: float64(work.L1.MaxBytes), tuning.L1TTL: work.L1.TTLSeconds,
		tuning.Replica: toggle(t.db.SharesReads()), tuning.Prefetch: toggle(t.answers.Prefetching()),
		tuning.GCPercent: float64(percent), tuning.MemoryLimit: float64(limit),
	}
}

func toggle(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// ofCache are the actions that concern the cache. They contain nothing of tenants, as the report that has them is open.
func (t *tuner) ofCache() []tuning.Action {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(t.controller.Actions(), func(a tuning.Action) bool {
		return a.Knob != tuning.L1Size && a.Knob != tuning.L1TTL && a.Knob != tuning.Prefetch
	})
}

// undoHandler undoes the action of {"id": n} and answers as GET /tuning does.
func undoHandler(t *tuner) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			ID int64 `json:"id"`
		}
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInvalidateBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&asked)
		if err != nil || asked.ID < 1 {
			adminProblem(w, http.StatusBadRequest, "The body must be {\"id\": n}, the id of an action of GET /tuning.")
			return
		}
		err = t.undo(r.Context(), asked.ID)
		switch {
		case errors.Is(err, errNotInForce):
			adminProblem(w, http.StatusConflict, err.Error())
		case err != nil:
			adminProblem(w, http.StatusBadGateway, err.Error())
		default:
			sendAdmin(w, t.report())
		}
	}
}
