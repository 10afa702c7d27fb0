package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A server that is to be warm has its newest resources in the cache before anybody asked it for them.
func TestServerIsWarmBeforeItIsReady(t *testing.T) {
	tenant := uuid.NewString()
	first := start(t, options(t))
	var created struct{ Created []string }
	body := send(t, newRequest(t, http.MethodPost, "http://"+first.addr+"/api/v1/resources/batch", tenant,
		strings.NewReader(oneResource)), http.StatusCreated)
	if err := json.Unmarshal(body, &created); err != nil {
		t.Fatal(err)
	}
	first.stop(t)

	o := options(t)
	o.WarmResources, o.ReadyWhenWarm = 50, true
	r := start(t, o)
	defer r.stop(t)
	deadline := time.Now().Add(30 * time.Second)
	for {
		response, err := http.Get("http://" + r.addr + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: status %d", response.StatusCode)
		}
		time.Sleep(20 * time.Millisecond)
	}
	var s struct {
		Cache map[string]level
		Work  struct {
			Warming struct{ Total, Loaded, Kept, Failed int }
		} `json:"cache_work"`
	}
	if err := json.Unmarshal(send(t, newRequest(t, http.MethodGet, "http://"+r.admin+"/snapshot", "", nil),
		http.StatusOK), &s); err != nil {
		t.Fatal(err)
	}
	if w := s.Work.Warming; w.Total < 2 || w.Failed != 0 || w.Loaded+w.Kept != w.Total {
		t.Errorf("warming: %+v", w)
	}
	if s.Cache["l1"] != (level{}) {
		t.Errorf("warming counts as requests: %+v", s.Cache)
	}
	for _, path := range []string{"", "/" + created.Created[0]} {
		response, err := http.DefaultClient.Do(newRequest(t, http.MethodGet,
			fmt.Sprintf("http://%s/api/v1/resources%s", r.addr, path), tenant, nil))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("X-Cache"); got != "l1" {
			t.Errorf("resources%s came from %s, want l1", path, got)
		}
	}
}
