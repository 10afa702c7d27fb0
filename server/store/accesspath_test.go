package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// fillSignatures makes 3,000 resources of which every tenth has so many tags and words that all bits of its signatures
// are set.
const fillSignatures = `
INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location,
                       properties, tags, updated_at, deleted_at)
SELECT gen_random_uuid(), $1, 'r' || i, 's', 'g', 'n' || i, 't', 'l',
       jsonb_build_object('description', CASE WHEN i % 10 = 0 THEN (SELECT string_agg('filler' || i || 'x' || j, ' ') FROM generate_series(1, 300) AS j)
         ELSE '' END || ' word' || floor(power(random(), 2) * 40) || ' it''s back\slashed word' || floor(power(random(), 2) * 40)),
       CASE WHEN i % 10 = 0 THEN (SELECT jsonb_object_agg('filler' || i || 'x' || j, '') FROM generate_series(1, 100) AS j) ELSE '{}' END
         || jsonb_build_object('team', 'team' || floor(power(random(), 2) * 30), 'cost', floor(random() * 30)::text),
       timestamptz '2026-01-01' + i / 7 * interval '1 minute', CASE WHEN i % 50 = 0 THEN now() END
  FROM generate_series(1, 3000) AS i`

// Whichever access path is chosen, the pages are those of a filter that looks at every row, although many signatures
// admit rows that do not match.
func TestEveryAccessPathFindsTheSame(t *testing.T) {
	s, direct := openStore(t), connect(t, postgresURL(t))
	tenant := newID()
	mustExec(t, direct, "SELECT setseed(0.5)")
	mustExec(t, direct, fillSignatures, tenant)
	mustExec(t, direct, fillSignatures, newID())
	for name, c := range map[string]struct {
		filter store.Filter
		where  string
	}{
		"tag": {store.Filter{Tags: []store.Tag{tag("team", "team3")}}, "tags->>'team' = 'team3'"},
		"key": {store.Filter{Tags: []store.Tag{tag("team", "")}}, "tags ? 'team'"},
		"two tags": {
			store.Filter{Tags: []store.Tag{tag("team", "team0"), tag("cost", "7")}},
			`tags @> '{"team": "team0", "cost": "7"}'`,
		},
		"unknown tag": {store.Filter{Tags: []store.Tag{tag("team", "none")}}, "false"},
		"word":        {store.Filter{Search: "word9"}, "search @@ 'word9'"},
		"words":       {store.Filter{Search: "word0 Backs"}, "search @@ to_tsquery('english', 'word0 & back')"},
		"phrase": {
			store.Filter{Search: `word1 "it's back\slashed word2"`},
			"search @@ (to_tsquery('english', 'word1') && phraseto_tsquery('english', 'it''s back\\slashed word2'))",
		},
		"stop words": {store.Filter{Search: "the"}, "false"},
		"or":         {store.Filter{Search: "word9 or word8"}, "search @@ 'word9 | word8'"},
		"not":        {store.Filter{Search: "word0 -word1"}, "search @@ 'word0 & !word1'"},
		"tag and word": {
			store.Filter{Tags: []store.Tag{tag("team", "team0")}, Search: "word0"},
			"tags->>'team' = 'team0' AND search @@ 'word0'",
		},
		"text in quotes": {store.Filter{Search: "n17"}, "name = 'n17'"},
	} {
		for order, by := range map[store.Order]string{
			store.UpdatedDescending: "updated_at DESC, id DESC", store.UpdatedAscending: "updated_at, id",
		} {
			rows, _ := direct.Query(t.Context(),
				"SELECT id FROM resources WHERE tenant_id = $1 AND deleted_at IS NULL AND "+c.where+" ORDER BY "+
					by, tenant)
			want, err := pgx.CollectRows(rows, pgx.RowTo[store.ID])
			if err != nil || len(want) == 0 && c.where != "false" {
				t.Fatalf("%s: %d rows match, error %v", name, len(want), err)
			}
			q := store.ListQuery{Tenant: tenant, Filter: c.filter, Order: order, Limit: 53}
			if got := walk(t, s, q); !slices.Equal(got, want) {
				t.Errorf("%s by %s: %d resources, want %d", name, by, len(got), len(want))
			}
			for path, pages := range pagesByAccessPath(t, s, q) {
				if !slices.Equal(pages, want) {
					t.Errorf("%s by %s: access path %s finds %d resources, want %d", name, by, path, len(pages),
						len(want))
				}
			}
		}
	}
}

// pagesByAccessPath returns the resources of all pages by each access path.
func pagesByAccessPath(t *testing.T, s *store.Store, q store.ListQuery) map[string][]store.ID {
	t.Helper()
	all := map[string][]store.ID{}
	err := s.Read(t.Context(), 0, func(conn *pgx.Conn) error {
		for name, path := range map[string]func(*store.ListQuery) ([]byte, *store.ListPosition, error){
			"walk": func(q *store.ListQuery) ([]byte, *store.ListPosition, error) {
				return store.AppendByAccessPath(t.Context(), conn, q, store.Walk)
			},
			"gather": func(q *store.ListQuery) ([]byte, *store.ListPosition, error) {
				return store.AppendByAccessPath(t.Context(), conn, q, store.Gather)
			},
			"gather in tenant": func(q *store.ListQuery) ([]byte, *store.ListPosition, error) {
				return store.AppendByAccessPath(t.Context(), conn, q, store.GatherInTenant)
			},
		} {
			all[name] = nil
			for page := q; ; {
				body, next, err := path(&page)
				if err != nil {
					return err
				}
				all[name] = append(all[name], idsOf(t, body)...)
				if next == nil {
					break
				}
				page.After = next
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A word that is not required must not be in the list: what matches without it would not be found.
func TestRequiredWords(t *testing.T) {
	conn := connect(t, postgresURL(t))
	for search, want := range map[string]string{
		"backups of invoices": "backup invoic", `"nightly backup" x`: "night backup x", "x or y": "", "x -y": "",
		`x -"y z"`: "", "foo-bar": "foo-bar foo bar", "the": "", "": "", "it's": "", `o'x \y`: "o x y",
		"x|y !z": "x y z",
	} {
		var words []string
		if err := conn.QueryRow(t.Context(), "SELECT required_words(websearch_to_tsquery('english', $1))",
			search).Scan(&words); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%q requires %q, want %q", search, got, want)
		}
	}
	var words []string // as no search makes them, but as they are written
	if err := conn.QueryRow(t.Context(),
		`SELECT required_words('''a''''|b'' & ''c\\d!'''::tsquery)`).Scan(&words); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(words, []string{"a'|b", `c\d!`}) {
		t.Errorf("words are %q", words)
	}
}

func TestAccessPathFitsTheFrequency(t *testing.T) {
	for _, c := range []struct {
		tenant, anywhere, matching float64
		want                       any
	}{
		{900_000, 500_000, 450_000, store.Walk},
		{900_000, 2_500, 2_400, store.Walk},
		{900_000, 500, 480, store.Gather},
		{900_000, 0, 0, store.Gather},
		{1_000, 450_000, 450, store.Walk},
		{1_000, 10_000, 3, store.GatherInTenant},
		{900_000_000, 6_000, 5_500, store.Gather}, // a walk would go too far
	} {
		if got := store.BestOf(c.tenant, c.anywhere, c.matching, 21); any(got) != c.want {
			t.Errorf("%v: access path %v", c, got)
		}
	}
}
