package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Severities are the possible severities of a policy, lowest first.
var Severities = []string{"low", "medium", "high", "critical"}

// NewPolicy is a policy from a client. All texts are required.
type NewPolicy struct {
	Name       string          `json:"name"` // unique within its tenant
	Type       string          `json:"type"`
	Category   string          `json:"category"`
	Severity   string          `json:"severity"`   // one of Severities
	Enabled    *bool           `json:"enabled"`    // true when it is missing
	Definition json.RawMessage `json:"definition"` // a JSON object; empty when it is missing
}

// faults are all of a policy; none when it can be stored.
func (p *NewPolicy) faults() (faults faultList) {
	faults.text("name", p.Name)
	faults.text("type", p.Type)
	faults.text("category", p.Category)
	faults.oneOf("severity", p.Severity, Severities)
	if wrong := documentFault(p.Definition); wrong != "" {
		faults.add("definition", wrong)
	}
	return faults
}

func (p *NewPolicy) enabled() bool { return p.Enabled == nil || *p.Enabled }

// policyColumns are the columns of a policy in the order in which appendPolicy takes them.
const policyColumns = "id, name, type, category, severity, enabled, definition, version, created_at, updated_at, " +
	"expression, module_sha256, module_bytes"

// policyFormats is what appendPolicy takes: text is the same in both formats, jsonb is wanted as text.
var policyFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.BinaryFormatCode, pgx.TextFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
}

func appendPolicy(dst []byte, row [][]byte) []byte {
	dst = append(dst, `{"id":"`...)
	dst = AppendUUID(dst, row[0])
	dst = append(dst, `","name":`...)
	dst = appendString(dst, row[1])
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, row[2])
	dst = append(dst, `,"category":`...)
	dst = appendString(dst, row[3])
	dst = append(dst, `,"severity":`...)
	dst = appendString(dst, row[4])
	dst = append(dst, `,"enabled":`...)
	dst = strconv.AppendBool(dst, row[5][0] != 0)
	dst = append(dst, `,"definition":`...)
	dst = append(dst, row[6]...)
	dst = append(dst, `,"version":`...)
	dst = strconv.AppendInt(dst, int64(int4(row[7])), 10)
	dst = append(dst, `,"created_at":"`...)
	dst = appendTime(dst, row[8])
	dst = append(dst, `","updated_at":"`...)
	dst = appendTime(dst, row[9])
	dst = append(dst, '"')
	dst = appendRule(dst, row[10:])
	return append(dst, '}')
}

const getPolicySQL = namePrefix + getPolicy + `
SELECT ` + policyColumns + ` FROM policies WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL`

// AppendPolicy appends the JSON of one policy of a tenant to dst. It returns [ErrNotFound] when the tenant has no such
// policy. It sees everything committed up to after.
func (s *Store) AppendPolicy(ctx context.Context, dst []byte, tenant, id ID, after LSN) ([]byte, error) {
	body := dst
	err := s.read(ctx, after, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, appendPolicy, getPolicySQL, policyFormats, id, tenant)
		return err
	})
	if err != nil {
		return dst, fmt.Errorf("get policy: %w", err)
	}
	return body, nil
}

// PolicyFilter selects policies; an empty field selects all.
type PolicyFilter struct {
	Type, Category, Severity string
	Enabled                  *bool
}

// PolicyQuery asks for one page of a tenant's policies.
type PolicyQuery struct {
	Tenant ID
	Filter PolicyFilter
	After  *ListPosition // the last policy of the page before; nil for the first page
	Limit  int           // policies per page, at least 1
}

// AppendPolicies appends one page, newest first, as a JSON array to dst. next is the position to continue after; nil
// after the last page. It sees everything committed up to after.
func (s *Store) AppendPolicies(ctx context.Context, dst []byte, q PolicyQuery, after LSN) (page []byte,
	next *ListPosition, err error,
) {
	sql, args := policyStatement(&q)
	var last ListPosition
	page, n, err := s.appendArray(ctx, dst, after, q.Limit, func(dst []byte, row [][]byte) []byte {
		last = ListPosition{UpdatedAt: unixMicro(row[9]), ID: ID(row[0])}
		return appendPolicy(dst, row)
	}, sql, args...)
	if err != nil {
		return dst, nil, fmt.Errorf("list policies: %w", err)
	}
	if n > q.Limit {
		next = &last
	}
	return page, next, nil
}

// policyStatement builds the statement for the filters that are set. enabled is a literal rather than a parameter,
// because a generic plan could not use idx_policies_active otherwise.
func policyStatement(q *PolicyQuery) (sql string, args []any) {
	b := statement{args: []any{policyFormats, q.Tenant}}
	b.WriteString(namePrefix + listPolicies + "\nSELECT " + policyColumns +
		" FROM policies WHERE tenant_id = $1 AND deleted_at IS NULL")
	b.equals(" AND type = ", q.Filter.Type)
	b.equals(" AND category = ", q.Filter.Category)
	b.equals(" AND severity = ", q.Filter.Severity)
	switch {
	case q.Filter.Enabled == nil:
	case *q.Filter.Enabled:
		b.WriteString(" AND enabled")
	default:
		b.WriteString(" AND NOT enabled")
	}
	if q.After != nil {
		b.bind(" AND (updated_at, id) < (", time.UnixMicro(q.After.UpdatedAt), "")
		b.bind(", ", q.After.ID, ")")
	}
	b.bind(" ORDER BY updated_at DESC, id DESC LIMIT ", q.Limit+1, "")
	return b.String(), b.args
}

// Each change is one statement with its event: the row of tenant_versions, which the change locks, is held for no
// longer than a round trip inside the server.
const (
	policyEvent = `), event AS (
  INSERT INTO events (tenant_id, stream_id, version, type, payload)
  SELECT $2, id, version, 'policy.` // followed by the kind of the event

	createPolicySQL = namePrefix + createPolicy + `
WITH changed AS (
  INSERT INTO policies (id, tenant_id, name, type, category, severity, enabled, definition)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb) RETURNING ` + policyColumns + `
` + policyEvent + `created', to_jsonb(changed) - '{id,version}'::text[] FROM changed)
SELECT * FROM changed`

	replacePolicySQL = namePrefix + replacePolicy + `
WITH changed AS (
  UPDATE policies SET name = $3, type = $4, category = $5, severity = $6, enabled = $7, definition = $8::text::jsonb,
         version = version + 1, updated_at = now()
   WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL AND $9::integer IN (0, version) RETURNING ` + policyColumns + `
` + policyEvent + `updated', to_jsonb(changed) - '{id,version}'::text[] FROM changed)
SELECT * FROM changed`

	deletePolicySQL = namePrefix + deletePolicy + `
WITH changed AS (
  UPDATE policies SET version = version + 1, updated_at = now(), deleted_at = now()
   WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL AND $3::integer IN (0, version) RETURNING id, version
), dropped AS (
  DELETE FROM policy_modules WHERE policy_id IN (SELECT id FROM changed)
` + policyEvent + `deleted', '{}' FROM changed)
SELECT id FROM changed`

	policyExistsSQL = `SELECT EXISTS (SELECT FROM policies WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL)`
)

// CreatePolicy stores a policy and appends its JSON to dst. It returns [ErrConflict] when the tenant has a policy of
// that name, and a [*ValidationError] for an invalid policy.
func (s *Store) CreatePolicy(ctx context.Context, dst []byte, tenant ID, policy *NewPolicy) (body []byte, id ID, at LSN,
	err error,
) {
	if err := refusal(policy.faults()); err != nil {
		return dst, ID{}, 0, err
	}
	id = newID()
	at, err = s.write(ctx, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, appendPolicy, createPolicySQL, policyFormats, id, tenant, policy.Name,
			policy.Type,
			policy.Category, policy.Severity, policy.enabled(), objectOrEmpty(policy.Definition))
		return err
	})
	if err != nil {
		return dst, ID{}, 0, fmt.Errorf("create policy: %w", changeError(err, "uq_policies_name"))
	}
	return body, id, at, nil
}

// ReplacePolicy replaces all client fields of a policy and appends the new JSON to dst. version is the expected
// version; [AnyVersion] replaces any version. It returns [ErrNotFound], [ErrVersion] when the policy has another
// version, [ErrConflict] when another policy has the name, and a [*ValidationError].
func (s *Store) ReplacePolicy(ctx context.Context, dst []byte, tenant, id ID, version int,
	policy *NewPolicy,
) (body []byte, at LSN, err error) {
	if err := refusal(policy.faults()); err != nil {
		return dst, 0, err
	}
	at, err = s.write(ctx, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, appendPolicy, replacePolicySQL, policyFormats, id, tenant, policy.Name,
			policy.Type,
			policy.Category, policy.Severity, policy.enabled(), objectOrEmpty(policy.Definition), version)
		return staleOrMissing(ctx, conn, err, policyExistsSQL, id, tenant)
	})
	if err != nil {
		return dst, 0, fmt.Errorf("replace policy: %w", changeError(err, "uq_policies_name"))
	}
	return body, at, nil
}

// DeletePolicy marks a policy as deleted. Its evaluations remain in the history, and [Store.RetireEvaluations] removes
// them from the resources' current status. version and errors are as for [Store.ReplacePolicy].
func (s *Store) DeletePolicy(ctx context.Context, tenant, id ID, version int) (LSN, error) {
	at, err := s.write(ctx, func(conn *pgx.Conn) error {
		var deleted ID
		err := conn.QueryRow(ctx, deletePolicySQL, id, tenant, version).Scan(&deleted)
		if errors.Is(err, pgx.ErrNoRows) {
			err = ErrNotFound
		}
		return staleOrMissing(ctx, conn, err, policyExistsSQL, id, tenant)
	})
	if err != nil {
		return 0, fmt.Errorf("delete policy: %w", changeError(err, "uq_policies_name"))
	}
	return at, nil
}
