package search

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// TestRecovery: after a trial that left requests unanswered the light load is sent until the objectives hold again, and
// the search learns nothing of it.
func TestRecovery(t *testing.T) {
	t.Parallel()
	var slowUntil atomic.Int64 // in ns since the epoch
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if time.Now().UnixNano() < slowUntil.Load() {
			time.Sleep(300 * time.Millisecond)
		}
	}))
	defer s.Close()
	o := optionsFor(t, s.URL)
	found := func() *Found {
		f := &Found{
			Started: time.Now(),
			Trials:  []results.CapacityTrial{{Kind: results.TrialLight, Rate: 20, Requests: 30}},
		}
		var err error
		f.Search, err = capacity.NewSearch(200, o.rule(false))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	collapsed := results.CapacityTrial{Kind: results.TrialSearch, Requests: 100, Failed: 7, Unanswered: 7, Bad: true}
	slowUntil.Store(time.Now().Add(time.Second).UnixNano()) // in the first stretch, so that its P95 is beyond the limit
	o.Trial = Stretch{0, 2 * time.Second}
	f := found()
	if err := o.recovery(t.Context(), f, collapsed); err != nil {
		t.Fatal(err)
	}
	made := f.Trials[1:]
	if len(made) < 2 || !made[0].Bad || made[len(made)-1].Bad {
		t.Errorf("%d stretches: %+v", len(made), made)
	}
	for _, m := range made {
		if m.Kind != results.TrialRecovery || m.Rate != 20 || m.Veto == "" {
			t.Errorf("%+v", m)
		}
	}
	if n := len(f.Search.Posterior().Trials()); n != 0 {
		t.Errorf("the search learnt of %d trials", n)
	}
	for name, last := range map[string]results.CapacityTrial{
		"a bad trial that was answered": {Kind: results.TrialSearch, Requests: 100, Bad: true},
		"the light trial":               {Kind: results.TrialLight, Requests: 100, Unanswered: 7},
	} {
		f := found()
		if err := o.recovery(t.Context(), f, last); err != nil || len(f.Trials) != 1 {
			t.Errorf("%s: %v, %+v", name, err, f.Trials)
		}
	}
	never := found()
	never.Trials[0].Bad = true
	if err := o.recovery(t.Context(), never, collapsed); err != nil || len(never.Trials) != 1 {
		t.Errorf("objectives that never held: %v, %+v", err, never.Trials)
	}
}
