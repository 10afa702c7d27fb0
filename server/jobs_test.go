package server_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
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
	err = conn.QueryRow(t.Context(),
		"SELECT count(*) FROM pg_inherits WHERE inhparent = 'cost_data'::regclass").Scan(&partitions)
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
	send(t, newRequest(t, http.MethodPost, base+"/resources/batch", tenant, strings.NewReader(oneResource)),
		http.StatusCreated)
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(summary(),
		`"total_resources":1`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no refresh after 30 s: %s", summary())
		}
	}
	if done := takeSnapshot(t, r).Maintenance["compliance_summary"]; done.Runs == 0 || done.Errors != 0 {
		t.Errorf("counted %+v", done)
	}
}

// What fails in the background is in the snapshot, and is done again.
func TestSnapshotTellsOfMaintenanceThatFailed(t *testing.T) {
	o := options(t)
	o.PostgresURL = newDatabase(t, o.PostgresURL)
	o.WarmResources = 10
	if err := store.Migrate(t.Context(), o.PostgresURL); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), o.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE FUNCTION unlucky(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
		$$ BEGIN IF current_query() LIKE 'ANALYZE%' THEN RAISE EXCEPTION 'no luck'; END IF; RETURN $1; END $$`)
	exec("CREATE INDEX unlucky ON resources (unlucky(name))")
	exec("ALTER MATERIALIZED VIEW mv_compliance_summary RENAME TO lost") // which warming reads
	r := start(t, o)
	defer r.stop(t)
	until := func(job string, is func(jobStats) bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if got := takeSnapshot(t, r).Maintenance[job]; is(got) {
				return
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", job, got)
			}
		}
	}
	until("cache_warming", func(s jobStats) bool {
		return s.Errors == 1 && strings.Contains(s.LastFailure, "mv_compliance_summary")
	})
	var resources []string
	for i := range 1000 {
		resources = append(resources, strings.Replace(strings.Trim(oneResource[len(`{"resources":`):], "[]}")+"}",
			`"a"`, fmt.Sprintf(`"%d"`, i), 1))
	}
	body := `{"resources":[` + strings.Join(resources, ",") + "]}"
	send(t, newRequest(t, http.MethodPost, "http://"+r.addr+"/api/v1/resources/batch", uuid.NewString(),
		strings.NewReader(body)), http.StatusCreated)
	until("analyze_resources", func(s jobStats) bool {
		return s.Errors > 0 &&
			strings.Contains(s.LastFailure, "no luck")
	})
	exec("DROP INDEX unlucky")
	until("analyze_resources", func(s jobStats) bool {
		return s.Runs > s.Errors &&
			strings.Contains(s.LastFailure, "no luck")
	})
}

// newDatabase makes an empty database beside the one of a URL.
func newDatabase(t *testing.T, beside string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), beside)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	address, err := url.Parse(beside)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = fmt.Sprintf("/test_%d", rand.Uint64())
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+address.Path[1:]); err != nil {
		t.Fatal(err)
	}
	return address.String()
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestForecastsAreComputedAhead: soon after costs are recorded, their forecast is cached, without a request for it. A
// tenant whose costs cannot be analysed is logged, and keeps the job from nothing.
func TestForecastsAreComputedAhead(t *testing.T) {
	o := options(t)
	o.ForecastEvery = 300 * time.Millisecond
	var log logBuffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	conn, err := pgx.Connect(t.Context(), o.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	r := start(t, o)
	defer r.stop(t)
	tenant, faulty, base := uuid.NewString(), uuid.NewString(), "http://"+r.addr+"/api/v1"
	_, err = conn.Exec(t.Context(), `INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
		SELECT $1, gen_random_uuid(), 'compute', current_date - d, 'NaN' FROM generate_series(1, 40) d`, faulty)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{faulty, tenant} {
		created := string(send(t, newRequest(t, http.MethodPost, base+"/resources/batch", tenant,
			strings.NewReader(oneResource)), http.StatusCreated))
		id := created[strings.Index(created, `["`)+2:][:36]
		costs := fmt.Sprintf(`{"costs":[{"resource_id":%q,"service_name":"compute","date":%q,"cost":1}]}`, id,
			time.Now().UTC().Format(time.DateOnly))
		send(t, newRequest(t, http.MethodPost, base+"/costs", tenant, strings.NewReader(costs)), http.StatusOK)
	}
	runs := takeSnapshot(t, r).Maintenance["cost_outlooks"].Runs
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s := takeSnapshot(t, r)
		if s.DB["cost_histories"].Count > 0 && s.Maintenance["cost_outlooks"].Runs > runs+1 { // one began after runs
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was computed: %+v", s.Maintenance["cost_outlooks"])
		}
	}
	response, err := http.DefaultClient.Do(newRequest(t, http.MethodGet, base+"/costs/forecast", tenant, nil))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if level := response.Header.Get("X-Cache"); response.StatusCode != http.StatusOK || level == "miss" {
		t.Errorf("the first request: status %d, from %s", response.StatusCode, level)
	}
	if failed := takeSnapshot(t, r).Maintenance["cost_outlooks"].Errors; failed > 0 {
		t.Errorf("the job failed %d times", failed)
	}
	if !strings.Contains(log.String(), "tenant="+faulty) || strings.Contains(log.String(), "tenant="+tenant) {
		t.Errorf("the log: %s", log.String())
	}
}
