package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

// estate is a tenant with resources and policies.
type estate struct {
	tenant              store.ID
	resources, policies []store.ID
}

func newEstate(t testing.TB, s *store.Store, resources, policies int) *estate {
	t.Helper()
	e := &estate{tenant: newID()}
	batch := make([]store.NewResource, resources)
	for i := range batch {
		batch[i] = newResource(i)
	}
	inserted, _, err := s.InsertResources(t.Context(), e.tenant, batch)
	if err != nil {
		t.Fatal(err)
	}
	e.resources = inserted.Created
	for i := range policies {
		e.policies = append(e.policies, createPolicy(t, s, e.tenant, newPolicy(i)))
	}
	return e
}

// evaluation is of the estate's resource r by its policy p, at a minute of a fixed day.
func (e *estate) evaluation(r, p int, result string, minute int) store.Evaluation {
	at := time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC)
	return store.Evaluation{ResourceID: e.resources[r], PolicyID: e.policies[p], Result: result, EvaluatedAt: &at}
}

func (e *estate) record(t testing.TB, s *store.Store, evaluations ...store.Evaluation) {
	t.Helper()
	if _, err := s.RecordEvaluations(t.Context(), e.tenant, evaluations); err != nil {
		t.Fatal(err)
	}
}

func statusOf(t testing.TB, resource store.ID) (status string) {
	t.Helper()
	err := connect(t, postgresURL(t)).QueryRow(t.Context(), "SELECT compliance_status FROM resources WHERE id = $1",
		resource).Scan(&status)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// record is what a store appends for an evaluation.
type record struct {
	ID          int64
	ResourceID  uuid.UUID `json:"resource_id"`
	PolicyID    uuid.UUID `json:"policy_id"`
	Result      string
	EvaluatedAt time.Time `json:"evaluated_at"`
}

func decodeRecords(t testing.TB, body []byte) (all []record) {
	t.Helper()
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return all
}

func TestStatusIsTheWorstOfTheLatest(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 2, 3)
	for _, step := range []struct {
		what        string
		evaluations []store.Evaluation
		want        string
	}{
		{"exempt by one", []store.Evaluation{e.evaluation(0, 0, "exempt", 10)}, "exempt"},
		{"compliant by another", []store.Evaluation{e.evaluation(0, 1, "compliant", 11)}, "compliant"},
		{"failing one", []store.Evaluation{e.evaluation(0, 2, "error", 12)}, "non_compliant"},
		{
			"passing another later does not help",
			[]store.Evaluation{e.evaluation(0, 1, "compliant", 13)},
			"non_compliant",
		},
		{
			"an older result of the failed one does not count",
			[]store.Evaluation{e.evaluation(0, 2, "compliant", 5)},
			"non_compliant",
		},
		{
			"the last of a batch counts, by its time",
			[]store.Evaluation{e.evaluation(0, 2, "compliant", 21), e.evaluation(0, 2, "non_compliant", 20)},
			"compliant",
		},
		{
			"of the same time, the one recorded last",
			[]store.Evaluation{e.evaluation(0, 2, "non_compliant", 21)},
			"non_compliant",
		},
		{"several policies at once", []store.Evaluation{
			e.evaluation(0, 0, "exempt", 30),
			e.evaluation(0, 1, "exempt", 30), e.evaluation(0, 2, "exempt", 30),
		}, "exempt"},
	} {
		e.record(t, s, step.evaluations...)
		if got := statusOf(t, e.resources[0]); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	if got := statusOf(t, e.resources[1]); got != "unknown" {
		t.Errorf("a resource that nobody evaluated is %s", got)
	}
}

func TestEvaluationsAreRefusedAsAWhole(t *testing.T) {
	s := openStore(t)
	e, other := newEstate(t, s, 2, 2), newEstate(t, s, 1, 1)
	if _, err := s.DeletePolicy(t.Context(), e.tenant, e.policies[1], 0); err != nil {
		t.Fatal(err)
	}
	mustExec(t, connect(t, postgresURL(t)), "UPDATE resources SET deleted_at = now() WHERE id = $1", e.resources[1])
	future := e.evaluation(0, 0, "compliant", 0)
	soon := time.Now().Add(time.Hour)
	future.EvaluatedAt = &soon
	good := e.evaluation(0, 0, "compliant", 0)
	foreignResource, foreignPolicy := good, good
	foreignResource.ResourceID, foreignPolicy.PolicyID = other.resources[0], other.policies[0]

	for name, c := range map[string]struct {
		batch []store.Evaluation
		want  []string // index: words of the message
	}{
		"what is seen at once": {
			[]store.Evaluation{good, {}, future, e.evaluation(0, 0, "good", 0)},
			[]string{"1: resource_id", "1: policy_id", "1: result", "2: future", "3: compliant"},
		},
		"another tenant's": {
			[]store.Evaluation{foreignResource, good, foreignPolicy},
			[]string{"0: no resource", "2: no policy"},
		},
		"what is deleted": {
			[]store.Evaluation{good, e.evaluation(1, 1, "compliant", 0)},
			[]string{"1: no resource", "1: no policy"},
		},
		"what was never anywhere": {
			[]store.Evaluation{{ResourceID: uuid.New(), PolicyID: uuid.New(), Result: "error"}},
			[]string{"0: no resource", "0: no policy"},
		},
	} {
		_, err := s.RecordEvaluations(t.Context(), e.tenant, c.batch)
		var faults *store.ValidationError
		if !errors.As(err, &faults) || len(faults.Faults) != len(c.want) {
			t.Errorf("%s: error %v, want %d faults", name, err, len(c.want))
			continue
		}
		for i, want := range c.want {
			got := faults.Faults[i]
			if at, words, _ := strings.Cut(want, ": "); fmt.Sprint(got.Index) != at ||
				!strings.Contains(got.Message, words) {
				t.Errorf("%s: fault %d is %+v, want %s", name, i, got, want)
			}
		}
	}
	for _, n := range []int{0, store.MaxBatch + 1} {
		if _, err := s.RecordEvaluations(t.Context(), e.tenant, make([]store.Evaluation, n)); err == nil {
			t.Errorf("a batch of %d was accepted", n)
		}
	}
	body, _, err := s.AppendEvaluations(t.Context(), nil, store.EvaluationQuery{Tenant: e.tenant, Limit: 10}, 0)
	if err != nil || string(body) != "[]" {
		t.Errorf("recorded %s, error %v; want nothing", body, err)
	}
}

func TestOneEventForABatchOfEvaluations(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 3, 2)
	e.record(t, s, e.evaluation(0, 0, "compliant", 1), e.evaluation(1, 0, "compliant", 1),
		e.evaluation(2, 0, "error", 1), e.evaluation(2, 1, "exempt", 1))
	f := &follower{s: s, tenant: e.tenant}
	// another test's transaction may hold it back
	for len(f.got) == 0 || f.got[len(f.got)-1] != "evaluations.recorded" {
		f.follow(t, 100)
	}
	var payload string
	err := connect(t, postgresURL(t)).QueryRow(t.Context(),
		"SELECT string_agg(payload::text, ' ') FROM events WHERE tenant_id = $1 AND type = 'evaluations.recorded'",
		e.tenant).Scan(&payload)
	want := fmt.Sprintf(`{"policies": {"%s": {"error": 1, "compliant": 2}, "%s": {"exempt": 1}}}`,
		uuid.UUID(e.policies[0]), uuid.UUID(e.policies[1]))
	if err != nil || !sameJSON(t, []byte(payload), []byte(want)) {
		t.Errorf("events %s (error %v), want %s", payload, err, want)
	}
}

// Several connections evaluate the same resources, each in an order of its own, with times that repeat. Nobody runs
// into a deadlock, and the state is what the history says, however the transactions came to their ends.
func TestConcurrentEvaluationsOfTheSameResources(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 40, 4)
	var wait sync.WaitGroup
	for w := range 4 {
		random := rand.New(rand.NewPCG(1, uint64(w)))
		wait.Go(func() {
			for range 15 {
				var batch []store.Evaluation
				for _, r := range random.Perm(len(e.resources))[:30] {
					batch = append(batch, e.evaluation(r, random.IntN(4), store.Results[random.IntN(4)],
						random.IntN(20)))
				}
				if _, err := s.RecordEvaluations(t.Context(), e.tenant, batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	checkAgainstHistory(t, e.tenant)
	var evaluations int
	err := connect(t, postgresURL(t)).QueryRow(t.Context(),
		"SELECT count(*) FROM policy_evaluations WHERE tenant_id = $1", e.tenant).Scan(&evaluations)
	if err != nil || evaluations != 4*15*30 {
		t.Errorf("%d evaluations were recorded (error %v), want %d", evaluations, err, 4*15*30)
	}
}

// checkAgainstHistory computes the state of a tenant from its history by the seed's way, a correlated subquery for each
// row, and compares.
func checkAgainstHistory(t *testing.T, tenant store.ID) {
	t.Helper()
	conn := connect(t, postgresURL(t))
	for what, sql := range map[string]string{
		"current evaluations": `
			WITH latest AS (
			  SELECT resource_id, policy_id, result, evaluated_at, id FROM policy_evaluations e
			   WHERE tenant_id = $1 AND NOT EXISTS (SELECT FROM policy_evaluations later
			         WHERE later.resource_id = e.resource_id AND later.policy_id = e.policy_id
			           AND (later.evaluated_at > e.evaluated_at OR later.evaluated_at = e.evaluated_at AND later.id > e.id)))
			SELECT count(*) FROM latest FULL JOIN (SELECT * FROM policy_evaluations_current WHERE tenant_id = $1) c USING (resource_id, policy_id)
			 WHERE (latest.result, latest.evaluated_at, latest.id) IS DISTINCT FROM (c.result, c.evaluated_at, c.evaluation)`,
		"statuses": `
			SELECT count(*) FROM resources r WHERE tenant_id = $1 AND compliance_status <> (
			  SELECT CASE max(CASE e.result WHEN 'exempt' THEN 1 WHEN 'compliant' THEN 2 ELSE 3 END)
			         WHEN 3 THEN 'non_compliant' WHEN 2 THEN 'compliant' WHEN 1 THEN 'exempt' ELSE 'unknown' END
			    FROM policy_evaluations e
			   WHERE e.resource_id = r.id AND e.id = (SELECT id FROM policy_evaluations WHERE resource_id = r.id AND policy_id = e.policy_id
			         ORDER BY evaluated_at DESC, id DESC LIMIT 1))`,
	} {
		var differ int
		if err := conn.QueryRow(t.Context(), sql, tenant).Scan(&differ); err != nil || differ != 0 {
			t.Errorf("%d %s differ from the history (error %v)", differ, what, err)
		}
	}
}

func TestEvaluationsByPages(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 4, 3)
	other := newEstate(t, s, 1, 1)
	other.record(t, s, other.evaluation(0, 0, "compliant", 3))
	var all []store.Evaluation
	for minute := range 5 {
		for r := range 4 {
			for p := range 3 {
				all = append(all, e.evaluation(r, p, "compliant", minute/2)) // with ties
			}
		}
	}
	e.record(t, s, all...)
	for _, c := range []struct {
		resource, policy *store.ID
		want             int
	}{
		{nil, nil, 60},
		{&e.resources[1], nil, 15},
		{nil, &e.policies[2], 20},
		{&e.resources[0], &e.policies[0], 5},
		{&other.resources[0], nil, 0},
	} {
		q := store.EvaluationQuery{Tenant: e.tenant, Resource: c.resource, Policy: c.policy, Limit: 7}
		var got []record
		for {
			body, next, err := s.AppendEvaluations(t.Context(), nil, q, 0)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, decodeRecords(t, body)...)
			q.After = next
			if next == nil {
				break
			}
		}
		sorted := slices.IsSortedFunc(got, func(a, b record) int {
			if order := b.EvaluatedAt.Compare(a.EvaluatedAt); order != 0 {
				return order
			}
			return int(b.ID - a.ID)
		})
		ids := map[int64]bool{}
		for _, r := range got {
			ids[r.ID] = true
			if c.resource != nil && r.ResourceID != uuid.UUID(*c.resource) || c.policy != nil &&
				r.PolicyID != uuid.UUID(*c.policy) {
				t.Errorf("%+v was not asked for", r)
			}
		}
		if len(got) != c.want || len(ids) != c.want || !sorted {
			t.Errorf("%d evaluations, %d different, sorted %t; want %d", len(got), len(ids), sorted, c.want)
		}
	}
}

func TestCurrentEvaluations(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 5, 3)
	var all []store.Evaluation
	for r := range 5 {
		for p := range 3 {
			all = append(all, e.evaluation(r, p, "compliant", 1), e.evaluation(r, p, "exempt", 2))
		}
	}
	e.record(t, s, all...)
	for _, c := range []struct {
		resource, policy *store.ID
		want             int
	}{{&e.resources[3], nil, 3}, {nil, &e.policies[1], 5}, {&e.resources[0], &e.policies[0], 1}} {
		q := store.CurrentQuery{Tenant: e.tenant, Resource: c.resource, Policy: c.policy, Limit: 2}
		seen := map[[2]uuid.UUID]bool{}
		for {
			body, next, err := s.AppendCurrentEvaluations(t.Context(), nil, q, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range decodeRecords(t, body) {
				seen[[2]uuid.UUID{r.ResourceID, r.PolicyID}] = true
				if r.Result != "exempt" {
					t.Errorf("%+v is not the latest", r)
				}
			}
			q.After = next
			if next == nil {
				break
			}
		}
		if len(seen) != c.want {
			t.Errorf("%d evaluations, want %d", len(seen), c.want)
		}
	}
	if body, _, err := s.AppendCurrentEvaluations(t.Context(), nil,
		store.CurrentQuery{Tenant: newID(), Resource: &e.resources[0], Limit: 5}, 0); err != nil ||
		string(body) != "[]" {
		t.Errorf("another tenant is shown %s, error %v", body, err)
	}
	if _, _, err := s.AppendCurrentEvaluations(t.Context(), nil, store.CurrentQuery{Tenant: e.tenant, Limit: 5},
		0); err == nil {
		t.Error("neither a resource nor a policy was accepted")
	}
}

// retireAll takes all evaluations by deleted policies out, and counts those of a tenant.
func retireAll(t *testing.T, s *store.Store, tenant store.ID) (retired int) {
	t.Helper()
	for {
		resources, _, err := s.RetireEvaluations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(resources) == 0 {
			return retired
		}
		for _, r := range resources {
			if r.Tenant == tenant {
				retired++
			}
		}
	}
}

// TestRetiringRaisesTheVersion: what L3 has of a tenant's evaluations is old, also when no resource's status flips.
func TestRetiringRaisesTheVersion(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 1, 2)
	e.record(t, s, e.evaluation(0, 0, "compliant", 1), e.evaluation(0, 1, "compliant", 1))
	if _, err := s.DeletePolicy(t.Context(), e.tenant, e.policies[0], 0); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, postgresURL(t))
	version := func() (v int64) {
		if err := conn.QueryRow(t.Context(), "SELECT version FROM tenant_versions WHERE tenant_id = $1",
			e.tenant).Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := version()
	if n := retireAll(t, s, e.tenant); n != 1 || version() <= before {
		t.Errorf("%d retired, version %d after %d", n, version(), before)
	}
}

func TestDeletedPoliciesDecideNothing(t *testing.T) {
	s := openStore(t)
	e := newEstate(t, s, 2, 2)
	e.record(t, s, e.evaluation(0, 0, "non_compliant", 1), e.evaluation(0, 1, "compliant", 1),
		e.evaluation(1, 0, "error", 1))
	if _, err := s.DeletePolicy(t.Context(), e.tenant, e.policies[0], 0); err != nil {
		t.Fatal(err)
	}
	retired := retireAll(t, s, e.tenant)
	if first, second := statusOf(t, e.resources[0]), statusOf(t, e.resources[1]); first != "compliant" ||
		second != "unknown" || retired != 2 {
		t.Errorf("the resources are %s and %s, %d were retired; want compliant, unknown and 2", first, second, retired)
	}
	body, _, err := s.AppendEvaluations(t.Context(), nil,
		store.EvaluationQuery{Tenant: e.tenant, Policy: &e.policies[0], Limit: 10}, 0)
	if err != nil || len(decodeRecords(t, body)) != 2 {
		t.Errorf("the history is %s (error %v), want both evaluations to stay", body, err)
	}
}

func BenchmarkRecordEvaluations(b *testing.B) {
	s := openStore(b)
	e := newEstate(b, s, 1000, 1)
	batch := make([]store.Evaluation, 1000)
	for i := range batch {
		batch[i] = e.evaluation(i, 0, "compliant", 0)
	}
	b.ReportAllocs()
	minute := 0
	for b.Loop() {
		minute++
		at := time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC)
		for i := range batch {
			batch[i].EvaluatedAt = &at
		}
		e.record(b, s, batch...)
	}
}

func BenchmarkAppendEvaluations(b *testing.B) {
	s := openStore(b)
	e := newEstate(b, s, 100, 1)
	for minute := range 5 {
		batch := make([]store.Evaluation, 100)
		for i := range batch {
			batch[i] = e.evaluation(i, 0, "compliant", minute)
		}
		e.record(b, s, batch...)
	}
	buffer := make([]byte, 0, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.AppendEvaluations(b.Context(), buffer, store.EvaluationQuery{Tenant: e.tenant, Limit: 20},
			0); err != nil {
			b.Fatal(err)
		}
	}
}
