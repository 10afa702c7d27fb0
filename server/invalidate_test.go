package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
)

// invalidate posts a body to the admin listener and returns the answer.
func invalidate(t *testing.T, r *running, body string, status int) (removed int, detail string) {
	t.Helper()
	var answer struct {
		Removed int
		Detail  string
	}
	text := send(t, newRequest(t, http.MethodPost, "http://"+r.admin+"/cache/invalidate", "",
		strings.NewReader(body)), status)
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Removed, answer.Detail
}

func cacheLevel(t *testing.T, r *running, tenant, id string) string {
	t.Helper()
	response, err := http.DefaultClient.Do(newRequest(t, http.MethodGet, "http://"+r.addr+"/api/v1/resources/"+id,
		tenant, nil))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.Header.Get("X-Cache")
}

// refusesWebPages: a web page must not reach the admin listener through a browser on this machine, neither by a name of
// its own that leads to loopback nor from its own origin.
func refusesWebPages(t *testing.T, r *running) {
	t.Helper()
	rebound := newRequest(t, http.MethodGet, "http://"+r.admin+"/settings", "", nil)
	rebound.Host = "evil.example"
	foreign := newRequest(t, http.MethodPost, "http://"+r.admin+"/cache/invalidate", "",
		strings.NewReader(`{"pattern": "*"}`))
	foreign.Header.Set("Origin", "http://evil.example")
	for _, request := range []*http.Request{rebound, foreign} {
		send(t, request, http.StatusForbidden)
	}
	byName := newRequest(t, http.MethodGet, "http://"+r.admin+"/settings", "", nil)
	byName.Host = "localhost"
	send(t, byName, http.StatusOK)
}

func TestInvalidateOnTheAdminListener(t *testing.T) {
	r := start(t, options(t))
	defer r.stop(t)
	refusesWebPages(t, r)
	tenant, other := uuid.NewString(), uuid.NewString()
	ids := map[string]string{}
	for _, each := range []string{tenant, other} {
		var answer struct{ Created []string }
		body := send(t, newRequest(t, http.MethodPost, "http://"+r.addr+"/api/v1/resources/batch", each,
			strings.NewReader(oneResource)), http.StatusCreated)
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
		ids[each] = answer.Created[0]
	}
	for _, body := range []string{
		`{"pattern":"` + tenant + `:*"}`,
		`{"keys":["` + tenant + `:resource:` + ids[tenant] + `"]}`,
	} {
		for _, each := range []string{tenant, other} {
			for range 2 {
				cacheLevel(t, r, each, ids[each])
			}
			if level := cacheLevel(t, r, each, ids[each]); level != "l1" {
				t.Fatalf("it is cached at %s", level)
			}
		}
		if removed, _ := invalidate(t, r, body, http.StatusOK); removed < 1 {
			t.Errorf("%s has removed %d", body, removed)
		}
		if level := cacheLevel(t, r, tenant, ids[tenant]); level != "miss" {
			t.Errorf("after %s it came from %s", body, level)
		}
		if level := cacheLevel(t, r, other, ids[other]); level != "l1" {
			t.Errorf("after %s another tenant's came from %s", body, level)
		}
	}
	if removed, _ := invalidate(t, r, `{"keys":["`+tenant+`:*"]}`, http.StatusOK); removed != 0 {
		t.Errorf("a key with a star has removed %d", removed)
	}
	for body, status := range map[string]int{
		`{}`: 422, `{"pattern":"*","keys":["a"]}`: 422, `{"keys":[""]}`: 422, `{"pattern":"[a"}`: 422,
		`{"keys":["` + strings.Repeat(`a","`, 100) + `"]}`: 422, `[]`: 400, `{"patern":"*"}`: 400,
		`{"pattern":"a"} {}`: 400, ``: 400,
	} {
		if _, detail := invalidate(t, r, body, status); detail == "" {
			t.Errorf("%s is refused without a reason", body)
		}
	}
}

func TestInvalidateWithoutL2IsNotCertain(t *testing.T) {
	o := options(t)
	env := containerstest.Own(t)
	o.CacheURL = env.CacheURL
	r := start(t, o)
	defer r.stop(t)
	if err := env.Fault(t.Context(), containers.TargetCache, containers.ActionKill); err != nil {
		t.Fatal(err)
	}
	if _, detail := invalidate(t, r, `{"pattern":"*"}`, http.StatusGatewayTimeout); !strings.Contains(detail, "again") {
		t.Errorf("it says %q", detail)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var s struct{ Breakers map[string]string }
		if err := json.Unmarshal(send(t, newRequest(t, http.MethodGet, "http://"+r.admin+"/snapshot?db=no", "", nil),
			http.StatusOK), &s); err != nil {
			t.Fatal(err)
		}
		if s.Breakers["l2"] == "open" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the snapshot does not show the outage: %v", s.Breakers)
		}
	}
}

// TestServerTellsItsEdges: a change and an invalidation by hand reach the edges of the options, with their token. By
// hand they are not certain while an edge refuses.
func TestServerTellsItsEdges(t *testing.T) {
	const token = "a-secret-of-tests"
	told := make(chan string, 100)
	var refusing atomic.Bool
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusing.Load() || r.Method != "BAN" || r.Header.Get("X-Edge-Token") != token {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		told <- r.Header.Get("Surrogate-Key")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer edge.Close()
	o := options(t)
	o.EdgeTTL, o.EdgeURLs, o.EdgeToken = time.Minute, " "+edge.URL+" ,", token
	r := start(t, o)
	defer r.stop(t)
	tenant := uuid.NewString()
	send(t, newRequest(t, http.MethodPost, "http://"+r.addr+"/api/v1/resources/batch", tenant,
		strings.NewReader(oneResource)), http.StatusCreated)
	invalidate(t, r, `{"pattern":"`+tenant+`:*"}`, http.StatusOK)
	for _, want := range []string{"^(?:" + tenant + ":resources:)$", "^(?:.*)$"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("the edge was told %s, want %s", got, want)
			}
		default:
			t.Fatalf("the edge was not told %s in time", want)
		}
	}
	refusing.Store(true)
	_, detail := invalidate(t, r, `{"pattern":"x"}`, http.StatusGatewayTimeout)
	if !strings.Contains(detail, edge.URL) {
		t.Errorf("it says %q", detail)
	}
	// A change is made all the same.
	send(t, newRequest(t, http.MethodPost, "http://"+r.addr+"/api/v1/resources/batch", uuid.NewString(),
		strings.NewReader(oneResource)), http.StatusCreated)
}
