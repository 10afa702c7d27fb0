package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// MaxHistoryPoints bounds the costs of one history: [MaxCostDays] for 100 services.
	MaxHistoryPoints = 40_000
	// MaxHistorySeries bounds the pairs of service and currency of one history, because each has an element for each
	// day, with costs or without.
	MaxHistorySeries = 400
	// maxTogether bounds the elements of all answers of a statement: 16 MB. One query has at most a tenth of it.
	maxTogether = 2_000_000
)

// ErrTooManyTogether is returned for queries whose answers are too large for one statement, while that of each alone is
// not.
var ErrTooManyTogether = errors.New("the histories are too large to be read together")

// CostHistoryQuery asks for the daily costs of a tenant in a period of at most [MaxCostDays], by service and currency.
type CostHistoryQuery struct {
	Tenant   ID
	Service  string    // empty for all
	From, To time.Time // the first and the last day
}

// CostHistory are the costs of a service in a currency, an element for each day of the query. A day without costs has
// 0.
type CostHistory struct {
	Service, Currency string
	Daily             []float64
	First, Last       int // the first and the last day that has costs
}

// Each query is a row of its own parameters, so one round trip and one snapshot answer all. Its subquery reads the
// partitions of its period alone.
const costHistoriesSQL = namePrefix + costHistories + `
SELECT q.n, c.date, c.service_name, c.currency, c.cost
  FROM unnest($1::uuid[], $2::text[], $3::date[], $4::date[]) WITH ORDINALITY AS q (tenant, service, since, until, n)
 CROSS JOIN LATERAL (
       SELECT date, service_name, currency, sum(cost)::float8 AS cost FROM cost_data
        WHERE tenant_id = q.tenant AND date >= q.since AND date <= q.until
          AND (q.service = '' OR service_name = q.service)
        GROUP BY date, service_name, currency LIMIT $5
       ) AS c`

// CostHistories answers many queries by one statement, each in the order of services and currencies. It returns
// [ErrTooMany] as the error of a query beyond [MaxHistoryPoints] or [MaxHistorySeries], and [ErrTooManyTogether] for
// all of them, never for a single one. Everything committed up to after is seen.
func (s *Store) CostHistories(ctx context.Context, queries []CostHistoryQuery, after LSN) (found []CostHistories,
	err error,
) {
	tenants, services := make([]ID, len(queries)), make([]string, len(queries))
	since, until := make([]time.Time, len(queries)), make([]time.Time, len(queries))
	for i, q := range queries {
		err := (&CostQuery{From: q.From, To: q.To}).check()
		if err != nil {
			return nil, fmt.Errorf("cost histories: %w", err)
		}
		tenants[i], services[i], since[i], until[i] = q.Tenant, q.Service, q.From, q.To
	}
	err = s.read(ctx, after, func(conn *pgx.Conn) error {
		found = make([]CostHistories, len(queries))
		rows, err := conn.Query(ctx, costHistoriesSQL, tenants, services, since, until, MaxHistoryPoints+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		held := 0
		for rows.Next() {
			var n int
			var day time.Time
			var service, currency string
			var cost float64
			err := rows.Scan(&n, &day, &service, &currency, &cost)
			if err != nil {
				return err
			}
			held += found[n-1].add(&queries[n-1], day, service, currency, cost)
			if held > maxTogether {
				return ErrTooManyTogether
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("cost histories: %w", err)
	}
	for i := range found {
		slices.SortFunc(found[i].All, func(a, b *CostHistory) int {
			return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Currency, b.Currency))
		})
	}
	return found, nil
}

// CostHistories are the answer to one query.
type CostHistories struct {
	All     []*CostHistory
	points  int
	byName  map[[2]string]*CostHistory
	tooMany bool
}

// Err returns [ErrTooMany] where there is more than is allowed; then All is empty.
func (h *CostHistories) Err() error {
	if h.tooMany {
		return ErrTooMany
	}
	return nil
}

// add returns how many elements more are held. What is too much is dropped at once.
func (h *CostHistories) add(q *CostHistoryQuery, day time.Time, service, currency string, cost float64) (held int) {
	if h.tooMany {
		return 0
	}
	h.points++
	days := int(q.To.Sub(q.From)/(24*time.Hour)) + 1
	name := [2]string{service, currency}
	series := h.byName[name]
	if h.points > MaxHistoryPoints || series == nil && len(h.All) == MaxHistorySeries {
		held = -len(h.All) * days
		*h = CostHistories{tooMany: true}
		return held
	}
	at := int(day.Sub(q.From) / (24 * time.Hour))
	if series == nil {
		if h.byName == nil {
			h.byName = map[[2]string]*CostHistory{}
		}
		series = &CostHistory{Service: service, Currency: currency, Daily: make([]float64, days), First: at, Last: at}
		h.byName[name] = series
		h.All = append(h.All, series)
		held = days
	}
	series.Daily[at] = cost
	series.First, series.Last = min(series.First, at), max(series.Last, at)
	return held
}

// The latest events by their positions. Transactions commit in another order, so what follows should ask again for some
// of the events that it has seen.
const recentCostsSQL = namePrefix + recentCosts + `
WITH recent AS MATERIALIZED (
  SELECT position, tenant_id, type FROM events WHERE position > $1 ORDER BY position DESC LIMIT $2
)
SELECT (SELECT coalesce(max(position), $1) FROM recent),
       array(SELECT DISTINCT tenant_id FROM recent WHERE type = 'costs.recorded')`

// TenantsWithNewCosts returns the tenants that recorded costs after a position of the event store, among its latest
// limit events, and the position of the latest.
func (s *Store) TenantsWithNewCosts(ctx context.Context, after int64, limit int) (tenants []ID, latest int64,
	err error,
) {
	err = s.primary.run(ctx, func(conn *pgx.Conn) error {
		return cleaning.transaction(ctx, conn, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, recentCostsSQL, after, limit).Scan(&latest, &tenants)
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("find tenants with new costs: %w", err)
	}
	return tenants, latest, nil
}

// Exclusively runs work unless another instance runs work of the same name, and reports whether it did. Meanwhile it
// holds a lock that ends with its connection, but no transaction. The connection is not one of the pool, which work may
// need to the last.
func (s *Store) Exclusively(ctx context.Context, name string, work func(context.Context) error) (ran bool, err error) {
	var failed error
	err = s.aside(ctx, func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", name).Scan(&ran)
		if err != nil || !ran {
			return err
		}
		failed = work(ctx)
		_, err = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(hashtext($1))", name)
		return err
	})
	if failed != nil {
		return ran, failed
	}
	if err != nil {
		return ran, fmt.Errorf("run %s on one instance alone: %w", name, err)
	}
	return ran, nil
}
