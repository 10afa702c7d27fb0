package loadgen

import (
	"cmp"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

func TestThinkTime(t *testing.T) {
	t.Parallel()
	onBackends(t, func(t *testing.T, by wire.Backend) { testThinkTime(t, scenarios.EngineWire, by) })
	t.Run("vegeta", func(t *testing.T) { testThinkTime(t, scenarios.EngineVegeta, wire.Best) })
}

// testThinkTime: with one user the server sees each iteration the think time of the one before after its answer, never
// less, and the time that is measured has none of it.
func testThinkTime(t *testing.T, engine scenarios.Engine, by wire.Backend) {
	type visit struct{ begin, end time.Time }
	var mu sync.Mutex
	var visits []visit
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		begin := time.Now()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		visits = append(visits, visit{begin, time.Now()})
	})
	think := scenarios.ThinkTime{Min: 50 * time.Millisecond, Max: 150 * time.Millisecond}
	plan := planOf(scenarios.Scenario{Load: scenarios.Users{
		VUs: 1, ThinkTime: think,
		Duration: 1500 * time.Millisecond,
	}})
	plan.Engine = engine
	m := run1(t, plan, url, Options{backend: by})
	times := arrival.NewThinkTimes(think, random.ScenarioSeed(plan.Seed, "test"))
	mu.Lock()
	defer mu.Unlock()
	slices.SortFunc(visits, func(a, b visit) int { return cmp.Compare(a.begin.UnixNano(), b.begin.UnixNano()) })
	for i := 1; i < len(visits); i++ {
		// The server's clock of an answer is before the generator's, by no more than the handler's last steps.
		if got, want := visits[i].begin.Sub(visits[i-1].end), times.After(int64(i-1)); got < want {
			t.Errorf("the pause after iteration %d was %v, not %v", i-1, got, want)
		}
	}
	s := m.Series[0]
	if n := len(visits); n < 3 || n > 28 || s.Requests != int64(n) || s.Failed > 0 {
		t.Errorf("the server saw %d requests, the generator %d, of which %d failed", n, s.Requests, s.Failed)
	}
	if least := s.Response.Min(); least < 4.9 || least >= 50 {
		t.Errorf("the shortest response time is %v ms", least)
	}
}

// TestThinkingUsersAreAsMany: users who think are not sent again for, and each sends as often as its pauses let it.
func TestThinkingUsersAreAsMany(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, engine scenarios.Engine, by wire.Backend) {
		url := serve(t, func(http.ResponseWriter, *http.Request) {})
		think := scenarios.ThinkTime{Min: 400 * time.Millisecond, Max: 400 * time.Millisecond}
		plan := planOf(scenarios.Scenario{Load: scenarios.Users{VUs: 20, ThinkTime: think, Duration: time.Second}})
		plan.Engine = engine
		m := run1(t, plan, url, Options{backend: by})
		// Each sends at 0, 0.4 and 0.8 s, or later on a busy machine; never more. No run waits for users who think.
		if n := m.Series[0].Requests; n < 20 || n > 60 || m.Loads[0].Dropped > 0 || m.Elapsed > 8 {
			t.Errorf("%d requests in %.1f s, load %+v", n, m.Elapsed, m.Loads[0])
		}
	}
	onBackends(t, func(t *testing.T, by wire.Backend) { check(t, scenarios.EngineWire, by) })
	t.Run("vegeta", func(t *testing.T) { check(t, scenarios.EngineVegeta, wire.Best) })
}

// TestBytesOfUsersWhoThinkLong: what was received counts, though nothing has come in the run's last second.
func TestBytesOfUsersWhoThinkLong(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
		think := scenarios.ThinkTime{Min: time.Minute, Max: time.Minute}
		plan := planOf(scenarios.Scenario{Load: scenarios.Users{
			VUs: 3, ThinkTime: think,
			Duration: 1300 * time.Millisecond,
		}})
		if s := runBy(t, t.Context(), by, plan, url).Series[0]; s.Requests != 3 || s.BytesReceived != 15 {
			t.Errorf("%d bytes of %d answers", s.BytesReceived, s.Requests)
		}
	})
}
