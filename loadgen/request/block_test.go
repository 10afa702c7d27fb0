package request

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/policycortex/headroom/loadgen/wire/http2"
	"github.com/policycortex/headroom/scenarios"
)

// blockScenario has requests with all that a header block may have.
func blockScenario() *scenarios.Scenario {
	literal := func(s string) scenarios.Template { return scenarios.Template{{Literal: s}} }
	hole := func(name string) scenarios.Part { return scenarios.Part{Value: name} }
	return &scenarios.Scenario{Name: "test", Load: scenarios.ConstantRate{}, Requests: []scenarios.Request{
		{
			Name: "item", Weight: 3, Method: "GET", Path: scenarios.Template{{Literal: "/items/"}, hole("id")},
			Headers: []scenarios.Header{
				{Name: "X-Tenant-ID", Value: scenarios.Template{hole("tenant")}},
				{Name: "accept", Value: literal("*/*")},
				{Name: "Connection", Value: literal("close")},
			},
			Values: []scenarios.Value{
				{Name: "id", Keys: scenarios.RangeKeys{From: 1, To: 10000}, Choice: scenarios.Uniform},
				{Name: "tenant", Keys: scenarios.ListKeys{"red", "green", "a b"}, Choice: scenarios.Uniform},
			},
		},
		{
			Name: "post", Weight: 1, Method: "POST", Path: literal("/items"),
			Headers: []scenarios.Header{{Name: "Host", Value: literal("other.example")}},
			Body:    scenarios.Template{{Literal: `{"n":`}, hole(scenarios.ValueIteration), {Literal: "}"}},
		},
		{
			Name: "empty", Weight: 1, Method: "PUT", Path: literal("/empty"),
			Headers: []scenarios.Header{{Name: "User-Agent", Value: literal("other")}},
		},
	}}
}

// TestBlocksAreTheSameRequests: what a header block says is what the request of HTTP/1.1 says.
func TestBlocksAreTheSameRequests(t *testing.T) {
	set, err := New(1, blockScenario(), Sources{TraceRatio: 0.3})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse("http://127.0.0.1:8080/base")
	if err != nil {
		t.Fatal(err)
	}
	plain, blocks := NewRenderer(set, target), NewBlockRenderer(set, target)
	var conn http2.Conn
	conn.Start(&blocks.Fields)
	decoder := hpack.NewDecoder(4096, nil)
	for n := range int64(100) {
		d := set.Draw(n)
		request, size := plain.Append(nil, &d)
		block, body := blocks.Append(nil, nil, &conn.Encoder, &d)
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
		if err != nil {
			t.Fatal(err)
		}
		fields, err := decoder.DecodeFull(block)
		if err != nil {
			t.Fatal(err)
		}
		wanted := []string{
			":method: " + want.Method, ":scheme: http", ":authority: " + want.Host, ":path: " + want.RequestURI,
		}
		for name, values := range want.Header {
			if name != "Connection" {
				wanted = append(wanted, strings.ToLower(name)+": "+values[0])
			}
		}
		var got []string
		for i, f := range fields {
			if strings.HasPrefix(f.Name, ":") != (i < 4) {
				t.Errorf("field %d is %s", i, f.Name)
			}
			got = append(got, f.Name+": "+f.Value)
		}
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) || !bytes.Equal(body, request[len(request)-size:]) {
			t.Fatalf("request %d is %q %q, want %q %q", n, got, body, wanted, request[len(request)-size:])
		}
	}
}

// BenchmarkBlock renders requests of a scenario for HTTP/2, and BenchmarkRequest for HTTP/1.1.
func BenchmarkBlock(b *testing.B) {
	set, target := benchmarkSet(b)
	r := NewBlockRenderer(set, target)
	var conn http2.Conn
	conn.Start(&r.Fields)
	var block, body []byte
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		d := set.Draw(n)
		block, body = r.Append(block[:0], body[:0], &conn.Encoder, &d)
		n++
	}
	b.ReportMetric(float64(len(block)), "bytes/block")
}

func BenchmarkRequest(b *testing.B) {
	set, target := benchmarkSet(b)
	r := NewRenderer(set, target)
	var request []byte
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		d := set.Draw(n)
		request, _ = r.Append(request[:0], &d)
		n++
	}
}

func benchmarkSet(b *testing.B) (*Set, *url.URL) {
	b.Helper()
	set, err := New(1, blockScenario(), Sources{})
	if err != nil {
		b.Fatal(err)
	}
	target, err := url.Parse("http://127.0.0.1:8080")
	if err != nil {
		b.Fatal(err)
	}
	return set, target
}
