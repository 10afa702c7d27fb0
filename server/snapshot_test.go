package server_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
)

// TestSnapshotTellsOfTheReplica holds that the snapshot says how the replica is, also without the queries.
func TestSnapshotTellsOfTheReplica(t *testing.T) {
	e := containerstest.SharedWithReplica(t)
	o := options(t)
	o.PostgresURL, o.PostgresReplicaURL = e.PostgresURL, e.ReplicaURL
	r := start(t, o)
	defer r.stop(t)
	var s struct {
		DB      map[string]any
		Replica *struct {
			Healthy bool
			Reason  string
			LagMS   float64 `json:"lag_ms"`
			Pool    pool
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		body := send(t, newRequest(t, http.MethodGet, "http://"+r.admin+"/snapshot?db=no", "", nil), http.StatusOK)
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatal(err)
		}
		if s.Replica != nil && s.Replica.Healthy {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the replica is not read from: %s", body)
		}
	}
	if len(s.DB) != 0 {
		t.Errorf("the queries were to be left out: %v", s.DB)
	}
	if s.Replica.LagMS < 0 || s.Replica.Pool.MaxConns == 0 {
		t.Errorf("replica %+v", s.Replica)
	}
}

// BenchmarkSnapshot is what a snapshot costs, request included: the harness takes one with the queries at the edges of
// the measured windows, and one without them every second.
func BenchmarkSnapshot(b *testing.B) {
	o := options(b)
	r := start(b, o)
	defer r.stop(b)
	tenant := uuid.NewString()
	for range 100 {
		send(b, newRequest(b, http.MethodGet, "http://"+r.addr+"/api/v1/resources/"+uuid.NewString(), tenant, nil),
			http.StatusNotFound)
	}
	for name, query := range map[string]string{"whole": "", "sample": "?db=no"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(b, newRequest(b, http.MethodGet, "http://"+r.admin+"/snapshot"+query, "", nil), http.StatusOK)
			}
		})
	}
}
