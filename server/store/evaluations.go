package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Results are the possible results of an evaluation.
var Results = []string{"compliant", "non_compliant", "exempt", "error"}

// maxClockSkew is how far in the future an evaluation may claim to be: the latest one decides, so one with a wrong date
// would decide for as long as it takes for that date to come.
const maxClockSkew = 5 * time.Minute

// Evaluation is the result of checking a resource against a policy. Resource, policy and result are required.
type Evaluation struct {
	ResourceID  uuid.UUID  `json:"resource_id"`
	PolicyID    uuid.UUID  `json:"policy_id"`
	Result      string     `json:"result"`       // one of Results
	EvaluatedAt *time.Time `json:"evaluated_at"` // default: now; must not be in the future
}

func (e *Evaluation) faults(now time.Time) (faults faultList) {
	if e.ResourceID == uuid.Nil {
		faults.add("resource_id", "is missing")
	}
	if e.PolicyID == uuid.Nil {
		faults.add("policy_id", "is missing")
	}
	faults.oneOf("result", e.Result, Results)
	if at := e.EvaluatedAt; at != nil {
		switch {
		case at.After(now.Add(maxClockSkew)):
			faults.add("evaluated_at", "lies in the future")
		case at.Year() < 2000:
			faults.add("evaluated_at", "lies before the year 2000")
		}
	}
	return faults
}

// EvaluationFaults returns every fault of a batch that can be found without the database.
func EvaluationFaults(evaluations []Evaluation) (faults []Fault) {
	now := time.Now()
	for i := range evaluations {
		faults = append(faults, evaluations[i].faults(now).at(i)...)
	}
	return faults
}

// A foreign key would be content with the resource of another tenant: so both are looked up, and anything that is
// missing keeps the whole batch out. The history is what happened, so one event is enough for a batch; its stream is
// the batch itself, for which nobody else can take version 1. The event counts what was recorded, and is therefore
// made after it.
const recordEvaluationsSQL = namePrefix + recordEvaluations + `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
    WITH ORDINALITY AS i (resource_id, policy_id, result, evaluated_at, number)
), missing AS MATERIALIZED (
  SELECT number - 1 AS index, r.id IS NULL AS resource, p.id IS NULL AS policy
    FROM input
    LEFT JOIN resources r ON r.id = resource_id AND r.tenant_id = $1 AND r.deleted_at IS NULL
    LEFT JOIN policies p ON p.id = policy_id AND p.tenant_id = $1 AND p.deleted_at IS NULL
   WHERE r.id IS NULL OR p.id IS NULL
), recorded AS (
  INSERT INTO policy_evaluations (tenant_id, resource_id, policy_id, result, evaluated_at)
  SELECT $1, resource_id, policy_id, result, coalesce(evaluated_at, now())
    FROM input WHERE NOT EXISTS (SELECT FROM missing) ORDER BY number
  RETURNING policy_id, result
), counted AS (
  SELECT policy_id, jsonb_object_agg(result, n) AS results
    FROM (SELECT policy_id, result, count(*) AS n FROM recorded GROUP BY policy_id, result) c GROUP BY policy_id
), event AS (
  INSERT INTO events (tenant_id, stream_id, version, type, payload)
  SELECT $1, $2, 1, 'evaluations.recorded', jsonb_build_object('policies', jsonb_object_agg(policy_id, results))
    FROM counted HAVING count(*) > 0
)
SELECT index, resource, policy FROM missing ORDER BY index`

// RecordEvaluations adds 1 to [MaxBatch] evaluations of a tenant to the history, all or none, with one event, and
// updates the resources' compliance_status. A batch with a fault, such as an unknown resource, is refused by a
// [*ValidationError].
func (s *Store) RecordEvaluations(ctx context.Context, tenant ID, evaluations []Evaluation) (LSN, error) {
	if len(evaluations) == 0 || len(evaluations) > MaxBatch {
		return 0, fmt.Errorf("record evaluations: a batch has 1 to %d evaluations, not %d", MaxBatch, len(evaluations))
	}
	if err := refusal(EvaluationFaults(evaluations)); err != nil {
		return 0, err
	}
	args := evaluationArguments(tenant, evaluations)
	var faults []Fault
	at, err := s.write(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, recordEvaluationsSQL, args...)
		if err != nil {
			return err
		}
		faults, err = missingFaults(rows, "resource", "policy")
		return err
	})
	if err != nil {
		err = s.eachFault(ctx, len(evaluations), err, func(conn *pgx.Conn, i int) error {
			_, err := conn.Exec(ctx, recordEvaluationsSQL, evaluationArguments(tenant, evaluations[i:i+1])...)
			return err
		})
		return 0, fmt.Errorf("record evaluations: %w", err)
	}
	return at, refusal(faults)
}

func evaluationArguments(tenant ID, evaluations []Evaluation) []any {
	resources, policies := make([]ID, len(evaluations)), make([]ID, len(evaluations))
	results, times := make([]string, len(evaluations)), make([]*time.Time, len(evaluations))
	for i := range evaluations {
		e := &evaluations[i]
		resources[i], policies[i], results[i], times[i] = e.ResourceID, e.PolicyID, e.Result, e.EvaluatedAt
	}
	return []any{tenant, newID(), resources, policies, results, times}
}

// missingFaults reads rows of an index and, for each thing that an element names, whether it is missing.
func missingFaults(rows pgx.Rows, things ...string) ([]Fault, error) {
	var faults []Fault
	var index int
	applies := make([]bool, len(things))
	into := []any{&index}
	for i := range applies {
		into = append(into, &applies[i])
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		for i, thing := range things {
			if applies[i] {
				var fault faultList
				fault.add(thing+"_id", "is of no "+thing+" of this tenant")
				faults = append(faults, fault.at(index)...)
			}
		}
		return nil
	})
	return faults, err
}

// EvaluationPosition is a position in the history: (evaluated_at, id), both descending.
type EvaluationPosition struct {
	EvaluatedAt int64 // Unix time in microseconds
	ID          int64
}

// EvaluationQuery asks for one page of a tenant's history.
type EvaluationQuery struct {
	Tenant           ID
	Resource, Policy *ID                 // nil selects all
	After            *EvaluationPosition // the last evaluation of the page before; nil for the first page
	Limit            int                 // evaluations per page, at least 1
}

// evaluationFormats is what appendEvaluation takes.
var evaluationFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
}

func appendEvaluation(dst []byte, row [][]byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, bigint(row[0]), 10)
	dst = append(dst, `,"resource_id":"`...)
	dst = AppendUUID(dst, row[1])
	dst = append(dst, `","policy_id":"`...)
	dst = AppendUUID(dst, row[2])
	dst = append(dst, `","result":`...)
	dst = appendString(dst, row[3])
	dst = append(dst, `,"evaluated_at":"`...)
	dst = appendTime(dst, row[4])
	return append(dst, `"}`...)
}

// AppendEvaluations appends one page of the history, newest first, as a JSON array to dst. next is the position to
// continue after; nil after the last page. It sees everything committed up to after.
func (s *Store) AppendEvaluations(ctx context.Context, dst []byte, q EvaluationQuery, after LSN) (page []byte,
	next *EvaluationPosition, err error,
) {
	sql, args := evaluationStatement(&q)
	var last EvaluationPosition
	page, n, err := s.appendArray(ctx, dst, after, q.Limit, func(dst []byte, row [][]byte) []byte {
		last = EvaluationPosition{EvaluatedAt: unixMicro(row[4]), ID: bigint(row[0])}
		return appendEvaluation(dst, row)
	}, sql, args...)
	if err != nil {
		return dst, nil, fmt.Errorf("list evaluations: %w", err)
	}
	if n > q.Limit {
		next = &last
	}
	return page, next, nil
}

func evaluationStatement(q *EvaluationQuery) (sql string, args []any) {
	b := statement{args: []any{evaluationFormats, q.Tenant}}
	b.WriteString(namePrefix + listEvaluations + `
SELECT id, resource_id, policy_id, result, evaluated_at FROM policy_evaluations WHERE tenant_id = $1`)
	b.matches(" AND resource_id = ", q.Resource)
	b.matches(" AND policy_id = ", q.Policy)
	if q.After != nil {
		b.bind(" AND (evaluated_at, id) < (", time.UnixMicro(q.After.EvaluatedAt), "")
		b.bind(", ", q.After.ID, ")")
	}
	b.bind(" ORDER BY evaluated_at DESC, id DESC LIMIT ", q.Limit+1, "")
	return b.String(), b.args
}

// CurrentQuery asks for one page of the latest evaluations of one resource by all policies, or of all resources by one
// policy: one of Resource and Policy is given, or both.
type CurrentQuery struct {
	Tenant           ID
	Resource, Policy *ID
	After            *ID // of the last evaluation of the page before: what was not given, policy or resource
	Limit            int // evaluations per page, at least 1
}

// AppendCurrentEvaluations appends one page as a JSON array to dst, by ascending id of the policy or resource that was
// not given. next is the id to continue after; nil after the last page. It sees everything committed up to after.
func (s *Store) AppendCurrentEvaluations(ctx context.Context, dst []byte, q CurrentQuery, after LSN) (page []byte,
	next *ID, err error,
) {
	if q.Resource == nil && q.Policy == nil {
		return dst, nil, fmt.Errorf("list current evaluations: neither a resource nor a policy is given")
	}
	sql, args := currentStatement(&q)
	order := 2 // the column by which the page is ordered
	if q.Resource == nil {
		order = 1
	}
	var last ID
	page, n, err := s.appendArray(ctx, dst, after, q.Limit, func(dst []byte, row [][]byte) []byte {
		last = ID(row[order])
		return appendEvaluation(dst, row)
	}, sql, args...)
	if err != nil {
		return dst, nil, fmt.Errorf("list current evaluations: %w", err)
	}
	if n > q.Limit {
		next = &last
	}
	return page, next, nil
}

func currentStatement(q *CurrentQuery) (sql string, args []any) {
	b := statement{args: []any{evaluationFormats, q.Tenant}}
	b.WriteString(namePrefix + listCurrentEvaluations + `
SELECT evaluation, resource_id, policy_id, result, evaluated_at FROM policy_evaluations_current WHERE tenant_id = $1`)
	b.matches(" AND resource_id = ", q.Resource)
	b.matches(" AND policy_id = ", q.Policy)
	given, order, id := "resource_id", "policy_id", q.Resource
	if q.Resource == nil {
		given, order, id = "policy_id", "resource_id", q.Policy
	}
	var after ID // no id is before it
	if q.After != nil {
		after = *q.After
	}
	// Compared as a row, so that only the index that begins with what is given can resolve it.
	b.bind(" AND ("+given+", "+order+") > (", *id, "")
	b.bind(", ", after, ")")
	b.bind(" ORDER BY "+order+" LIMIT ", q.Limit+1, "")
	return b.String(), b.args
}

const retireEvaluationsSQL = namePrefix + retireEvaluations + `
WITH retired AS (
  DELETE FROM policy_evaluations_current WHERE (resource_id, policy_id) IN (
    SELECT c.resource_id, c.policy_id FROM policies p JOIN policy_evaluations_current c ON c.policy_id = p.id
     WHERE p.deleted_at IS NOT NULL ORDER BY c.resource_id, c.policy_id LIMIT $1
       FOR UPDATE OF c SKIP LOCKED)
  RETURNING tenant_id, resource_id)
SELECT DISTINCT tenant_id, resource_id FROM retired`

// Where no resource's status flips, nothing else tells L3 that the list of the latest evaluations has changed.
const raiseVersionsSQL = namePrefix + retireEvaluations + `
INSERT INTO tenant_versions AS v (tenant_id, version)
SELECT DISTINCT tenant, 1 FROM unnest($1::uuid[]) AS changed (tenant) ORDER BY tenant
ON CONFLICT (tenant_id) DO UPDATE SET version = v.version + 1`

// TenantResource is a resource with its tenant.
type TenantResource struct{ Tenant, Resource ID }

// RetireEvaluations removes up to [MaxBatch] evaluations by deleted policies from the current status, and returns the
// resources whose compliance_status was recomputed. No resource means that none was left. With an error, it returns the
// resources that may have been changed nevertheless.
func (s *Store) RetireEvaluations(ctx context.Context) (resources []TenantResource, at LSN, err error) {
	at, err = s.write(ctx, func(conn *pgx.Conn) error {
		return cleaning.transaction(ctx, conn, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, retireEvaluationsSQL, MaxBatch)
			if err != nil {
				return err
			}
			resources, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TenantResource])
			if err != nil || len(resources) == 0 {
				return err
			}
			ids, tenants := make([]ID, len(resources)), make([]ID, len(resources))
			for i, r := range resources {
				ids[i], tenants[i] = r.Resource, r.Tenant
			}
			if _, err := tx.Exec(ctx, "SELECT set_compliance_status($1)", ids); err != nil {
				return err
			}
			// last: until the transaction ends, changes of these tenants wait
			_, err = tx.Exec(ctx, raiseVersionsSQL, tenants)
			return err
		})
	})
	if err != nil {
		return resources, 0, fmt.Errorf("retire evaluations of deleted policies: %w", err)
	}
	return resources, at, nil
}
