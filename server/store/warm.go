package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// The sizes come from the materialized view, so that no resource is counted for this. Where it was never refreshed the
// tenants that changed most stand in.
const largestTenantsSQL = namePrefix + largestTenants + `
SELECT v.tenant_id
  FROM tenant_versions v
  LEFT JOIN (SELECT tenant_id, sum(total_resources) AS resources FROM mv_compliance_summary GROUP BY tenant_id) s USING (tenant_id)
 ORDER BY s.resources DESC NULLS LAST, v.version DESC, v.tenant_id
 LIMIT $1`

// LargestTenants returns the n tenants with the most resources, largest first. It sees everything committed up to
// after.
func (s *Store) LargestTenants(ctx context.Context, n int, after LSN) ([]ID, error) {
	var tenants []ID
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		return warming.transaction(ctx, conn, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, largestTenantsSQL, n)
			if err != nil {
				return err
			}
			tenants, err = pgx.CollectRows(rows, pgx.RowTo[ID])
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("find the largest tenants: %w", err)
	}
	return tenants, nil
}

// Each tenant's newest come from the index of its list.
const recentResourcesSQL = namePrefix + recentResources + `
SELECT r.tenant_id, r.id
  FROM unnest($1::uuid[]) AS t (id)
 CROSS JOIN LATERAL (SELECT tenant_id, id, updated_at FROM resources
                      WHERE tenant_id = t.id AND deleted_at IS NULL
                      ORDER BY updated_at DESC, id DESC LIMIT $2) AS r
 ORDER BY r.updated_at DESC, r.id DESC
 LIMIT $2`

// RecentResources returns the n most recently updated resources of some tenants, newest first. It sees everything
// committed up to after.
func (s *Store) RecentResources(ctx context.Context, tenants []ID, n int, after LSN) ([]TenantResource, error) {
	var found []TenantResource
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		return warming.transaction(ctx, conn, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, recentResourcesSQL, tenants, n)
			if err != nil {
				return err
			}
			found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r TenantResource, err error) {
				return r, row.Scan(&r.Tenant, &r.Resource)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("find the resources that were updated last: %w", err)
	}
	return found, nil
}
