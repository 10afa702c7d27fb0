package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// maxExpression is the longest expression of a policy in bytes.
const maxExpression = 4096

// PolicyRule is what a policy evaluates resources by: a module, an expression, or neither.
type PolicyRule struct {
	Module     []byte // WebAssembly; nil for none
	Expression string // CEL; empty for none
}

func (r *PolicyRule) faults() (faults faultList) {
	if wrong := textFault(r.Expression, maxExpression); wrong != "" {
		faults.add("expression", wrong)
	}
	return faults
}

const setPolicyRuleSQL = namePrefix + setPolicyRule + `
WITH changed AS (
  UPDATE policies SET module_sha256 = $4, module_bytes = octet_length($5::bytea), expression = $6,
         version = version + 1, updated_at = now()
   WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL AND $3::integer IN (0, version) RETURNING ` + policyColumns + `
), kept AS (
  INSERT INTO policy_modules (policy_id, tenant_id, sha256, code)
  SELECT id, $2, $4, $5 FROM changed WHERE $5::bytea IS NOT NULL
  ON CONFLICT (policy_id) DO UPDATE SET sha256 = excluded.sha256, code = excluded.code
), dropped AS (
  DELETE FROM policy_modules WHERE $5::bytea IS NULL AND policy_id IN (SELECT id FROM changed)
` + policyEvent + `updated', to_jsonb(changed) - '{id,version}'::text[] FROM changed)
SELECT * FROM changed`

// SetPolicyRule replaces the rule of a policy and appends the policy's new JSON to dst. version and errors are as for
// [Store.ReplacePolicy].
func (s *Store) SetPolicyRule(ctx context.Context, dst []byte, tenant, id ID, version int,
	rule PolicyRule,
) (body []byte, at LSN, err error) {
	if err := refusal(rule.faults()); err != nil {
		return dst, 0, err
	}
	var sum, expression *string
	if rule.Module != nil {
		digits := moduleSum(rule.Module)
		sum = &digits
	} else if rule.Expression != "" {
		expression = &rule.Expression
	}
	at, err = s.write(ctx, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, appendPolicy, setPolicyRuleSQL, policyFormats, id, tenant, version, sum,
			rule.Module, expression)
		return staleOrMissing(ctx, conn, err, policyExistsSQL, id, tenant)
	})
	if err != nil {
		return dst, 0, fmt.Errorf("set the rule of a policy: %w", changeError(err, "uq_policies_name"))
	}
	return body, at, nil
}

func moduleSum(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

const getPolicyModuleSQL = namePrefix + getPolicyModule + `
SELECT code FROM policy_modules WHERE policy_id = $1 AND tenant_id = $2 AND sha256 = $3`

// PolicyModule returns the module of a policy, if it is the one with this SHA-256. It returns [ErrNotFound] when the
// policy has another module, or none. It sees everything committed up to after.
func (s *Store) PolicyModule(ctx context.Context, tenant, id ID, sum [sha256.Size]byte, after LSN) ([]byte, error) {
	var module []byte
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, getPolicyModuleSQL, id, tenant, hex.EncodeToString(sum[:])).Scan(&module)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get the module of a policy: %w", err)
	}
	return module, nil
}

// appendRule appends the last field of a policy's JSON. The columns are expression, module_sha256 and module_bytes.
func appendRule(dst []byte, row [][]byte) []byte {
	switch {
	case row[0] != nil:
		dst = append(dst, `,"rule":{"kind":"expression","expression":`...)
		dst = appendString(dst, row[0])
		return append(dst, '}')
	case row[1] != nil:
		dst = append(dst, `,"rule":{"kind":"module","sha256":`...)
		dst = appendString(dst, row[1])
		dst = append(dst, `,"bytes":`...)
		dst = strconv.AppendInt(dst, int64(int4(row[2])), 10)
		return append(dst, '}')
	}
	return append(dst, `,"rule":null`...)
}
