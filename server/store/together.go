package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What belongs to many objects is read by one statement. The results are by the id of the object; those that have
// nothing are not among them.

var groupFormats any = append(resourceFormats.(pgx.QueryResultFormats)[:13:13], pgx.BinaryFormatCode,
	pgx.BinaryFormatCode)

// ResourcesByID returns the JSON of those of the resources that the tenant has. It sees everything committed up to
// after.
func (s *Store) ResourcesByID(ctx context.Context, tenant ID, ids []ID, after LSN) (map[ID][]byte, error) {
	found, err := s.byID(ctx, after, func(found map[ID][]byte, row [][]byte) {
		if isAlive(row) && ID(row[len(row)-1]) == tenant {
			found[ID(row[idColumn])] = appendResource(nil, row)
		}
	}, getGroupSQL, groupFormats, ids)
	if err != nil {
		return nil, fmt.Errorf("get resources: %w", err)
	}
	return found, nil
}

const getPoliciesSQL = namePrefix + getPolicy + `
SELECT ` + policyColumns + ` FROM policies WHERE id = ANY ($1) AND tenant_id = $2 AND deleted_at IS NULL`

// PoliciesByID returns the JSON of those of the policies that the tenant has. It sees everything committed up to after.
func (s *Store) PoliciesByID(ctx context.Context, tenant ID, ids []ID, after LSN) (map[ID][]byte, error) {
	found, err := s.byID(ctx, after, func(found map[ID][]byte, row [][]byte) {
		found[ID(row[0])] = appendPolicy(nil, row)
	}, getPoliciesSQL, policyFormats, ids, tenant)
	if err != nil {
		return nil, fmt.Errorf("get policies: %w", err)
	}
	return found, nil
}

const currentOfManySQL = namePrefix + listCurrentEvaluations + `
SELECT c.* FROM unnest($2::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (SELECT evaluation, resource_id, policy_id, result, evaluated_at FROM policy_evaluations_current
                      WHERE tenant_id = $1 AND resource_id = wanted.id ORDER BY policy_id LIMIT $3) AS c
 ORDER BY c.resource_id, c.policy_id`

// CurrentEvaluationsOf returns, for each of the resources, a JSON array of up to limit of its latest evaluations, by
// ascending id of the policy. It sees everything committed up to after.
func (s *Store) CurrentEvaluationsOf(ctx context.Context, tenant ID, resources []ID, limit int,
	after LSN,
) (map[ID][]byte, error) {
	found, err := s.byID(ctx, after, func(found map[ID][]byte, row [][]byte) {
		of := ID(row[1])
		found[of] = appendEvaluation(another(found[of]), row)
	}, currentOfManySQL, evaluationFormats, tenant, resources, limit)
	if err != nil {
		return nil, fmt.Errorf("list current evaluations of many: %w", err)
	}
	return closed(found), nil
}

const costsOfManySQL = namePrefix + costSeries + `
SELECT date, service_name, cost, currency, resource_id FROM cost_data
 WHERE tenant_id = $1 AND resource_id = ANY ($2::uuid[]) AND date >= $3 AND date <= $4 AND ($5 = '' OR service_name = $5)
 ORDER BY date DESC, service_name LIMIT $6`

var costsOfManyFormats any = append(seriesFormats.(pgx.QueryResultFormats)[:4:4], pgx.BinaryFormatCode)

// CostSeriesOf returns, for each of the resources, what [Store.AppendCostSeries] appends for one. The resource of the
// query means nothing here. It returns [ErrTooMany] beyond [MaxCostPoints] in total.
func (s *Store) CostSeriesOf(ctx context.Context, q CostQuery, resources []ID, after LSN) (map[ID][]byte, error) {
	err := q.check()
	if err != nil {
		return nil, fmt.Errorf("cost series of many: %w", err)
	}
	n := 0
	found, err := s.byID(ctx, after, func(found map[ID][]byte, row [][]byte) {
		if len(found) == 0 {
			n = 0 // another try
		}
		n++
		of := ID(row[4])
		found[of] = appendCostOfDay(another(found[of]), row)
	}, costsOfManySQL, costsOfManyFormats, q.Tenant, resources, q.From, q.To, q.Service, MaxCostPoints+1)
	if err == nil && n > MaxCostPoints {
		err = ErrTooMany
	}
	if err != nil {
		return nil, fmt.Errorf("cost series of many: %w", err)
	}
	return closed(found), nil
}

// another makes room for another element of an array.
func another(array []byte) []byte {
	if array == nil {
		return []byte{'['}
	}
	return append(array, ',')
}

func closed(arrays map[ID][]byte) map[ID][]byte {
	for of, array := range arrays {
		arrays[of] = append(array, ']')
	}
	return arrays
}

// byID calls add for each row of a query. It begins anew for another try.
func (s *Store) byID(ctx context.Context, after LSN, add func(found map[ID][]byte, row [][]byte), sql string,
	args ...any,
) (found map[ID][]byte, err error) {
	err = s.read(ctx, after, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		found = map[ID][]byte{}
		for rows.Next() {
			add(found, rows.RawValues())
		}
		return rows.Err()
	})
	return found, err
}
