package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A server makes the partitions before it is ready, and refreshes the summary by itself, dropping what it has cached.
func TestServerMaintainsItsDatabase(t *testing.T) {
	o := options(t)
	o.ComplianceEvery = 500 * time.Millisecond
	r := start(t, o)
	defer r.stop(t)
	conn, err := pgx.Connect(t.Context(), o.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var partitions int
	err = conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_inherits WHERE inhparent = 'cost_data'::regclass").Scan(&partitions)
	if err != nil || partitions < 24+1+2+1 {
		t.Errorf("there are %d partitions (error %v)", partitions, err)
	}
	tenant, base := uuid.NewString(), "http://"+r.addr+"/api/v1"
	summary := func() string {
		return string(send(t, newRequest(t, http.MethodGet, base+"/compliance/summary", tenant, nil), http.StatusOK))
	}
	if got := summary(); !strings.Contains(got, `"total_resources":0`) {
		t.Errorf("at the start: %s", got)
	}
	send(t, newRequest(t, http.MethodPost, base+"/resources/batch", tenant, strings.NewReader(oneResource)), http.StatusCreated)
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(summary(), `"total_resources":1`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no refresh after 30 s: %s", summary())
		}
	}
	if done := takeSnapshot(t, r).Maintenance["compliance_summary"]; done.Runs == 0 || done.Errors != 0 {
		t.Errorf("counted %+v", done)
	}
}
