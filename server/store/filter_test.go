package store_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// A filter and the column that it looks at are written by two languages; each tag must find its resource and no other,
// also where the bytes of key and value are the same together, and where they are too many for an entry of the index.
func TestATagFindsItsResourcesOnly(t *testing.T) {
	s, conn, tenant := openStore(t), connect(t, postgresURL(t)), newID()
	long := strings.Repeat("long ", 1000)
	tags := []store.Tag{
		{Key: "a", Value: "bc"},
		{Key: "ab", Value: "c"},
		{Key: "abc", Value: ""},
		{Key: "", Value: "abc"},
		{Key: "1:a", Value: "b"},
		{Key: ":a", Value: "b"},
		{Key: "é\U0001f600", Value: "\"\\\n{,}'"},
		{Key: "é", Value: "\U0001f600\"\\\n{,}'"},
		{Key: "long", Value: long + "1"},
		{Key: "long", Value: long + "2"},
		{Key: long + "3"},
		{Key: long + "4", Value: long},
		{Key: "k", Value: strings.Repeat("v", 253)},
		{Key: "k", Value: strings.Repeat("v", 254)},
		{Key: "NULL", Value: "NULL"},
	}
	for i, tag := range tags { // by SQL: the store takes strings only, and shorter ones
		mustExec(t, conn, `INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location, tags)
			VALUES (gen_random_uuid(), $1, $2, 's', 'g', $2, 't', 'l', jsonb_build_object($3::text, $4::text))`,
			tenant, strconv.Itoa(i), tag.Key, tag.Value)
	}
	mustExec(t, conn, `INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location, tags)
		VALUES (gen_random_uuid(), $1, 'n', 's', 'g', 'n', 't', 'l', '{"number": 5, "none": null, "list": ["a"]}')`, tenant)
	for _, tag := range append(tags, store.Tag{Key: "number", Value: "5"}, store.Tag{Key: "none"},
		store.Tag{Key: "list", Value: `["a"]`}) {
		for _, tag.HasValue = range []bool{false, true} {
			where, args := "tags ? $2", []any{tenant, tag.Key}
			if tag.HasValue {
				where, args = "tags @> jsonb_build_object($2::text, $3::text)", append(args, tag.Value)
			}
			rows, _ := conn.Query(t.Context(),
				"SELECT id FROM resources WHERE tenant_id = $1 AND "+where+" ORDER BY updated_at DESC, id DESC",
				args...)
			want, err := pgx.CollectRows(rows, pgx.RowTo[store.ID])
			if err != nil {
				t.Fatal(err)
			}
			got := walk(t, s, store.ListQuery{Tenant: tenant, Filter: store.Filter{Tags: []store.Tag{tag}}, Limit: 10})
			if !slices.Equal(got, want) {
				t.Errorf("%.40q = %.40q (%t) finds %d resources, want %d", tag.Key, tag.Value, tag.HasValue, len(got),
					len(want))
			}
		}
	}
}
