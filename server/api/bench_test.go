package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// The benchmarks send requests through the whole stack of handlers, to servers on this machine. What httptest allocates
// is not counted: the request and the writer are made once and used again.

// discard is a response writer without a network.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// asks is a request that is sent again and again.
type asks struct {
	service *service
	request *http.Request
	writer  discard
}

func newAsks(b *testing.B, s *service, tenant, target string) *asks {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, nil)
	r.Header.Set("X-Tenant-ID", tenant)
	return &asks{service: s, request: r, writer: discard{header: http.Header{}}}
}

// send returns the level that answered.
func (a *asks) send(b *testing.B) string {
	clear(a.writer.header)
	a.service.ServeHTTP(&a.writer, a.request)
	if a.writer.status != http.StatusOK {
		b.Fatalf("%s: status %d", a.request.URL, a.writer.status)
	}
	if level := a.writer.header["X-Cache"]; len(level) == 1 {
		return level[0]
	}
	return ""
}

// until sends until a level answers.
func (a *asks) until(b *testing.B, level string) {
	b.Helper()
	for range 1000 {
		if a.send(b) == level {
			return
		}
	}
	b.Fatalf("%s: level %s never answers", a.request.URL, level)
}

func BenchmarkGetFromL1(b *testing.B) {
	s, tenant := newService(b), newTenant()
	id := s.insert(b, tenant, 0, 1)[0]
	benchmarkLevel(b, newAsks(b, s, tenant, resourcesPath+"/"+id.String()), "l1")
}

func BenchmarkListFromL1(b *testing.B) {
	s, tenant := newService(b), newTenant()
	s.insert(b, tenant, 0, 20)
	benchmarkLevel(b, newAsks(b, s, tenant, resourcesPath+"?tag=env:prod&limit=10"), "l1")
}

func benchmarkLevel(b *testing.B, a *asks, level string) {
	a.until(b, level)
	b.ReportAllocs()
	for b.Loop() {
		if got := a.send(b); got != level {
			b.Fatalf("level %s answered", got)
		}
	}
}

// BenchmarkGetFromL2 asks for many resources in turn, of which an L1 of two kilobytes has none any more.
func BenchmarkGetFromL2(b *testing.B) {
	env := servers(b)
	levels := cache.Options{L2URL: env.CacheURL, L1Bytes: 2048}
	s, tenant := newServiceWith(b, store.Options{URL: env.PostgresURL}, levels), newTenant()
	var all []*asks
	for _, id := range s.insert(b, tenant, 0, 64) {
		all = append(all, newAsks(b, s, tenant, resourcesPath+"/"+id.String()))
	}
	round := func() (hits int) {
		for _, a := range all {
			if a.send(b) == "l2" {
				hits++
			}
		}
		return hits
	}
	for tries := 0; round() < len(all)*9/10; tries++ {
		if tries == 1000 {
			b.Fatal("L2 never has most of the resources")
		}
		time.Sleep(time.Millisecond) // values are written behind the answers
	}
	hits := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if all[i%len(all)].send(b) == "l2" {
			hits++
		}
	}
	b.ReportMetric(float64(hits)/float64(b.N), "l2/op")
}

// BenchmarkListFromL3 asks for lists, each of which L1 is too small for, after L2 has been emptied.
func BenchmarkListFromL3(b *testing.B) {
	env := servers(b)
	levels := cache.Options{L2URL: env.CacheURL, L1Bytes: 2048}
	s, tenant := newServiceWith(b, store.Options{URL: env.PostgresURL}, levels), newTenant()
	s.insert(b, tenant, 0, 40)
	address, err := redis.ParseURL(env.CacheURL)
	if err != nil {
		b.Fatal(err)
	}
	l2 := redis.NewClient(address)
	defer l2.Close()
	var all []*asks
	for limit := 1; limit <= 100; limit++ {
		all = append(all, newAsks(b, s, tenant, fmt.Sprintf("%s?limit=%d&tag=env:prod", resourcesPath, limit)))
	}
	round := func() (hits int) {
		if err := l2.FlushDB(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
		for _, a := range all {
			if a.send(b) == "l3" {
				hits++
			}
		}
		return hits
	}
	for tries := 0; round() < len(all)*9/10; tries++ {
		if tries == 200 { // a list must have been read some times before L3 keeps it
			b.Fatal("L3 never has most of the lists")
		}
		time.Sleep(10 * time.Millisecond) // values are written behind the answers
	}
	hits := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(all) == 0 {
			b.StopTimer()
			if err := l2.FlushDB(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if all[i%len(all)].send(b) == "l3" {
			hits++
		}
	}
	b.ReportMetric(float64(hits)/float64(b.N), "l3/op")
}

// BenchmarkGetFromDatabase asks for each of its resources once, and then again after both levels have forgotten them.
func BenchmarkGetFromDatabase(b *testing.B) {
	s, tenant := newService(b), newTenant()
	var all []*asks
	for first := 0; first < 5000; first += 500 {
		for _, id := range s.insert(b, tenant, first, 500) {
			all = append(all, newAsks(b, s, tenant, resourcesPath+"/"+id.String()))
		}
	}
	misses := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(all) == 0 && i > 0 {
			b.StopTimer()
			if _, err := s.cache.InvalidatePattern(b.Context(), 0, tenant+":*"); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if all[i%len(all)].send(b) == "miss" {
			misses++
		}
	}
	b.ReportMetric(float64(misses)/float64(b.N), "misses/op")
}

// BenchmarkInsertBatchOf100 writes a number that no batch had before into the same text.
func BenchmarkInsertBatchOf100(b *testing.B) {
	s, tenant := newService(b), newTenant()
	const mark = "##########"
	var resources batch
	for i := range 100 {
		r := newResource(i)
		r.AzureResourceID += mark
		resources.Resources = append(resources.Resources, r)
	}
	body, err := json.Marshal(resources)
	if err != nil {
		b.Fatal(err)
	}
	var places []int
	for at := 0; ; {
		next := bytes.Index(body[at:], []byte(mark))
		if next < 0 {
			break
		}
		at += next
		places = append(places, at)
		at += len(mark)
	}
	s.insert(b, tenant, 0, 1) // the first change of an instance waits until the others are known: see cache/bus.go
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		for _, at := range places {
			copy(body[at:], fmt.Sprintf("%0*d", len(mark), n))
		}
		if w := s.call(b, http.MethodPost, tenant, resourcesPath+"/batch",
			bytes.NewReader(body)); w.Code != http.StatusCreated {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
}
