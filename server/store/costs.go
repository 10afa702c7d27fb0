package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// MaxCostDays bounds the period of a cost query, in days: a leap year and the same month of the previous year.
	MaxCostDays = 397
	// MaxCostPoints bounds a time series: MaxCostDays for 25 services.
	MaxCostPoints = 10_000
)

// ErrTooMany is returned when a result would exceed [MaxCostPoints] rows.
var ErrTooMany = errors.New("too many rows")

// Cost is the cost of a service of a resource on one day. All fields except the currency are required.
type Cost struct {
	ResourceID  uuid.UUID `json:"resource_id"`
	ServiceName string    `json:"service_name"`
	Date        string    `json:"date"` // 2006-01-02
	// up to ten digits before the point and four behind it; negative for a credit
	Cost     json.Number `json:"cost"`
	Currency string      `json:"currency"` // ISO 4217; USD when it is missing
}

func (c *Cost) faults(kept period) (faults faultList) {
	if c.ResourceID == uuid.Nil {
		faults.add("resource_id", "is missing")
	}
	faults.text("service_name", c.ServiceName)
	switch date, err := time.Parse(time.DateOnly, c.Date); {
	case err != nil:
		faults.add("date", fmt.Sprintf("is %.20q; it must be a day such as 2026-01-31", c.Date))
	case date.Before(kept.from) || !date.Before(kept.until):
		faults.add("date", fmt.Sprintf("is %s; costs are kept from %s to before %s", c.Date,
			kept.from.Format(time.DateOnly), kept.until.Format(time.DateOnly)))
	}
	if !isAmount(c.Cost.String()) {
		faults.add("cost", fmt.Sprintf("is %.40q; it must be a number with up to ten digits before the point and "+
			"four behind it", c.Cost))
	}
	if c.Currency != "" && !isCurrency(c.Currency) {
		faults.add("currency", fmt.Sprintf("is %.10q; it must be three capital letters, such as USD", c.Currency))
	}
	return faults
}

// isAmount reports whether s is a number that numeric(14,4) keeps as it is.
func isAmount(s string) bool {
	whole, fraction, pointed := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	digits := func(s string, most int) bool {
		return len(s) > 0 && len(s) <= most && strings.Trim(s, "0123456789") == ""
	}
	return digits(whole, 10) && (!pointed || digits(fraction, 4))
}

func isCurrency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// currency returns c's, or the default.
func (c *Cost) currency() string { return cmp.Or(c.Currency, "USD") }

// The rows go in by one order of the key, so that two batches with the same rows cannot wait for each other. What
// changed is one event for a batch, with a stream of its own: one of the tenant or of a month would make all its
// batches wait for each other.
const upsertCostsSQL = namePrefix + upsertCosts + `
WITH input AS MATERIALIZED (
  SELECT resource_id, service_name, date::date, cost::numeric, currency, number
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
      WITH ORDINALITY AS i (resource_id, service_name, date, cost, currency, number)
), missing AS MATERIALIZED (
  SELECT number - 1 AS index FROM input LEFT JOIN resources r ON r.id = resource_id AND r.tenant_id = $1 WHERE r.id IS NULL
), changed AS (
  INSERT INTO cost_data AS c (tenant_id, resource_id, service_name, date, cost, currency)
  SELECT $1, resource_id, service_name, date, cost, currency FROM input WHERE NOT EXISTS (SELECT FROM missing)
   ORDER BY date, resource_id, service_name
  ON CONFLICT (tenant_id, date, resource_id, service_name) DO UPDATE
     SET cost = EXCLUDED.cost, currency = EXCLUDED.currency
   WHERE (c.cost, c.currency) <> (EXCLUDED.cost, EXCLUDED.currency)
  RETURNING date, resource_id
), event AS (
  INSERT INTO events (tenant_id, stream_id, version, type, payload)
  SELECT $1, $7, 1, 'costs.recorded', jsonb_build_object('costs', count(*), 'resources', count(DISTINCT resource_id), 'from', min(date), 'to', max(date))
    FROM changed HAVING count(*) > 0
)
SELECT index, true FROM missing ORDER BY index`

// UpsertCosts stores 1 to [MaxBatch] costs of a tenant, all or none. A cost replaces one of the same resource, service
// and day. A batch with a fault is refused by a [*ValidationError]. The resource may be deleted, because its last costs
// arrive after its deletion. A batch that changes something leaves one event.
func (s *Store) UpsertCosts(ctx context.Context, tenant ID, costs []Cost) (LSN, error) {
	if len(costs) == 0 || len(costs) > MaxBatch {
		return 0, fmt.Errorf("upsert costs: a batch has 1 to %d costs, not %d", MaxBatch, len(costs))
	}
	if err := refusal(s.CostFaults(costs)); err != nil {
		return 0, err
	}
	args := costArguments(tenant, costs)
	var faults []Fault
	at, err := s.write(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, upsertCostsSQL, args...)
		if err != nil {
			return err
		}
		faults, err = missingFaults(rows, "resource")
		return err
	})
	if err != nil {
		err = s.eachFault(ctx, len(costs), err, func(conn *pgx.Conn, i int) error {
			_, err := conn.Exec(ctx, upsertCostsSQL, costArguments(tenant, costs[i:i+1])...)
			return err
		})
		return 0, fmt.Errorf("upsert costs: %w", err)
	}
	return at, refusal(faults)
}

// CostFaults returns every fault of a batch that can be found without the database. Duplicate keys are faults too,
// because an upsert cannot change a row twice.
func (s *Store) CostFaults(costs []Cost) []Fault {
	type key struct {
		resource      uuid.UUID
		service, date string
	}
	var faults []Fault
	kept, seen := s.keptCosts(time.Now()), make(map[key]int, len(costs))
	for i := range costs {
		c := &costs[i]
		faults = append(faults, c.faults(kept).at(i)...)
		k := key{c.ResourceID, c.ServiceName, c.Date}
		if first, twice := seen[k]; twice {
			faults = append(faults, Fault{
				Index:   i,
				Message: fmt.Sprintf("has the resource, service and date of index %d", first),
			})
			continue
		}
		seen[k] = i
	}
	return faults
}

func costArguments(tenant ID, costs []Cost) []any {
	resources := make([]ID, len(costs))
	var columns [4][]string
	for c := range columns {
		columns[c] = make([]string, len(costs))
	}
	for i := range costs {
		c := &costs[i]
		resources[i] = c.ResourceID
		columns[0][i], columns[1][i], columns[2][i], columns[3][i] = c.ServiceName, c.Date, c.Cost.String(),
			c.currency()
	}
	return []any{tenant, resources, columns[0], columns[1], columns[2], columns[3], newID()}
}

// CostQuery asks for a tenant's costs in a period of at most [MaxCostDays].
type CostQuery struct {
	Tenant   ID
	Resource ID        // for a series alone
	Service  string    // empty for all services
	From, To time.Time // the first and the last day
	Monthly  bool      // for totals alone: by months instead of days
}

func (q *CostQuery) check() error {
	switch days := int(q.To.Sub(q.From).Hours()/24) + 1; {
	case days < 1:
		return errors.New("the period ends before it begins")
	case days > MaxCostDays:
		return fmt.Errorf("the period has %d days; at most %d are allowed", days, MaxCostDays)
	}
	return nil
}

// seriesFormats and totalsFormats: a date in binary, a numeric as text, which makes it a JSON number.
var (
	seriesFormats any = pgx.QueryResultFormats{
		pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.TextFormatCode, pgx.BinaryFormatCode,
	}
	totalsFormats any = pgx.QueryResultFormats{
		pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.TextFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	}
)

func seriesStatement(q *CostQuery) (sql string, args []any) {
	b := statement{args: []any{seriesFormats, q.Tenant, q.Resource, q.From, q.To}}
	b.WriteString(namePrefix + costSeries + `
SELECT date, service_name, cost, currency FROM cost_data
 WHERE tenant_id = $1 AND resource_id = $2 AND date >= $3 AND date <= $4`)
	b.equals(" AND service_name = ", q.Service)
	b.WriteString(" ORDER BY date DESC, service_name")
	b.bind(" LIMIT ", MaxCostPoints+1, "")
	return b.String(), b.args
}

// AppendCostSeries appends the costs of a resource by day and service, latest day first, as a JSON array to dst. It
// returns [ErrTooMany] beyond [MaxCostPoints]. It sees everything committed up to after.
func (s *Store) AppendCostSeries(ctx context.Context, dst []byte, q CostQuery, after LSN) ([]byte, error) {
	if err := q.check(); err != nil {
		return dst, fmt.Errorf("cost series: %w", err)
	}
	sql, args := seriesStatement(&q)
	return s.appendCosts(ctx, dst, after, "cost series", sql, args, appendCostOfDay)
}

func appendCostOfDay(dst []byte, row [][]byte) []byte {
	dst = append(dst, `{"date":"`...)
	dst = appendDate(dst, row[0])
	dst = append(dst, '"')
	dst = appendCost(dst, row[1:])
	return append(dst, '}')
}

// The unit is part of the text, not bound: it makes two statements, each with a plan of its own.
func totalsStatement(q *CostQuery) (sql string, args []any) {
	b := statement{args: []any{totalsFormats, q.Tenant, q.From, q.To}}
	period := "date"
	if q.Monthly {
		period = "date_trunc('month', date::timestamp)::date"
	}
	b.WriteString(namePrefix + costTotals + `
SELECT ` + period + ` AS period, service_name, sum(cost), currency, count(DISTINCT resource_id) FROM cost_data
 WHERE tenant_id = $1 AND date >= $2 AND date <= $3`)
	b.equals(" AND service_name = ", q.Service)
	b.WriteString(" GROUP BY period, service_name, currency ORDER BY period DESC, service_name, currency")
	b.bind(" LIMIT ", MaxCostPoints+1, "")
	return b.String(), b.args
}

// AppendCostTotals appends the costs of all resources of a tenant by day or month, service and currency, latest period
// first, as a JSON array to dst. A month contains only the days within the period of the query. Errors and after are as
// for [Store.AppendCostSeries].
func (s *Store) AppendCostTotals(ctx context.Context, dst []byte, q CostQuery, after LSN) ([]byte, error) {
	if err := q.check(); err != nil {
		return dst, fmt.Errorf("cost totals: %w", err)
	}
	sql, args := totalsStatement(&q)
	return s.appendCosts(ctx, dst, after, "cost totals", sql, args, func(dst []byte, row [][]byte) []byte {
		dst = append(dst, `{"period":"`...)
		dst = appendDate(dst, row[0])
		if q.Monthly {
			dst = dst[:len(dst)-len("-01")]
		}
		dst = append(dst, '"')
		dst = appendCost(dst, row[1:])
		dst = append(dst, `,"resources":`...)
		dst = strconv.AppendInt(dst, bigint(row[4]), 10)
		return append(dst, '}')
	})
}

func (s *Store) appendCosts(ctx context.Context, dst []byte, after LSN, what, sql string, args []any,
	appendRow func([]byte, [][]byte) []byte,
) ([]byte, error) {
	body, n, err := s.appendArray(ctx, dst, after, MaxCostPoints, appendRow, sql, args...)
	if err == nil && n > MaxCostPoints {
		err = ErrTooMany
	}
	if err != nil {
		return dst, fmt.Errorf("%s: %w", what, err)
	}
	return body, nil
}

// appendCost appends service, cost and currency.
func appendCost(dst []byte, row [][]byte) []byte {
	dst = append(dst, `,"service_name":`...)
	dst = appendString(dst, row[0])
	dst = append(dst, `,"cost":`...)
	dst = append(dst, row[1]...)
	dst = append(dst, `,"currency":`...)
	return appendString(dst, row[2])
}

// appendDate reads a binary date: days since 2000-01-01.
func appendDate(dst, date []byte) []byte {
	return time.Date(2000, 1, 1+int(int4(date)), 0, 0, 0, 0, time.UTC).AppendFormat(dst, time.DateOnly)
}
