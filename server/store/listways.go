package store

import (
	"context"
	"errors"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// A list by tags or words alone can be found in different ways, each of which suits another frequency. The planner knows
// the frequencies, but neither the first way nor what the others cost, so it is asked for the frequencies only.
type way uint8

const (
	// walk goes through the list in its order until the page is full, by the index alone, whose signatures say which
	// rows can match. It suits what is frequent.
	walk way = iota
	// gather fetches the rows of all tenants that match and sorts those of this one: for a tenant that has most of them.
	gather
	// gatherInTenant lets the index look for the tenant, too, which has to read a good part of what it keeps of the
	// tenant: for a tenant that is one of many. The planner may walk by the table instead.
	gatherInTenant
)

// What the ways cost, in microseconds, as measured on 1,000,000 rows of which a quarter were in shared_buffers.
const (
	walkedCost   = 0.2    // an entry of the list's index, with the rows that are read in vain
	gatheredCost = 1.6    // a row that is fetched from wherever it is in the table
	tenantsCost  = 0.0035 // an entry of the tenant in an index of tags or words
)

// maxWalked is how far a walk goes. Beyond it the frequency is not what was expected, and the page is found otherwise.
const maxWalked = 50_000

var walkedAtMost = " LIMIT " + strconv.Itoa(maxWalked)

// frequencies are numbers of resources that the planner expects.
type frequencies struct {
	tenant   float64 // of the tenant
	anywhere float64 // that match, whosever they are
	matching float64 // of the tenant, that match
}

// best returns the cheapest way to so many resources.
func (f frequencies) best(rows int) way {
	walked := min(float64(rows)*f.tenant/max(f.matching, 1), f.tenant)
	if walked <= maxWalked && walked*walkedCost < min(f.gatherCost(), f.inTenantCost()) {
		return walk
	}
	return f.bestGather()
}

func (f frequencies) bestGather() way {
	if f.gatherCost() < f.inTenantCost() {
		return gather
	}
	return gatherInTenant
}

func (f frequencies) gatherCost() float64   { return f.anywhere * gatheredCost }
func (f frequencies) inTenantCost() float64 { return f.tenant*tenantsCost + f.matching*gatheredCost }

// hasWays reports whether there are ways to choose from. Elsewhere one index has what matches together, or the planner
// chooses among those that have some of it.
func (q *ListQuery) hasWays() bool {
	f := q.Filter
	if len(f.Tags) == 0 && f.Search == "" || q.Order.ByName() || q.Skip > 0 || choice.MatchString(f.Search) {
		return false
	}
	f.Tags, f.Search = nil, ""
	return f.selectsAll()
}

// choice finds "or" and "-not" in a search: what matches it need not have all of the words, so that no signature says what
// can match.
var choice = regexp.MustCompile(`(?i)(^|[^\pL\pN])(-|or([^\pL\pN]|$))`)

// appendByWay appends a page of a list that has ways.
func appendByWay(ctx context.Context, conn *pgx.Conn, dst []byte, q *ListQuery) (page []byte, next *Position, err error) {
	expected, err := expectFrequencies(ctx, conn, q)
	if err != nil {
		return dst, nil, err
	}
	by := expected.best(q.Limit + 1)
	page, next, err = queryPage(ctx, conn, dst, wayStatement(q, by), q)
	if err != nil || next != nil || by != walk {
		return page, next, err
	}
	var unseen bool
	b := unseenStatement(q)
	if err := conn.QueryRow(ctx, b.String(), b.args...).Scan(&unseen); err != nil || !unseen {
		return page, nil, err
	}
	return queryPage(ctx, conn, dst, wayStatement(q, expected.bestGather()), q)
}

// unseenStatement asks whether a walk may have ended before the list did. What others insert or delete after the walk makes
// a difference to the answer, so half of a walk must be left.
func unseenStatement(q *ListQuery) *statement {
	b := newStatement(noFormats, true)
	b.WriteString(namePrefix + listResources + "\nSELECT EXISTS (SELECT FROM resources")
	b.bind(" WHERE tenant_id = ", q.Tenant, " AND deleted_at IS NULL")
	b.beyond(q)
	b.WriteString(orders[q.Order].by + " OFFSET " + strconv.Itoa(maxWalked/2) + ")")
	return b
}

func wayStatement(q *ListQuery, by way) *statement {
	switch by {
	case walk:
		return walkStatement(q)
	case gather:
		return gatherStatement(q)
	default:
		return listStatement(q)
	}
}

// A tenant that is compared in this form is looked for in no index.
const unindexedTenant = " deleted_at IS NULL AND (tenant_id = "

// expectFrequencies asks the planner. Without indexes of the tenant it has few plans to compare, which takes 0.1 ms.
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
	parts := whole.Plans
	if len(parts) != 3 {
		return frequencies{}, errors.New("the plan of three queries has not three parts")
	}
	return frequencies{tenant: parts[0].Rows, anywhere: parts[1].Rows, matching: parts[2].Rows}, nil
}

// walkStatement reads nothing but the index of the list for what cannot match, and for what can a row by its id.
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
	// OFFSET 0 keeps the planner from reading the rows of what cannot match, too.
	b.WriteString(" OFFSET 0) AS found WHERE true" + bits + order.walkedBy)
	b.bind(" LIMIT ", q.Limit+1, "")
	return b
}

func hasBits(signature, wanted string) string {
	return " AND " + signature + " & (SELECT " + wanted + ") = (SELECT " + wanted + ")"
}

// gatherStatement sorts nothing but times and ids, and reads the rows of the page by these.
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
