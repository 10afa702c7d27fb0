package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/policycortex/headroom/server/store"
)

func TestInsertReportsConflictsByIndex(t *testing.T) {
	s, tenant := openStore(t), newID()
	batch := []store.NewResource{newResource(5), newResource(3), newResource(5), newResource(1)}
	first, _, err := s.InsertResources(t.Context(), tenant, batch)
	if err != nil || len(first.Created) != 3 || !slices.Equal(first.Conflicts, []int{2}) {
		t.Fatalf("got %+v, error %v; want three created and a conflict at 2, which repeats 0", first, err)
	}
	for i, index := range []int{0, 1, 3} { // Created is in the order of the batch
		body, err := s.AppendResource(t.Context(), nil, tenant, first.Created[i], 0)
		if err != nil || !strings.Contains(string(body), `"name":"`+batch[index].Name+`"`) {
			t.Errorf("created[%d] is %s (error %v), want %s", i, body, err, batch[index].Name)
		}
	}
	second, _, err := s.InsertResources(t.Context(), tenant, []store.NewResource{newResource(2), newResource(3)})
	if err != nil || len(second.Created) != 1 || !slices.Equal(second.Conflicts, []int{1}) {
		t.Errorf("got %+v, error %v; want one created and a conflict at 1", second, err)
	}
	other, _, err := s.InsertResources(t.Context(), newID(), batch[:2])
	if err != nil || len(other.Created) != 2 {
		t.Errorf("got %+v, error %v; want no conflict with another tenant's resources", other, err)
	}
}

func TestBatchWithFaultsInsertsNothing(t *testing.T) {
	s, tenant := openStore(t), newID()
	batch := []store.NewResource{newResource(0), newResource(1), newResource(2), newResource(3)}
	batch[1].Name, batch[1].Type = "", strings.Repeat("x", 257)
	batch[3].Tags = map[string]string{"a": "b\x00c"}
	_, _, err := s.InsertResources(t.Context(), tenant, batch)
	var invalid *store.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v, want a ValidationError", err)
	}
	want := []store.Fault{
		{Index: 1, Field: "name", Message: "name is missing"},
		{Index: 1, Field: "type", Message: "type has 257 bytes, at most 256 are allowed"},
		{Index: 3, Field: "tags", Message: `tags: value of "a" contains a NUL character, which Postgres cannot store`},
	}
	if !reflect.DeepEqual(invalid.Faults, want) {
		t.Errorf("faults are %+v, want %+v", invalid.Faults, want)
	}
	page, _, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: 10}, 0)
	if err != nil || string(page) != "[]" {
		t.Errorf("the tenant has %s (error %v), want nothing", page, err)
	}
}

func TestBatchSize(t *testing.T) {
	s := openStore(t)
	batch := make([]store.NewResource, store.MaxBatch+1)
	for i := range batch {
		batch[i] = newResource(i)
	}
	for n, valid := range map[int]bool{0: false, 1: true, store.MaxBatch: true, store.MaxBatch + 1: false} {
		inserted, _, err := s.InsertResources(t.Context(), newID(), batch[:n])
		if (err == nil) != valid || valid && len(inserted.Created) != n {
			t.Errorf("%d resources: %d created, error %v", n, len(inserted.Created), err)
		}
	}
}

// Two batches with the same resources in opposite orders would deadlock if each locked its rows in its own order.
func TestBatchesInOppositeOrdersDoNotDeadlock(t *testing.T) {
	s, tenant := openStore(t), newID()
	for round := range 10 {
		forward := make([]store.NewResource, 200)
		for i := range forward {
			forward[i] = newResource(round*1000 + i)
		}
		backward := slices.Clone(forward)
		slices.Reverse(backward)
		var created [2]store.Inserted
		var wg sync.WaitGroup
		for i, batch := range [][]store.NewResource{forward, backward} {
			wg.Go(func() {
				var err error
				created[i], _, err = s.InsertResources(t.Context(), tenant, batch)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if total := len(created[0].Created) + len(created[1].Created); total != len(forward) {
			t.Errorf("%d created in all, want %d", total, len(forward))
		}
	}
}

// Whatever validation passes, Postgres must take: a refusal there has no index.
func TestValidDocumentsAreValidForPostgres(t *testing.T) {
	conn := connect(t, postgresURL(t))
	for _, c := range []struct {
		document string
		fault    string // the beginning of what is said; empty when it is valid
	}{
		{``, ""},
		{`null`, ""},
		{`{}`, ""},
		{` {"a": [1, -2.5e10, true, null, "x"]} `, ""},
		{`{"a": "\u0041\ud83d\ude00\\u0000"}`, ""},
		{`{"a": 1e1000, "b": -1E-1000}`, ""},
		{`{"a": [` + strings.Repeat("1e-1000,", 99) + `1e1000]}`, ""},
		{`{"a": [` + strings.Repeat("1.5e-32,", 50_000) + `1e32]}`, ""},
		{nested(64), ""},
		{`[1]`, "is not a JSON object"},
		{`"x"`, "is not a JSON object"},
		{`{"a": }`, "is not valid JSON"},
		{`{"a": "\u0000"}`, `contains \u0000`},
		{`{"\u0000": 1}`, `contains \u0000`},
		{`{"a": "\ud83d"}`, "contains half a surrogate pair"},
		{`{"a": "\ud83dx"}`, "contains half a surrogate pair"},
		{`{"a": "\ud83d\u0041"}`, "contains half a surrogate pair"},
		{`{"a": "\ude00\ud83d"}`, "contains half a surrogate pair"},
		{`{"a": 1e1001}`, "contains the number 1e1001"},
		{`{"a": 1e99999999999999999999}`, "contains the number"},
		{`{"a": [-1E-999999]}`, "contains the number"},
		{`{"a": [` + strings.Repeat("1e-1000,", 100) + `1e33]}`, "has numbers whose exponents stand for"},
		{`{"a": ` + strings.Repeat("9", 65) + `}`, "contains a number of more than"},
		{nested(65), "is nested deeper"},
		{"{\"a\": \"\xff\"}", "is not valid UTF-8"},
	} {
		fault := store.DocumentFault([]byte(c.document))
		if (fault == "") != (c.fault == "") || !strings.HasPrefix(fault, c.fault) {
			t.Errorf("%.60s: fault %q, want %q", c.document, fault, c.fault)
		}
		if fault == "" && c.document != "" {
			mustExec(t, conn, "SELECT $1::text::jsonb", c.document)
		}
	}
}

func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func FuzzDocumentFault(f *testing.F) {
	for _, seed := range []string{
		`{"a": "\ud83d\ude00", "b": [1e5, -0.1]}`, `{"a": "\ud83d`, `{"\u00`, `{`, "\"",
		`{"a":1e}`, `{"\\":"\""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		fault := store.DocumentFault(document)
		var object map[string]any
		if err := json.Unmarshal(document, &object); err != nil && fault == "" &&
			len(strings.TrimSpace(string(document))) > 0 {
			t.Errorf("%q passes, but is no object: %v", document, err)
		}
	})
}

func BenchmarkInsertResources(b *testing.B) {
	s, tenant := openStore(b), newID()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		batch := make([]store.NewResource, 100)
		for i := range batch {
			batch[i] = newResource(n)
			n++
		}
		if inserted, _, err := s.InsertResources(b.Context(), tenant, batch); err != nil ||
			len(inserted.Created) != 100 {
			b.Fatal(fmt.Errorf("%d created: %w", len(inserted.Created), err))
		}
	}
}
