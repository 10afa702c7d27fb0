package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// scaleTenant has 931 of every 1,000 rows that loadMany makes; others and deleted ones are the rest.
var scaleTenant = store.ID{15: 1}

// loadManySQL makes resources that are spread as in life: squares and cubes of random numbers make a few subscriptions,
// types, teams and words frequent and most of them rare. A quarter were updated on a full hour, together with others.
const loadManySQL = `
INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location,
                       properties, tags, compliance_status, created_at, updated_at, deleted_at)
SELECT gen_random_uuid(), CASE WHEN i % 20 = 0 THEN md5((i % 9)::text)::uuid ELSE $1 END,
       '/subscriptions/s' || s || '/resourceGroups/rg' || g || '/providers/t' || t || '/n' || i,
       's' || s, 'rg-' || s || '-' || g,
       (ARRAY['vm','st','nic','disk','app'])[1 + t % 5] || '-' || to_char(i::bigint * 7919 % 10000019, 'FM00000000'),
       'Microsoft.Kind/t' || t, 'l' || l,
       jsonb_build_object('description', concat_ws(' ', 'word' || floor(power(random(), 3) * 5000),
         'word' || floor(power(random(), 3) * 5000), 'word' || floor(power(random(), 3) * 5000),
         'word' || floor(power(random(), 3) * 5000), 'word' || floor(power(random(), 3) * 5000),
         'word' || floor(power(random(), 3) * 5000), 'word' || floor(power(random(), 3) * 5000)),
         'sku', 'S' || t % 7, 'padding', repeat(md5(i::text), 10)),
       CASE WHEN i % 20 = 7 THEN '{}' ELSE
         jsonb_build_object('env', (ARRAY['prod','prod','prod','prod','prod','dev','dev','dev','test','sandbox'])[1 + i / 7 % 10],
           'team', 'team' || floor(power(random(), 2) * 40), 'cost', 'cc' || floor(power(random(), 2) * 200))
         || CASE WHEN i % 1000 = 1 THEN '{"rare":"yes"}'::jsonb ELSE '{}' END END,
       (ARRAY['compliant','compliant','compliant','compliant','compliant','compliant','non_compliant','non_compliant','unknown','exempt'])
         [1 + i / 3 % 10],
       timestamptz '2025-06-01' + i * interval '3 seconds', CASE WHEN i % 4 = 0 THEN date_trunc('hour', u) ELSE u END,
       CASE WHEN i % 50 = 49 THEN u END
  FROM (SELECT i, floor(power(random(), 2) * 20)::int AS s, floor(power(random(), 2) * 10)::int AS g,
               floor(power(random(), 2) * 30)::int AS t, floor(power(random(), 2) * 12)::int AS l,
               timestamptz '2026-11-01' - random() * interval '90 days' AS u
          FROM generate_series(1, $2::int) AS i OFFSET 0) AS made`

// loadMany makes a database with n resources and opens a store on it, and a connection without the store's timeouts.
func loadMany(t testing.TB, n int) (*store.Store, *pgx.Conn) {
	t.Helper()
	url := newMigrated(t)
	conn := connect(t, url)
	rows, _ := conn.Query(t.Context(), `SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
		FROM pg_index WHERE indrelid = 'resources'::regclass AND NOT indisprimary`)
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Definition string }])
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range indexes { // built afterwards, they take a third of the time
		mustExec(t, conn, "DROP INDEX "+index.Name)
	}
	mustExec(t, conn, "SELECT setseed(0.42)")
	mustExec(t, conn, loadManySQL, scaleTenant, n)
	mustExec(t, conn, "SET maintenance_work_mem = '256MB'")
	for _, index := range indexes {
		mustExec(t, conn, index.Definition)
	}
	mustExec(t, conn, "VACUUM ANALYZE resources")
	s, err := store.Open(t.Context(), store.Options{URL: url, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, conn
}

// sample is what a client may know of a resource and look for.
type sample struct {
	Subscription, Type, Location, Group, Status, Env, Team, Cost, Words, Name string
	Updated                                                                   time.Time
}

// samples are resources of the tenant, so what is looked for is as frequent as it is there.
func samples(t testing.TB, s *store.Store, n int) []sample {
	t.Helper()
	rows, _ := s.Pool().Query(t.Context(), `SELECT subscription_id, type, location, resource_group_name, compliance_status,
		tags->>'env', tags->>'team', tags->>'cost', properties->>'description', name, updated_at FROM resources
		WHERE tenant_id = $1 AND deleted_at IS NULL AND tags <> '{}' ORDER BY azure_resource_id COLLATE "C" DESC LIMIT $2`, scaleTenant, n)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sample])
	if err != nil || len(all) != n {
		t.Fatalf("%d samples, error %v", len(all), err)
	}
	return all
}

func tag(key, value string) store.Tag {
	return store.Tag{Key: key, Value: value, HasValue: value != ""}
}

var noTags = 0

// shapes are the forms in which a list is requested. index is the one that must answer; empty where that depends on how
// frequent the values are.
var shapes = []struct {
	name, index string
	query       func(r *sample) store.ListQuery
}{
	{"all", "idx_resources_tenant_keyset", func(*sample) store.ListQuery { return store.ListQuery{} }},
	{
		"updated ascending", "idx_resources_tenant_keyset",
		func(*sample) store.ListQuery { return store.ListQuery{Order: store.UpdatedAscending} },
	},
	{
		"name", "idx_resources_name",
		func(*sample) store.ListQuery { return store.ListQuery{Order: store.NameAscending} },
	},
	{
		"name descending", "idx_resources_name",
		func(*sample) store.ListQuery { return store.ListQuery{Order: store.NameDescending} },
	},
	{"since", "idx_resources_tenant_keyset", func(r *sample) store.ListQuery {
		return store.ListQuery{Filter: store.Filter{UpdatedSince: r.Updated.UnixMicro()}, Order: store.UpdatedAscending}
	}},
	{
		"subscription", "idx_resources_subscription_covering",
		by(func(f *store.Filter, r *sample) { f.SubscriptionID = r.Subscription }),
	},
	{"type", "idx_resources_hot_queries", by(func(f *store.Filter, r *sample) { f.Type = r.Type })},
	{
		"type since", "idx_resources_hot_queries",
		by(func(f *store.Filter, r *sample) { f.Type, f.UpdatedSince = r.Type, r.Updated.UnixMicro() }),
	},
	{"location", "idx_resources_location", by(func(f *store.Filter, r *sample) { f.Location = r.Location })},
	{"group", "idx_resources_group", by(func(f *store.Filter, r *sample) { f.ResourceGroup = r.Group })},
	{"status", "idx_compliance_current_status", by(func(f *store.Filter, r *sample) { f.ComplianceStatus = r.Status })},
	{"tag count", "idx_resources_tag_count", by(func(f *store.Filter, _ *sample) { f.TagCount = &noTags })},
	{"subscription, type, location", "idx_resources_multi_filter", by(func(f *store.Filter, r *sample) {
		f.SubscriptionID, f.Type, f.Location = r.Subscription, r.Type, r.Location
	})},
	{"nothing there", "idx_resources_location", by(func(f *store.Filter, _ *sample) { f.Location = "nowhere" })},

	{"subscription, type", "", by(func(f *store.Filter, r *sample) {
		f.SubscriptionID, f.Type = r.Subscription,
			r.Type
	})},
	{"type, status", "", by(func(f *store.Filter, r *sample) { f.Type, f.ComplianceStatus = r.Type, r.Status })},
	{"name in subscription", "", func(r *sample) store.ListQuery {
		return store.ListQuery{Filter: store.Filter{SubscriptionID: r.Subscription}, Order: store.NameAscending}
	}},
	{
		"frequent tag", "idx_resources_tenant_keyset",
		by(func(f *store.Filter, r *sample) { f.Tags = []store.Tag{tag("env", r.Env)} }),
	},
	{
		"frequent tag key", "idx_resources_tenant_keyset",
		by(func(f *store.Filter, _ *sample) { f.Tags = []store.Tag{tag("env", "")} }),
	},
	{"tag of some", "", by(func(f *store.Filter, r *sample) { f.Tags = []store.Tag{tag("team", r.Team)} })},
	{"tag of few", "", by(func(f *store.Filter, r *sample) { f.Tags = []store.Tag{tag("cost", r.Cost)} })},
	{"two tags", "", by(func(f *store.Filter,
		r *sample,
	) {
		f.Tags = []store.Tag{tag("team", r.Team), tag("env", r.Env)}
	})},
	{
		"rare tag", "idx_resources_tags_gin",
		by(func(f *store.Filter, _ *sample) { f.Tags = []store.Tag{tag("rare", "yes")} }),
	},
	{
		"rare tag key", "idx_resources_tags_gin",
		by(func(f *store.Filter, _ *sample) { f.Tags = []store.Tag{tag("rare", "")} }),
	},
	{
		"unknown tag", "idx_resources_tags_gin",
		by(func(f *store.Filter, _ *sample) { f.Tags = []store.Tag{tag("no", "such")} }),
	},
	{"frequent word", "idx_resources_tenant_keyset", by(func(f *store.Filter, _ *sample) { f.Search = "word0" })},
	{"any word", "", by(func(f *store.Filter, r *sample) { f.Search = r.Words[:strings.IndexByte(r.Words, ' ')] })},
	{"three words", "", by(func(f *store.Filter,
		r *sample,
	) {
		f.Search = strings.Join(strings.Split(r.Words, " ")[:3], " ")
	})},
	{"the name", "idx_resources_fulltext", by(func(f *store.Filter, r *sample) { f.Search = `"` + r.Name + `"` })},
	{"unknown word", "idx_resources_fulltext", by(func(f *store.Filter, _ *sample) { f.Search = "nosuchword" })},
}

func by(set func(*store.Filter, *sample)) func(*sample) store.ListQuery {
	return func(r *sample) store.ListQuery {
		var q store.ListQuery
		set(&q.Filter, r)
		return q
	}
}

const scaleLimit = 20

// countAndPlace returns how many resources a list has, up to a limit, and the position from which page 1,000 begins, or
// the last full page when there are fewer; nil when that is the first.
func countAndPlace(t testing.TB, conn *pgx.Conn, q store.ListQuery, limit int) (matches int,
	place *store.ListPosition,
) {
	t.Helper()
	q.Limit = limit - 1
	sql, params, _ := store.ListStatement(&q)
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM ("+sql+") AS whole", params...).Scan(&matches)
	if err != nil {
		t.Fatal(err)
	}
	before := min(999*scaleLimit, matches-matches%scaleLimit-scaleLimit)
	if before <= 0 {
		return matches, nil
	}
	var last store.ListPosition
	var updated time.Time
	at := fmt.Sprintf("SELECT id, name, updated_at FROM (%s) AS whole OFFSET %d LIMIT 1", sql, before-1)
	err = conn.QueryRow(t.Context(), at, params...).Scan(&last.ID, &last.Name, &updated)
	if err != nil {
		t.Fatal(err)
	}
	last.UpdatedAt = updated.UnixMicro()
	return matches, &last
}

// TestListShapesOn100000 holds each shape to the buffers (pages of 8 KB, in memory or not) that its plan may touch, on
// the first page and on page 1,000.
//
// Where one index holds together what matches, in order, it is the descent in the index, and for each resource of the
// page and the one after it an entry and a row. Elsewhere there are two access paths: to walk an index in order until
// the page is full, which looks at (limit+1)/f rows where a fraction f of them matches, or to take all that match from
// an index that has no order, and sort. One suits what is frequent and the other what is rare. The planner must take
// one that costs no more than four times the better of them, which costs at most the square root of (limit+1) times all
// rows. Lists by tags or words have bounds of their own: see boundOfAccessPath.
func TestListShapesOn100000(t *testing.T) {
	t.Parallel()
	const rows = 100_000
	s, direct := loadMany(t, rows)
	conn, err := s.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	whole, _ := countAndPlace(t, direct, store.ListQuery{Tenant: scaleTenant}, rows)
	checkNumberedPages(t, conn.Conn())
	all := samples(t, s, 40)
	checkSummaries(t, conn.Conn(), all[3].Subscription)
	for _, shape := range shapes {
		for _, r := range []*sample{&all[3], &all[31]} {
			q := shape.query(r)
			q.Tenant, q.Limit = scaleTenant, scaleLimit
			matches, place := countAndPlace(t, direct, q, rows)
			checkShape(t, conn.Conn(), &q, shape.name+", page 1", shape.index, matches, whole)
			if place == nil {
				continue
			}
			q.After = place
			checkShape(t, conn.Conn(), &q, shape.name+", page 1,000", shape.index, matches, whole)
			if _, _, kept := store.ListStatement(&q); kept && matches == whole {
				break // every sample asks the same
			}
		}
	}
}

// summaryFields is what idx_resources_subscription_covering covers.
var summaryFields = []string{"id", "name", "type", "location", "resource_group_name", "subscription_id", "updated_at"}

func fieldsOf(t testing.TB, names ...string) (fields store.Fields) {
	t.Helper()
	for _, name := range names {
		more, ok := fields.With(name)
		if !ok {
			t.Fatalf("there is no field %s", name)
		}
		fields = more
	}
	return fields
}

// checkSummaries: a page of summaries of a subscription, and of a part of them, is read from the index alone, which has
// a third of the buffers that the rows take. With another field, it is read from the table.
func checkSummaries(t *testing.T, conn *pgx.Conn, subscription string) {
	t.Helper()
	for name, fields := range map[string]store.Fields{
		"summaries": fieldsOf(t, summaryFields...), "names": fieldsOf(t, "name"),
		"versions": fieldsOf(t, "name", "version"),
	} {
		q := store.ListQuery{
			Tenant: scaleTenant, Limit: scaleLimit, Filter: store.Filter{SubscriptionID: subscription}, Fields: fields,
		}
		sql, params, _ := store.ListStatement(&q)
		for _, generic := range []bool{false, true} {
			plan := analyze(t, conn, sql, params, generic)
			if covered := coveringOnly.MatchString(plan); covered == (name == "versions") {
				t.Errorf("%s: index only %t; generic plan %t:\n%s", name, covered, generic, plan)
			}
			if buffers := buffersOf(t, plan); name != "versions" && buffers > 8 {
				t.Errorf("%s: touches %d buffers; generic plan %t:\n%s", name, buffers, generic, plan)
			}
		}
	}
}

var coveringOnly = regexp.MustCompile(
	`"Node Type": "Index Only Scan"(?s:.*)"Index Name": "idx_resources_subscription_covering"(?s:.*)"Heap Fetches": 0`)

func checkShape(t *testing.T, conn *pgx.Conn, q *store.ListQuery, name, index string, matches, whole int) {
	t.Helper()
	bound := q.Limit + 1 + 12 // 3 or 4 levels, some pages of entries
	sql, params, kept := store.ListStatement(q)
	best, choice, err := store.BestAccessPath(t.Context(), conn, q)
	if err != nil {
		t.Fatal(err)
	}
	walked := (q.Limit + 1) * whole / max(matches, 1)
	switch {
	case choice:
		sql, params, kept = store.AccessPathStatement(q, best)
		bound = boundOfAccessPath(t, name, best == store.Walk, matches, walked)
	case !kept:
		bound = 4*min(matches, walked) + 100
	}
	for _, generic := range []bool{false, true} {
		if generic && !kept {
			break
		}
		plan := analyze(t, conn, sql, params, generic)
		if buffers := buffersOf(t, plan); buffers > bound {
			t.Errorf("%s (%d match): touches %d buffers, more than %d; generic plan %t:\n%s", name, matches, buffers,
				bound, generic, plan)
		}
		if index != "" && !strings.Contains(plan, `"`+index+`"`) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: does not use %s; generic plan %t:\n%s", name, index, generic, plan)
		}
		if kept && strings.Contains(plan, `Sort"`) {
			t.Errorf("%s: sorts; generic plan %t:\n%s", name, generic, plan)
		}
		if choice && best == store.Walk && !indexOnly.MatchString(plan) {
			t.Errorf("%s: the walk is not by the index only; generic plan %t:\n%s", name, generic, plan)
		}
	}
}

var indexOnly = regexp.MustCompile(
	`"Node Type": "Index Only Scan"(?s:.*)"Index Name": "idx_resources_tenant_keyset"(?s:.*)"Heap Fetches": 0`)

// boundOfAccessPath checks that the choice of an access path is right within a factor, and returns how many buffers the
// path may touch.
func boundOfAccessPath(t *testing.T, name string, walks bool, matches, walked int) int {
	t.Helper()
	const found = 5 * (scaleLimit + 1) // each row of the page by its id
	if walks {
		if walked > 32*matches {
			t.Errorf("%s: walks %d entries to gather %d rows", name, walked, matches)
		}
		// At least 60 entries are on a page of the index, twice as many are allowed, as what matches is not evenly
		// spread. One in eight is looked up in vain where a term shares bits with terms that most rows have.
		return walked/30 + 5*walked/8 + found + 50
	}
	if matches > 2*walked {
		t.Errorf("%s: gathers %d rows where a walk of %d entries finds the page", name, matches, walked)
	}
	return matches*5/4 + found + 100 // some are another tenant's
}

// analyze runs the statement of a page and returns its plan.
func analyze(t *testing.T, conn *pgx.Conn, sql string, params []any, generic bool) string {
	t.Helper()
	mode := map[bool]string{false: "force_custom_plan", true: "force_generic_plan"}[generic]
	mustExec(t, conn, "SET plan_cache_mode = "+mode)
	mustExec(t, conn, "PREPARE page AS "+sql)
	defer mustExec(t, conn, "DEALLOCATE page")
	values := make([]string, len(params))
	for i, p := range params {
		values[i] = literal(p)
	}
	return explain(t, conn, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE page("+
		strings.Join(values, ", ")+")")
}

func explain(t *testing.T, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	var plan json.RawMessage
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&plan); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return string(plan)
}

// literal writes a parameter as SQL.
func literal(value any) string {
	text := fmt.Sprint(value)
	switch v := value.(type) {
	case store.ID:
		text = uuid.UUID(v).String()
	case time.Time:
		text = v.Format(time.RFC3339Nano)
	case []string:
		return "ARRAY['" + strings.Join(v, "','") + "']"
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// buffersOf is what the topmost node of a plan counts for all beneath it.
func buffersOf(t *testing.T, plan string) int {
	t.Helper()
	var explained []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(plan), &explained); err != nil || len(explained) != 1 {
		t.Fatalf("%v in %s", err, plan)
	}
	return explained[0].Plan.Hit + explained[0].Plan.Read
}

// checkNumberedPages: a numbered page reads the entries of those before it, and the rows of its own. It goes no deeper
// than 10,000 resources. As many are counted for a total.
func checkNumberedPages(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	q := store.ListQuery{Tenant: scaleTenant, Limit: scaleLimit, Skip: 10_000 - scaleLimit}
	sql, params, _ := store.ListStatement(&q)
	plan := analyze(t, conn, sql, params, false)
	// At least 60 entries a page of the index, and 4 buffers to find each row by its id.
	if bound := 10_000/60 + 5*(q.Limit+1) + 10; buffersOf(t, plan) > bound ||
		!strings.Contains(plan, "Index Only Scan") {
		t.Errorf("%d buffers, want %d at most, by an index only:\n%s", buffersOf(t, plan), bound, plan)
	}
	plan = explain(t, conn, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM "+
		"(SELECT FROM resources WHERE tenant_id = $1 AND deleted_at IS NULL LIMIT 10001) AS matching", scaleTenant)
	if buffersOf(t, plan) > 10_001/60+10 {
		t.Errorf("counting touches %d buffers:\n%s", buffersOf(t, plan), plan)
	}
}

// BenchmarkListShapes takes the time of each shape, from asking the store to having the page as JSON, and reports the
// median and the 95th percentile in milliseconds. What is looked for is that of resources drawn from the tenant, so it
// is as frequent as it is there, and the deep pages are those of TestListShapesOn100000. HEADROOM_LIST_ROWS says how
// many rows there are; a million take two minutes to load:
//
//	HEADROOM_LIST_ROWS=1000000 go test -run '^$' -bench ListShapes -benchtime 400x -timeout 30m ./server/store
func BenchmarkListShapes(b *testing.B) {
	n := 100_000
	if text := os.Getenv("HEADROOM_LIST_ROWS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
	}
	s, direct := loadMany(b, n)
	all := samples(b, s, 40)
	for _, shape := range shapes {
		var first, deep []store.ListQuery
		for i := range all {
			q := shape.query(&all[i])
			q.Tenant, q.Limit = scaleTenant, scaleLimit
			first = append(first, q)
		}
		for _, q := range first[:8] { // each takes a walk through the whole list to find
			_, q.After = countAndPlace(b, direct, q, 1000*scaleLimit)
			deep = append(deep, q)
		}
		b.Run(shape.name+"/page 1", func(b *testing.B) { benchmarkShape(b, s, first) })
		b.Run(shape.name+"/page 1000", func(b *testing.B) { benchmarkShape(b, s, deep) })
	}
}

func benchmarkShape(b *testing.B, s *store.Store, queries []store.ListQuery) {
	buffer := make([]byte, 0, 64<<10)
	took := make([]float64, 0, 1024)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		start := time.Now()
		if _, _, err := s.AppendResources(b.Context(), buffer, queries[n%len(queries)], 0); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start).Seconds()*1000)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "p50-ms")
	b.ReportMetric(took[len(took)*95/100], "p95-ms")
}
