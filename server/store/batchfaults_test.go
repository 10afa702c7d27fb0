package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

// TestWhatPostgresRefusesIsByIndex: constraints and triggers that are not this package's refuse elements of each kind
// of batch. Those are reported by index, and nothing is stored.
func TestWhatPostgresRefusesIsByIndex(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	s, tenant, conn := openStoreWith(t, store.Options{URL: url, MaxConns: 2}), newID(), connect(t, url)
	ids := fillResources(t, s, tenant, 5)
	_, policy, _, err := s.CreatePolicy(t.Context(), nil, tenant, &store.NewPolicy{
		Name: "p", Type: "t", Category: "c", Severity: "low", Definition: json.RawMessage("{}"),
	})
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, "ALTER TABLE resources ADD CONSTRAINT no_secrets CHECK (name <> 'secret')")
	mustExec(t, conn, `CREATE FUNCTION only_compliant() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN IF NEW.result = 'error' THEN RAISE 'no'; END IF; RETURN NEW; END $$`)
	mustExec(t, conn, `CREATE TRIGGER only_compliant BEFORE INSERT ON policy_evaluations FOR EACH ROW
		EXECUTE FUNCTION only_compliant()`)
	mustExec(t, conn, `CREATE FUNCTION in_cents() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN NEW.cost := NEW.cost * 100; RETURN NEW; END $$`)
	mustExec(t, conn, `CREATE TRIGGER in_cents BEFORE INSERT ON cost_data FOR EACH ROW EXECUTE FUNCTION in_cents()`)

	resources := make([]store.NewResource, 5)
	evaluations, costs := make([]store.Evaluation, 5), make([]store.Cost, 5)
	for i := range 5 {
		resources[i] = newResource(100 + i)
		evaluations[i] = store.Evaluation{
			ResourceID: uuid.UUID(ids[i]), PolicyID: uuid.UUID(policy), Result: "compliant",
		}
		costs[i] = store.Cost{
			ResourceID: uuid.UUID(ids[i]), ServiceName: "s", Date: time.Now().UTC().Format(time.DateOnly), Cost: "1.5",
		}
	}
	for _, i := range []int{1, 4} {
		resources[i].Name, evaluations[i].Result, costs[i].Cost = "secret", "error", "9999999999"
	}
	stored := func() (rows string) {
		t.Helper()
		var resources, evaluations, costs, events int
		err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM resources), (SELECT count(*) FROM policy_evaluations),
			(SELECT count(*) FROM cost_data), (SELECT count(*) FROM events)`).Scan(&resources, &evaluations, &costs, &events)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resources, evaluations, costs, events)
	}
	before := stored()
	_, _, errResources := s.InsertResources(t.Context(), tenant, resources)
	_, errEvaluations := s.RecordEvaluations(t.Context(), tenant, evaluations)
	_, errCosts := s.UpsertCosts(t.Context(), tenant, costs)
	for message, err := range map[string]error{
		"the database refuses it by its constraint no_secrets": errResources,
		"the database refuses it (SQLSTATE P0001)":             errEvaluations,
		"the database refuses it (SQLSTATE 22003)":             errCosts,
	} {
		var invalid *store.ValidationError
		want := []store.Fault{{Index: 1, Message: message}, {Index: 4, Message: message}}
		if !errors.As(err, &invalid) || !slices.Equal(invalid.Faults, want) {
			t.Errorf("error %v; want %v", err, want)
		}
	}
	if now := stored(); now != before {
		t.Errorf("there are %s resources, evaluations, costs and events, and were %s", now, before)
	}
	for _, i := range []int{0, 2, 3} {
		if _, _, err := s.InsertResources(t.Context(), tenant, resources[i:i+1]); err != nil {
			t.Error(err)
		}
	}
}
