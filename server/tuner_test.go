package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server"
	"github.com/policycortex/headroom/server/tuning"
)

type tuningAnswer struct {
	Mode    tuning.Mode
	Values  map[tuning.Knob]float64
	Held    []tuning.Knob
	Actions []tuning.Action
}

func askTuning(t testing.TB, r *running) (answer tuningAnswer) {
	t.Helper()
	body := send(t, newRequest(t, http.MethodGet, "http://"+r.admin+"/tuning", "", nil), http.StatusOK)
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// load has clients at once send requests, each with a pause after its answer, until stop is called.
func load(t testing.TB, clients int, pause time.Duration, next func() *http.Request) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
				response, err := client.Do(next())
				if err != nil {
					return // the test has ended
				}
				_, _ = io.Copy(io.Discard, response.Body) // or the next request opens another connection
				response.Body.Close()
			}
		})
	}
	return func() {
		close(done)
		all.Wait()
		client.CloseIdleConnections()
	}
}

// loadDatabase is load by requests for what no level of the cache has.
func loadDatabase(t testing.TB, r *running, clients int, pause time.Duration) (stop func()) {
	t.Helper()
	return load(t, clients, pause, func() *http.Request {
		return newRequest(t, http.MethodGet, "http://"+r.addr+"/api/v1/policies/"+uuid.NewString(), uuid.NewString(),
			nil)
	})
}

// actionOf waits for an action on a knob with one of these outcomes.
func actionOf(t testing.TB, r *running, knob tuning.Knob, outcomes ...string) tuning.Action {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, a := range askTuning(t, r).Actions {
			for _, outcome := range outcomes {
				if a.Knob == knob && a.Outcome == outcome {
					return a
				}
			}
		}
	}
	t.Fatalf("waited in vain for %s being %v: %s", knob, outcomes, mustJSON(t, askTuning(t, r).Actions))
	return tuning.Action{}
}

// A pool of one connection under two clients grows, and no request fails. The administrator takes the growth back, and
// it stays so. The database is some way off: else, on a machine that others keep busy, requests would take as long with
// two connections, and rightly be served by one.
func TestTuningOfThePool(t *testing.T) {
	o := options(t)
	o.PostgresURL, _ = distant(t, o.PostgresURL, 5*time.Millisecond)
	o.PostgresMaxConns, o.Tuning, o.TuningWindow = 1, "act", 500*time.Millisecond
	r := start(t, o)
	defer r.stop(t)
	stop := loadDatabase(t, r, 2, 0)
	defer stop()
	a := actionOf(t, r, tuning.Pool, tuning.Kept)
	if a.From != 1 || a.To != 2 || a.Before == nil || a.After == nil || *a.After >= *a.Before || a.Reason == "" {
		t.Errorf("the action is %+v", a)
	}
	if size := takeSnapshot(t, r).DBPool.MaxConns; size < 2 {
		t.Errorf("the pool has %d connections", size)
	}
	// The last one that is in force.
	undo := func(id string, status int) {
		t.Helper()
		send(t, newRequest(t, http.MethodPost, "http://"+r.admin+"/tuning/undo", "",
			strings.NewReader(`{"id":`+id+`}`)),
			status)
	}
	undo("0", http.StatusBadRequest)
	undo("1000", http.StatusConflict)
	answer := tuningAnswer{}
	for len(answer.Held) == 0 {
		answer = askTuning(t, r)
		for i := len(answer.Actions) - 1; i >= 0; i-- {
			last := answer.Actions[i]
			if last.Knob == tuning.Pool && (last.Outcome == tuning.Kept || last.Outcome == tuning.Trying) {
				body := `{"id":` + string(mustJSON(t, last.ID)) + `}`
				request := newRequest(t, http.MethodPost, "http://"+r.admin+"/tuning/undo", "", strings.NewReader(body))
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					answer = askTuning(t, r)
					if size := takeSnapshot(t, r).DBPool.MaxConns; float64(size) != last.From {
						t.Errorf("the pool has %d connections after %q was undone", size, last.Text)
					}
				}
				break
			}
		}
	}
	if len(answer.Held) != 1 || answer.Held[0] != tuning.Pool {
		t.Errorf("%v are held", answer.Held)
	}
	metrics := string(send(t, newRequest(t, http.MethodGet, "http://"+r.addr+"/metrics", "", nil), http.StatusOK))
	for _, want := range []string{
		`headroom_tuning_actions_total{knob="pool",outcome="undone"} 1`, `headroom_tuning_mode{mode="act"} 1`,
		`headroom_tuning_value{knob="pool"} `, `headroom_tuning_actions_total{knob="replica",outcome="kept"} 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Without being told otherwise, the server says what it would do, and does nothing.
func TestTuningAdvises(t *testing.T) {
	o := options(t)
	o.PostgresMaxConns, o.TuningWindow = 1, 500*time.Millisecond
	r := start(t, o)
	defer r.stop(t)
	stop := loadDatabase(t, r, 8, 0)
	defer stop()
	a := actionOf(t, r, tuning.Pool, tuning.Advised)
	if answer := askTuning(t, r); a.After != nil || answer.Mode != tuning.Advise || answer.Values[tuning.Pool] != 1 {
		t.Errorf("the action is %+v, the pool has %g connections", a, answer.Values[tuning.Pool])
	}
}

func TestTuningOptions(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*server.Options)
		want   string
	}{
		"another mode":   {func(o *server.Options) { o.Tuning = "on" }, "set it to off, advise or act"},
		"a short window": {func(o *server.Options) { o.TuningWindow = 1 }, "HEADROOM_TUNING_WINDOW is 1ns"},
		"a long window":  {func(o *server.Options) { o.TuningWindow = time.Hour }, "HEADROOM_TUNING_WINDOW is 1h0m0s"},
		"a long life":    {func(o *server.Options) { o.L1TTL = time.Hour }, "HEADROOM_L1_TTL is 1h0m0s"},
	} {
		o := server.Options{Addr: "127.0.0.1:0"}
		test.change(&o)
		err := o.Check()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
