package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrRefreshing is returned while any instance refreshes the compliance summary.
var ErrRefreshing = errors.New("the compliance summary is already being refreshed")

// ComplianceQuery asks for a tenant's compliance summary; an empty field selects all.
type ComplianceQuery struct {
	Tenant         ID
	SubscriptionID string
	Type           string
}

var complianceFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
}

// The age of the view is read by the same statement as its rows: another one could see a later refresh. It gives a row
// also when the view has none of the tenant's.
func complianceStatement(q *ComplianceQuery) (sql string, args []any) {
	b := statement{args: []any{complianceFormats, q.Tenant}}
	b.WriteString(namePrefix + complianceSummary + `
SELECT age.refreshed_at, subscription_id, resource_type, total_resources, evaluated_resources, compliant_resources,
       non_compliant_resources, exempt_resources
  FROM (SELECT max(refreshed_at) AS refreshed_at FROM mv_refresh_log WHERE view = 'mv_compliance_summary') AS age
  LEFT JOIN mv_compliance_summary ON tenant_id = $1`)
	b.equals(" AND subscription_id = ", q.SubscriptionID)
	b.equals(" AND resource_type = ", q.Type)
	b.WriteString(" ORDER BY subscription_id, resource_type")
	return b.String(), b.args
}

// AppendComplianceSummary appends a JSON object to dst: data with the counts per subscription and resource type, total
// with their sums, and refreshed_at, the time of the counts, which is null before the first refresh. It sees every
// refresh committed up to after.
func (s *Store) AppendComplianceSummary(ctx context.Context, dst []byte, q ComplianceQuery, after LSN) ([]byte, error) {
	sql, args := complianceStatement(&q)
	body := dst
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		body = appendCompliance(dst, rows)
		return rows.Err()
	})
	if err != nil {
		return dst, fmt.Errorf("compliance summary: %w", err)
	}
	return body, nil
}

func appendCompliance(dst []byte, rows pgx.Rows) []byte {
	defer rows.Close()
	var total complianceCounts
	var refreshed [8]byte
	known, first := false, true
	dst = append(dst, `{"data":[`...)
	for rows.Next() {
		row := rows.RawValues()
		known = row[0] != nil
		copy(refreshed[:], row[0])
		if row[1] == nil { // the view has nothing of this tenant's
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var counts complianceCounts
		for i := range counts {
			counts[i] = bigint(row[3+i])
			total[i] += counts[i]
		}
		dst = append(dst, `{"subscription_id":`...)
		dst = appendString(dst, row[1])
		dst = append(dst, `,"resource_type":`...)
		dst = appendString(dst, row[2])
		dst = append(dst, ',')
		dst = counts.append(dst)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"total":{`...)
	dst = total.append(dst)
	dst = append(dst, `},"refreshed_at":`...)
	if !known {
		return append(dst, "null}"...)
	}
	dst = append(dst, '"')
	dst = appendTime(dst, refreshed[:])
	return append(dst, `"}`...)
}

// complianceCounts are numbers of resources: all, evaluated, compliant, non-compliant, exempt.
type complianceCounts [5]int64

func (c *complianceCounts) append(dst []byte) []byte {
	for i, name := range [...]string{
		`"total_resources":`, `,"evaluated_resources":`, `,"compliant_resources":`, `,"non_compliant_resources":`,
		`,"exempt_resources":`,
	} {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, c[i], 10)
	}
	dst = append(dst, `,"compliance_percentage":`...)
	evaluated, fulfilled := c[1], c[2]+c[4]
	if evaluated == 0 {
		return append(dst, "null"...)
	}
	return appendHundredths(dst, (20_000*fulfilled+evaluated)/(2*evaluated)) // rounded as numeric is: half up
}

func appendHundredths(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n/100, 10)
	return append(dst, '.', byte('0'+n/10%10), byte('0'+n%10))
}

const refreshComplianceSQL = namePrefix + refreshCompliance + `
SELECT refresh_compliance_summary()`

// Refreshed describes a refresh.
type Refreshed struct {
	At   time.Time     // the summary contains everything committed before
	Took time.Duration // until the summary was complete
}

// RefreshComplianceSummary refreshes the summary of all tenants without blocking readers. It returns [ErrRefreshing]
// while another refresh runs.
func (s *Store) RefreshComplianceSummary(ctx context.Context) (done Refreshed, at LSN, err error) {
	at, err = s.write(ctx, func(conn *pgx.Conn) error {
		return refreshing.transaction(ctx, conn, func(tx pgx.Tx) error {
			var refreshed bool
			if err := tx.QueryRow(ctx, refreshComplianceSQL).Scan(&refreshed); err != nil {
				return err
			}
			if !refreshed {
				return ErrRefreshing
			}
			return tx.QueryRow(ctx, "SELECT refreshed_at, took FROM mv_refresh_log WHERE view = "+
				"'mv_compliance_summary'").
				Scan(&done.At, &done.Took)
		})
	})
	if err != nil {
		return Refreshed{}, 0, fmt.Errorf("refresh the compliance summary: %w", err)
	}
	return done, at, nil
}

// ComplianceSummaryAge returns the age of the summary by the primary's clock; known is false before the first refresh.
func (s *Store) ComplianceSummaryAge(ctx context.Context) (age time.Duration, known bool, err error) {
	var seconds *float64
	_, err = s.write(ctx, func(conn *pgx.Conn) error { // the primary knows best
		return conn.QueryRow(ctx, `SELECT extract(epoch FROM clock_timestamp() - max(refreshed_at))::float8
			FROM mv_refresh_log WHERE view = 'mv_compliance_summary'`).Scan(&seconds)
	})
	if err != nil {
		return 0, false, fmt.Errorf("age of the compliance summary: %w", err)
	}
	if seconds == nil {
		return 0, false, nil
	}
	return time.Duration(*seconds * float64(time.Second)), true, nil
}
