package api

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

func FuzzParseListRequest(f *testing.F) {
	for _, seed := range []string{
		"", "limit=20&type=a%2Fb&tag=k:v&tag=k", "tag=a%26b%3Ac:d+e", "cursor=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "&&=&",
		"type=%", "limit=1&limit=2", "location=%C3%A9+%2B", "tag=:", "compliance_status=exempt&resource_group=%25",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		req, err := parseListRequest(query)
		if err != nil {
			return
		}
		canonical := req.canonical()
		again, err := parseListRequest(canonical)
		if err != nil || !reflect.DeepEqual(again, req) || again.canonical() != canonical {
			t.Errorf("%q became %q, which reads as %+v (error %v), want %+v", query, canonical, again, err, req)
		}
	})
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(string(appendCursor(nil, store.Position{UpdatedAt: 1_767_225_600_123_456, ID: uuid.New()})))
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := decodeCursor(cursor)
		if err != nil {
			return
		}
		if again := string(appendCursor(nil, p)); again != cursor {
			t.Errorf("%q and %q are one position", cursor, again)
		}
	})
}

func TestCursorRoundTrip(t *testing.T) {
	for range 1000 {
		want := store.Position{UpdatedAt: rand.Int64N(maxCursorTime + 1), ID: uuid.New()}
		if got, err := decodeCursor(string(appendCursor(nil, want))); err != nil || got != want {
			t.Fatalf("%+v came back as %+v, error %v", want, got, err)
		}
	}
	for _, bad := range []store.Position{{UpdatedAt: -1}, {UpdatedAt: maxCursorTime + 1}} {
		if p, err := decodeCursor(string(appendCursor(nil, bad))); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

func BenchmarkParseListRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		req, err := parseListRequest("limit=20&type=Microsoft.Compute/virtualMachines&tag=env:prod")
		if err != nil || req.canonical() == "" {
			b.Fatal(err)
		}
	}
}
