package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// How many resources are counted exactly. Where an index holds the matches together, these are some hundred index
// pages; otherwise every match can be a page of the table.
const (
	maxCounted        = 10_000
	maxCountedScanned = 1_000
)

// Total is the number of resources that match a filter.
type Total struct {
	Resources int64
	Exact     bool // counted; otherwise the planner's estimate
}

// CountResources counts the resources that match a filter, up to 10,000, or up to 1,000 where no single index holds
// them together. Beyond that it estimates. It sees everything committed up to after.
func (s *Store) CountResources(ctx context.Context, tenant ID, f Filter, after LSN) (Total, error) {
	if !f.possible() {
		return Total{Exact: true}, nil
	}
	limit := maxCounted
	if !f.indexed() {
		limit = maxCountedScanned
	}
	b := newStatement(noFormats, f.indexed())
	b.WriteString(namePrefix + countResources + "\nSELECT count(*) FROM (SELECT FROM resources")
	b.where(tenant, &f)
	b.bind(" LIMIT ", limit+1, ") AS matching")
	var counted int64
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, b.String(), b.args...).Scan(&counted)
	})
	switch {
	case err != nil:
		return Total{}, fmt.Errorf("count resources: %w", err)
	case counted <= int64(limit):
		return Total{Resources: counted, Exact: true}, nil
	}
	total, err := s.EstimateResources(ctx, tenant, f, after)
	total.Resources = max(total.Resources, counted) // at least this many exist
	return total, err
}

// EstimateResources returns how many resources the planner expects a filter to match, without reading any. It can be
// far off for correlated conditions or rare values.
func (s *Store) EstimateResources(ctx context.Context, tenant ID, f Filter, after LSN) (Total, error) {
	if !f.possible() {
		return Total{Exact: true}, nil
	}
	b := newStatement(noFormats, false)
	b.WriteString(namePrefix + estimateResources + "\nEXPLAIN (FORMAT JSON) SELECT FROM resources")
	b.where(tenant, &f)
	var whole planNode
	err := s.read(ctx, after, func(conn *pgx.Conn) (err error) {
		whole, err = plan(ctx, conn, b)
		return err
	})
	if err != nil {
		return Total{}, fmt.Errorf("estimate resources: %w", err)
	}
	return Total{Resources: int64(whole.Rows)}, nil
}

// planNode is as much of a plan as is looked at.
type planNode struct {
	Rows  float64 `json:"Plan Rows"`
	Plans []planNode
}

// plan asks the planner for its plan of a statement that begins with EXPLAIN (FORMAT JSON).
func plan(ctx context.Context, conn *pgx.Conn, explain *statement) (planNode, error) {
	var text []byte
	if err := conn.QueryRow(ctx, explain.String(), explain.args...).Scan(&text); err != nil {
		return planNode{}, err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(text, &plans); err != nil {
		return planNode{}, fmt.Errorf("read a plan: %w", err)
	}
	if len(plans) != 1 {
		return planNode{}, fmt.Errorf("there are %d plans of one statement", len(plans))
	}
	return plans[0].Plan, nil
}
