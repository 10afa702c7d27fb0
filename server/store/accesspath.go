package store

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// accessPath is how a list by tags or words alone is found. Each path suits another frequency. The planner knows the
// frequencies, but it does not know the first path and misjudges the cost of the others. So it is only asked for the
// frequencies.
type accessPath uint8

const (
	// walk follows the list's index in order until the page is full. The signatures in the index say which rows can
	// match, so the others are not read. It suits frequent tags and words.
	walk accessPath = iota
	// gather fetches the matching rows of all tenants and sorts those of this one. It suits a tenant that has most of
	// them.
	gather
	// gatherInTenant also searches the index for the tenant, which reads many of the tenant's entries. It suits a
	// tenant that is one of many. The planner may walk through the table instead.
	gatherInTenant
)

// The costs of the access paths, in microseconds, measured on 1,000,000 rows of which a quarter were in shared_buffers.
const (
	walkedCost   = 0.2    // an entry of the list's index, including its share of rows that do not match
	gatheredCost = 1.6    // a row fetched from anywhere in the table
	tenantsCost  = 0.0035 // an entry of the tenant in an index of tags or words
)

// maxWalked is how many index entries a walk visits. Beyond that the frequency differs from what was expected, and
// another path finds the page.
const maxWalked = 50_000

var walkedAtMost = " LIMIT " + strconv.Itoa(maxWalked)

// frequencies are the numbers of resources that the planner expects.
type frequencies struct {
	tenant   float64 // of the tenant
	anywhere float64 // that match, of all tenants
	matching float64 // of the tenant that match
}

// best returns the cheapest access path to so many resources.
func (f frequencies) best(rows int) accessPath {
	walked := min(float64(rows)*f.tenant/max(f.matching, 1), f.tenant)
	if walked <= maxWalked && walked*walkedCost < min(f.gatherCost(), f.inTenantCost()) {
		return walk
	}
	return f.bestGather()
}

func (f frequencies) bestGather() accessPath {
	if f.gatherCost() < f.inTenantCost() {
		return gather
	}
	return gatherInTenant
}

func (f frequencies) gatherCost() float64   { return f.anywhere * gatheredCost }
func (f frequencies) inTenantCost() float64 { return f.tenant*tenantsCost + f.matching*gatheredCost }

// hasAccessPaths reports whether there are access paths to choose from. For other queries one index holds the matching
// rows together, or the planner chooses among several indexes.
func (q *ListQuery) hasAccessPaths() bool {
	f := q.Filter
	if len(f.Tags) == 0 && f.Search == "" || q.Order.ByName() || q.Skip > 0 || choice.MatchString(f.Search) {
		return false
	}
	f.Tags, f.Search = nil, ""
	return f.selectsAll()
}

// choice finds "or" and "-not" in a search. What matches such a search need not contain all words, so signatures do not
// help.
var choice = regexp.MustCompile(`(?i)(^|[^\pL\pN])(-|or([^\pL\pN]|$))`)

// appendByAccessPath appends a page of a list that has access paths to choose from.
func appendByAccessPath(ctx context.Context, conn *pgx.Conn, dst []byte, q *ListQuery) (page []byte, next *ListPosition,
	err error,
) {
	expected, err := expectFrequencies(ctx, conn, q)
	if err != nil {
		return dst, nil, err
	}
	by := expected.best(q.Limit + 1)
	page, next, err = queryPage(ctx, conn, dst, accessPathStatement(q, by), q)
	if err != nil || next != nil || by != walk {
		return page, next, err
	}
	var unseen bool
	b := unseenStatement(q)
	if err := conn.QueryRow(ctx, b.String(), b.args...).Scan(&unseen); err != nil || !unseen {
		return page, nil, err
	}
	return queryPage(ctx, conn, dst, accessPathStatement(q, expected.bestGather()), q)
}

// unseenStatement asks whether a walk may have ended before the list did. Concurrent inserts and deletes change the
// answer a little, so the question is for half of a walk.
func unseenStatement(q *ListQuery) *statement {
	b := newStatement(noFormats, true)
	b.WriteString(namePrefix + listResources + "\nSELECT EXISTS (SELECT FROM resources")
	b.bind(" WHERE tenant_id = ", q.Tenant, " AND deleted_at IS NULL")
	b.beyond(q)
	b.WriteString(orders[q.Order].by + " OFFSET " + strconv.Itoa(maxWalked/2) + ")")
	return b
}

func accessPathStatement(q *ListQuery, by accessPath) *statement {
	switch by {
	case walk:
		return walkStatement(q)
	case gather:
		return gatherStatement(q)
	default:
		return listStatement(q)
	}
}

// unindexedTenant compares the tenant in a form that no index can serve.
const unindexedTenant = " deleted_at IS NULL AND (tenant_id = "

// expectFrequencies asks the planner. Without the tenant's indexes it has few plans to compare, which takes 0.1 ms.
func expectFrequencies(ctx context.Context, conn *pgx.Conn, q *ListQuery) (frequencies, error) {
	b := newStatement(noFormats, false)
	b.WriteString(namePrefix + estimateResources + "\nEXPLAIN (FORMAT JSON) SELECT FROM resources WHERE")
	b.bind(unindexedTenant, q.Tenant, ") IS TRUE")
	b.WriteString(" UNION ALL SELECT FROM resources WHERE deleted_at IS NULL")
	b.conditions(&q.Filter)
	b.WriteString(" UNION ALL SELECT FROM resources WHERE")
	b.bind(unindexedTenant, q.Tenant, ") IS TRUE")
	b.conditions(&q.Filter)
	whole, err := plan(ctx, conn, b)
	if err != nil {
		return frequencies{}, err
	}
	branches := whole.Plans
	if len(branches) != 3 {
		return frequencies{}, fmt.Errorf("the plan of a union of three queries has %d branches", len(branches))
	}
	return frequencies{tenant: branches[0].Rows, anywhere: branches[1].Rows, matching: branches[2].Rows}, nil
}

// walkStatement reads only the list's index, and a row by its id for each entry that can match.
func walkStatement(q *ListQuery) *statement {
	order := &orders[q.Order]
	b := newStatement(resourceFormats, true)
	b.WriteString(namePrefix + listResources + "\nSELECT " + resourceColumns +
		" FROM (SELECT id AS candidate, updated_at AS changed, tag_signature, word_signature FROM resources")
	b.bind(" WHERE tenant_id = ", q.Tenant, " AND deleted_at IS NULL")
	b.beyond(q)
	b.WriteString(order.by + walkedAtMost + ") AS walked CROSS JOIN LATERAL (SELECT " + resourceColumns +
		" FROM resources WHERE id = candidate")
	bits := ""
	if len(q.Filter.Tags) > 0 {
		wanted := b.param(tagTerms(q.Filter.Tags)) + "::text[]"
		b.WriteString(" AND tag_terms @> " + wanted)
		bits += hasBits("tag_signature", "signature64("+wanted+")")
	}
	if q.Filter.Search != "" {
		wanted := "(SELECT websearch_to_tsquery('english', " + b.param(q.Filter.Search) + "))" // once, not for each row
		b.WriteString(" AND search @@ " + wanted)
		bits += hasBits("word_signature", "signature128(required_words("+wanted+"))")
	}
	// OFFSET 0 keeps the planner from also reading the rows that cannot match.
	b.WriteString(" OFFSET 0) AS found WHERE true" + bits + order.walkedBy)
	b.bind(" LIMIT ", q.Limit+1, "")
	return b
}

func hasBits(signature, wanted string) string {
	return " AND " + signature + " & (SELECT " + wanted + ") = (SELECT " + wanted + ")"
}

// gatherStatement sorts only times and ids, and then reads the rows of the page by id.
func gatherStatement(q *ListQuery) *statement {
	order := &orders[q.Order]
	b := newStatement(resourceFormats, false)
	b.WriteString(namePrefix + listResources + "\nSELECT " + resourceColumns +
		" FROM resources JOIN (SELECT id AS on_page FROM resources WHERE")
	b.bind(unindexedTenant, q.Tenant, ") IS TRUE")
	b.conditions(&q.Filter)
	b.beyond(q)
	b.WriteString(order.by)
	b.bind(" LIMIT ", q.Limit+1, ") AS page ON id = on_page")
	b.WriteString(order.by)
	return b
}
