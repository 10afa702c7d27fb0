package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// counts are those of a group of resources.
type counts struct {
	Total        int      `json:"total_resources"`
	Evaluated    int      `json:"evaluated_resources"`
	Compliant    int      `json:"compliant_resources"`
	NonCompliant int      `json:"non_compliant_resources"`
	Exempt       int      `json:"exempt_resources"`
	Percentage   *float64 `json:"compliance_percentage"`
}

type summary struct {
	Data []struct {
		Subscription string `json:"subscription_id"`
		Type         string `json:"resource_type"`
		counts
	}
	Total       counts
	RefreshedAt *time.Time `json:"refreshed_at"`
}

func readSummary(t testing.TB, s *store.Store, q store.ComplianceQuery) (out summary) {
	t.Helper()
	body, err := s.AppendComplianceSummary(t.Context(), []byte("before"), q, 0)
	if err == nil {
		err = json.Unmarshal(body[len("before"):], &out)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return out
}

// refresh refreshes the summary; other tests do so at the same time.
func refresh(t testing.TB, s *store.Store) store.Refreshed {
	t.Helper()
	for {
		done, _, err := s.RefreshComplianceSummary(t.Context())
		if err == nil {
			return done
		}
		if !errors.Is(err, store.ErrRefreshing) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func percent(p float64) *float64 { return &p }

func TestComplianceSummary(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 12, 10)
	conn := connect(t, postgresURL(t))
	mustExec(t, conn, `UPDATE resources SET subscription_id = 's2', type = CASE WHEN name < 'vm-5' THEN 't1' ELSE 't2' END
		WHERE tenant_id = $1 AND name IN ('vm-3', 'vm-4', 'vm-5', 'vm-6')`, e.tenant)
	mustExec(t, conn, "UPDATE resources SET deleted_at = now() WHERE tenant_id = $1 AND name = 'vm-11'", e.tenant)

	// The seed takes the last evaluation of any policy: nine of ten fail, and the one that passes was the last.
	for p := range 9 {
		e.record(t, s, e.evaluation(0, p, "non_compliant", p))
	}
	e.record(t, s, e.evaluation(0, 9, "compliant", 100))
	e.record(t, s, e.evaluation(1, 0, "compliant", 1), e.evaluation(2, 0, "exempt", 1),
		e.evaluation(3, 0, "error", 1), e.evaluation(4, 0, "non_compliant", 1), e.evaluation(4, 0, "compliant", 2))
	before := time.Now().Add(-time.Second)
	done := refresh(t, s)
	if done.At.Before(before) || done.Took <= 0 {
		t.Errorf("refreshed %+v", done)
	}

	got := readSummary(t, s, store.ComplianceQuery{Tenant: e.tenant})
	if got.RefreshedAt == nil || got.RefreshedAt.Before(done.At.Truncate(time.Microsecond)) {
		t.Errorf("the summary is of %v, was refreshed at %s", got.RefreshedAt, done.At)
	}
	if want := (counts{11, 5, 2, 2, 1, percent(60)}); !reflect.DeepEqual(got.Total, want) {
		t.Errorf("total %+v, want %+v", got.Total, want)
	}
	want := map[[2]string]counts{
		{"s1", "Microsoft.Compute/virtualMachines"}: {7, 3, 1, 1, 1, percent(66.67)},
		{"s2", "t1"}: {2, 2, 1, 1, 0, percent(50)},
		{"s2", "t2"}: {2, 0, 0, 0, 0, nil}, // never evaluated is not 0 %
	}
	for _, row := range got.Data {
		key := [2]string{row.Subscription, row.Type}
		if !reflect.DeepEqual(row.counts, want[key]) {
			t.Errorf("%v: %+v, want %+v", key, row.counts, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	checkSummary(t, e.tenant)

	if some := readSummary(t, s, store.ComplianceQuery{
		Tenant: e.tenant, SubscriptionID: "s2",
		Type: "t1",
	}); len(some.Data) != 1 || some.Total.Total != 2 {
		t.Errorf("filtered: %+v", some)
	}
	nobody := readSummary(t, s, store.ComplianceQuery{Tenant: newID()})
	if len(nobody.Data) != 0 || nobody.Total.Total != 0 || nobody.Total.Percentage != nil || nobody.RefreshedAt == nil {
		t.Errorf("a tenant without resources has %+v", nobody)
	}
}

// checkSummary compares the view with what follows from the history alone: neither current evaluations nor
// compliance_status take part in it.
func checkSummary(t *testing.T, tenant store.ID) {
	t.Helper()
	var differ int
	err := connect(t, postgresURL(t)).QueryRow(t.Context(), `
		WITH latest AS (
		  SELECT resource_id, result, row_number() OVER (PARTITION BY resource_id, policy_id ORDER BY evaluated_at DESC, id DESC) AS age
		    FROM policy_evaluations WHERE tenant_id = $1
		), verdict AS (
		  SELECT resource_id, min(CASE result WHEN 'exempt' THEN 3 WHEN 'compliant' THEN 2 ELSE 1 END) AS worst FROM latest WHERE age = 1 GROUP BY 1
		), straight AS (
		  SELECT subscription_id, type AS resource_type, count(*) AS total, count(worst) AS evaluated, sum((worst = 2)::int) AS compliant,
		         sum((worst = 1)::int) AS non_compliant, round(avg(CASE WHEN worst > 1 THEN 100.0 WHEN worst = 1 THEN 0 END), 2) AS percentage
		    FROM resources LEFT JOIN verdict ON resource_id = id WHERE tenant_id = $1 AND deleted_at IS NULL GROUP BY 1, 2
		)
		SELECT count(*) FROM straight FULL JOIN (SELECT * FROM mv_compliance_summary WHERE tenant_id = $1) v USING (subscription_id, resource_type)
		 WHERE (total, evaluated, coalesce(compliant, 0), coalesce(non_compliant, 0), percentage) IS DISTINCT FROM
		       (total_resources, evaluated_resources, compliant_resources, non_compliant_resources, compliance_percentage)`, tenant).Scan(&differ)
	if err != nil || differ != 0 {
		t.Errorf("%d rows of the view differ from the history (error %v)", differ, err)
	}
}

func TestSummaryBeforeTheFirstRefresh(t *testing.T) {
	url := newMigrated(t)
	s, err := store.Open(t.Context(), store.Options{URL: url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := readSummary(t, s, store.ComplianceQuery{Tenant: newID()}); got.RefreshedAt != nil || len(got.Data) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestOneRefreshAtATime(t *testing.T) {
	s := openStore(t)
	conn := connect(t, postgresURL(t))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	var got bool
	for !got { // another test may be refreshing
		if err := tx.QueryRow(t.Context(),
			"SELECT pg_try_advisory_xact_lock(hashtext('mv_compliance_summary'))").Scan(&got); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.RefreshComplianceSummary(t.Context()); !errors.Is(err, store.ErrRefreshing) {
		t.Errorf("while another instance refreshes: %v, want ErrRefreshing", err)
	}
	tx.Rollback(t.Context())

	other := openStore(t)
	var wait sync.WaitGroup
	var refreshed atomic.Int32
	for i := range 8 {
		wait.Go(func() {
			switch _, _, err := [2]*store.Store{s, other}[i%2].RefreshComplianceSummary(t.Context()); {
			case err == nil:
				refreshed.Add(1)
			case !errors.Is(err, store.ErrRefreshing):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if refreshed.Load() == 0 {
		t.Error("of eight refreshes at once, none was done")
	}
}

func BenchmarkComplianceSummary(b *testing.B) {
	s := openStore(b)
	e := newEstate(b, s, 300, 1)
	mustExec(b, connect(b, postgresURL(b)), "UPDATE resources SET type = name WHERE tenant_id = $1", e.tenant)
	refresh(b, s)
	buffer := make([]byte, 0, 128<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendComplianceSummary(b.Context(), buffer, store.ComplianceQuery{Tenant: e.tenant},
			0); err != nil {
			b.Fatal(err)
		}
	}
}
