package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
)

// A replica that dies in the middle: the requests go on, and the snapshot shows it.
func TestSnapshotShowsTheReplica(t *testing.T) {
	env := containerstest.SharedWithReplica(t)
	o := options(t)
	o.PostgresURL, o.PostgresReplicaURL, o.CacheURL = env.PostgresURL, env.ReplicaURL, env.CacheURL
	r := start(t, o)
	defer r.stop(t)
	base := "http://" + r.addr + "/api/v1/resources/"
	notFound := func() {
		t.Helper()
		send(t, newRequest(t, http.MethodGet, base+uuid.NewString(), uuid.NewString(), nil), http.StatusNotFound)
	}
	until := func(what string, is func(snapshot) bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !is(takeSnapshot(t, r)); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for: %s; the snapshot says %+v", what, takeSnapshot(t, r).Replica)
			}
			notFound()
		}
	}
	until("a read by the replica", func(s snapshot) bool {
		return s.Replica != nil && s.Replica.Healthy && s.DB["get_resource"].Replica > 0
	})
	s := takeSnapshot(t, r)
	if s.Replica.LagBytes == nil || s.Replica.LagMS == nil || s.Replica.Pool.Acquires < 1 ||
		s.Replica.Pool.Breaker != "closed" || s.Replica.Pool.AcquireHDR == "" {
		t.Errorf("the replica is %+v", s.Replica)
	}
	if err := env.Fault(t.Context(), containers.TargetReplica, containers.ActionKill); err != nil {
		t.Fatal(err)
	}
	until("the loss of the replica", func(s snapshot) bool { return !s.Replica.Healthy && s.Replica.Reason != "" })
	notFound()
	if err := env.Fault(t.Context(), containers.TargetReplica, containers.ActionRestart); err != nil {
		t.Fatal(err)
	}
	before := takeSnapshot(t, r).DB["get_resource"].Replica
	until("the return of the replica",
		func(s snapshot) bool { return s.Replica.Healthy && s.DB["get_resource"].Replica > before })
}

func TestSlowQueriesAndStatementsOnTheAdminListener(t *testing.T) {
	o := options(t)
	o.SlowQuery = time.Nanosecond
	r := start(t, o)
	defer r.stop(t)
	id := uuid.NewString()
	send(t, newRequest(t, http.MethodGet, "http://"+r.addr+"/api/v1/resources/"+id, uuid.NewString(), nil),
		http.StatusNotFound)

	var slow struct {
		Slow []struct {
			Query, SQL, Plan string
			Parameters       []string
			Generic          string `json:"generic_plan"`
			Count            int
			MaxMS            float64 `json:"max_ms"`
		}
	}
	get := func(path string, status int, into any) string {
		t.Helper()
		body := send(t, newRequest(t, http.MethodGet, "http://"+r.admin+path, "", nil), status)
		if into != nil {
			if err := json.Unmarshal(body, into); err != nil {
				t.Fatal(err)
			}
		}
		return string(body)
	}
	for path, planned := range map[string]bool{"/slow": false, "/slow?explain=0": false, "/slow?explain=1": true} {
		get(path, http.StatusOK, &slow)
		if len(slow.Slow) != 1 {
			t.Fatalf("%s lists %+v, want the one get", path, slow)
		}
		q := slow.Slow[0]
		if q.Query != "get_resource" || q.Count != 1 || q.MaxMS <= 0 || !strings.Contains(q.SQL, "$1") ||
			strings.Contains(q.Plan, "Index Scan") != planned || strings.Contains(q.Plan, id) != planned ||
			slices.Contains(q.Parameters, id) != planned || strings.Contains(q.Generic, "$1") != planned {
			t.Errorf("%s lists %+v", path, q)
		}
		slow.Slow = nil
	}
	var statements struct {
		Statements []struct {
			SQL   string
			Calls int
		}
	}
	get("/statements?limit=5", http.StatusOK, &statements)
	if len(statements.Statements) != 5 || statements.Statements[0].Calls < 1 {
		t.Errorf("the statements are %+v, want five", statements)
	}
	for path, mention := range map[string]string{
		"/slow?explain=yes": "give 1 or 0", "/statements?limit=0": "1 to 1000", "/statements?limit=x": "1 to 1000",
		"/statements?limit=1001": "1 to 1000",
	} {
		var problem struct {
			Status int
			Detail string
		}
		get(path, http.StatusBadRequest, &problem)
		if problem.Status != http.StatusBadRequest || !strings.Contains(problem.Detail, mention) {
			t.Errorf("%s: %+v, want to hear %q", path, problem, mention)
		}
	}
	for _, path := range []string{"/slow", "/statements"} {
		send(t, newRequest(t, http.MethodGet, fmt.Sprintf("http://%s%s", r.addr, path), "", nil), http.StatusNotFound)
	}
}
