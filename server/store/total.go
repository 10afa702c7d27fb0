package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// How many resources are counted one by one. Where an index holds what matches together that is some hundred of its
// pages; elsewhere every match is a page of the table.
const (
	maxCounted        = 10_000
	maxCountedScanned = 1_000
)

// Total is the number of resources that match a filter.
type Total struct {
	Resources int64
	Exact     bool // counted; else it is what the planner expects from the table's statistics
}

// CountResources counts what matches a filter if that are at most 10,000 resources, or 1,000 where no single index has
// them together; if there are more it estimates. It sees everything that was committed up to after.
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
	total.Resources = max(total.Resources, counted) // so many there are at least
	return total, err
}

// EstimateResources returns how many resources the planner expects a filter to match. It reads no resource. Where
// conditions depend on each other, or values are rare, it can be wrong by far.
func (s *Store) EstimateResources(ctx context.Context, tenant ID, f Filter, after LSN) (Total, error) {
	if !f.possible() {
		return Total{Exact: true}, nil
	}
	b := newStatement(noFormats, false)
	b.WriteString(namePrefix + estimateResources + "\nEXPLAIN (FORMAT JSON) SELECT FROM resources")
	b.where(tenant, &f)
	var plan []byte
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, b.String(), b.args...).Scan(&plan)
	})
	if err != nil {
		return Total{}, fmt.Errorf("estimate resources: %w", err)
	}
	rows, err := plannedRows(plan)
	if err != nil {
		return Total{}, fmt.Errorf("estimate resources: %w", err)
	}
	return Total{Resources: rows}, nil
}

// plannedRows finds the rows of the topmost node, which is the first one.
func plannedRows(plan []byte) (int64, error) {
	_, rest, found := bytes.Cut(plan, []byte(`"Plan Rows": `))
	digits, _, ended := bytes.Cut(rest, []byte(","))
	if !found || !ended {
		return 0, errors.New("the plan has no number of rows")
	}
	return strconv.ParseInt(string(digits), 10, 64)
}
