package api

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

func FuzzParseListRequest(f *testing.F) {
	for _, seed := range []string{
		"", "limit=20&type=a%2Fb&tag=k:v&tag=k", "tag=a%26b%3Ac:d+e",
		"cursor=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "&&=&",
		"type=%", "limit=1&limit=2", "page=3&limit=7", "page=3&total=estimate&order_by=-name",
		"q=a+%22b+c%22&tag_count=0",
		"updated_since=2026-10-01T00%3A00%3A00.000001%2B02%3A00&total=exact&order_by=updated_at", "location=%C3%A9+%2B",
		"tag=:", "compliance_status=exempt&resource_group=%25",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		req, err := parseListRequest(query)
		if err != nil {
			return
		}
		canonical := string(req.canonical())
		again, err := parseListRequest(canonical)
		if err != nil || !reflect.DeepEqual(again, req) || string(again.canonical()) != canonical {
			t.Errorf("%q became %q, which reads as %+v (error %v), want %+v", query, canonical, again, err, req)
		}
	})
}

// A cursor that is taken is one that was given out for that list, to the last bit.
func FuzzReadCursor(f *testing.F) {
	signer, tenant, list := newCursorSigner([]byte("key")), store.ID(uuid.New()), []byte("order_by=name")
	f.Add("", false)
	f.Add("AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true)
	f.Add(string(signer.appendCursor(nil, &tenant, list, store.NameAscending,
		&store.ListPosition{Name: "n", ID: uuid.New()})), true)
	f.Add(string(signer.appendCursor(nil, &tenant, list, store.UpdatedAscending,
		&store.ListPosition{UpdatedAt: 1_767_225_600_123_456})), false)
	f.Fuzz(func(t *testing.T, cursor string, name bool) {
		order := store.UpdatedAscending
		if name {
			order = store.NameAscending
		}
		p, err := signer.readCursor(cursor, &tenant, list, order)
		if err != nil {
			return
		}
		if again := string(signer.appendCursor(nil, &tenant, list, order, &p)); again != cursor {
			t.Errorf("%q and %q are one position", cursor, again)
		}
	})
}

// What is asked for is read again from the key under which it is cached, so every key must be a good query string.
func TestTimesAtTheEnds(t *testing.T) {
	for query, good := range map[string]bool{
		"updated_since=9999-12-31T23:59:59.999999Z": true, "updated_since=0000-01-01T00:00:00Z": true,
		"updated_since=9999-12-31T23:59:59-01:00": false, "updated_since=0000-01-01T00:00:00%2B01:00": false,
	} {
		req, err := parseListRequest(query)
		if (err == nil) != good {
			t.Errorf("%s: error %v", query, err)
		} else if _, err := parseListRequest(string(req.canonical())); good && err != nil {
			t.Errorf("%s became %s: %v", query, req.canonical(), err)
		}
	}
	for _, query := range []string{
		"to=1970-01-01", "to=1970-01-29&period=month", "from=9998-12-31&to=9999-12-31",
		"to=9999-12-31",
	} {
		req, err := parseCostRequest(query, true)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		} else if again, err := parseCostRequest(string(req.canonical()), true); err != nil || again.from != req.from ||
			again.to != req.to {
			t.Errorf("%s became %s: %v", query, req.canonical(), err)
		}
	}
}

// A client that writes its tenant in another way, or writes what is none, is the same client to the rate limit.
func TestClientOfARequest(t *testing.T) {
	const address, tenant = "192.0.2.1", "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"
	for sent, want := range map[string]string{
		tenant: tenant, strings.ToUpper(tenant): tenant, "": address, "6b1f0c52": address,
		strings.Repeat("x", 36): address,
	} {
		c := gin.CreateTestContextOnly(httptest.NewRecorder(), gin.New())
		c.Request = httptest.NewRequest(http.MethodGet, "/", nil)
		c.Request.RemoteAddr = address + ":1234"
		c.Request.Header.Set("X-Tenant-ID", sent)
		c.Request.Header.Set("X-Forwarded-For", "203.0.113.9")
		if got := new(pipeline).clientOf(c); got != want {
			t.Errorf("tenant %q is the client %q, want %q", sent, got, want)
		}
	}
}

func TestCursorRoundTrip(t *testing.T) {
	signer, tenant := newCursorSigner(nil), store.ID(uuid.New())
	for n := range 1000 {
		for order, want := range map[store.Order]store.ListPosition{
			store.UpdatedDescending: {UpdatedAt: rand.Int64(), ID: uuid.New()},
			store.NameAscending:     {Name: strings.Repeat("n\x00é", 1+n%64), ID: uuid.New()},
		} {
			cursor := string(signer.appendCursor(nil, &tenant, nil, order, &want))
			if got, err := signer.readCursor(cursor, &tenant, nil, order); err != nil || got != want {
				t.Fatalf("%+v came back as %+v, error %v", want, got, err)
			}
		}
	}
}

func TestCursorOfAnotherListIsRefused(t *testing.T) {
	key, list, tenant := []byte("a key"), []byte("order_by=name&type=a"), store.ID(uuid.New())
	want := store.ListPosition{Name: "n", ID: uuid.New()}
	signer := newCursorSigner(key)
	cursor := signer.appendCursor(nil, &tenant, list, store.NameAscending, &want)
	if got, err := newCursorSigner(key).readCursor(string(cursor), &tenant, list, store.NameAscending); err != nil ||
		got != want {
		t.Errorf("another process with the same key reads %+v, error %v", got, err)
	}
	other := store.ID(uuid.New())
	for name, read := range map[string]func() (store.ListPosition, error){
		"tenant": func() (store.ListPosition, error) {
			return signer.readCursor(string(cursor), &other, list, store.NameAscending)
		},
		"list": func() (store.ListPosition, error) {
			return signer.readCursor(string(cursor), &tenant, list[1:], store.NameAscending)
		},
		"key": func() (store.ListPosition, error) {
			return newCursorSigner(nil).readCursor(string(cursor), &tenant, list, store.NameAscending)
		},
	} {
		if p, err := read(); !errors.Is(err, errForeignCursor) {
			t.Errorf("with another %s it is read as %+v, error %v", name, p, err)
		}
	}
	for at := range cursor {
		changed := bytes.Clone(cursor)
		changed[at] ^= 1
		if p, err := signer.readCursor(string(changed), &tenant, list, store.NameAscending); err == nil {
			t.Errorf("changed at %d it is read as %+v", at, p)
		}
	}
	if newCursorSigner(nil).keyID == signer.keyID || newCursorSigner(key).keyID != signer.keyID {
		t.Error("the id of a key should be its own")
	}
}

func BenchmarkCursor(b *testing.B) {
	signer, tenant, list := newCursorSigner(nil), store.ID(uuid.New()),
		[]byte("order_by=-updated_at&type=Microsoft.Compute/virtualMachines")
	p := store.ListPosition{UpdatedAt: 1_767_225_600_123_456, ID: uuid.New()}
	cursor := signer.appendCursor(nil, &tenant, list, store.UpdatedDescending, &p)
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			signer.appendCursor(cursor[:0], &tenant, list, store.UpdatedDescending, &p)
		}
	})
	text := string(cursor)
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := signer.readCursor(text, &tenant, list, store.UpdatedDescending); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseListRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		req, err := parseListRequest("limit=20&type=Microsoft.Compute/virtualMachines&tag=env:prod")
		if err != nil || len(req.canonical()) == 0 {
			b.Fatal(err)
		}
	}
}
