package cache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/store"
)

// aKilobyte is about what a resource has.
var aKilobyte = bytes.Repeat([]byte("0123456789abcdef"), 64)

func loadKilobyte(context.Context, cache.Key, store.LSN) ([]byte, error) { return aKilobyte, nil }

func mustGet(b testing.TB, c *cache.Cache, key cache.Key) cache.Level {
	_, level, err := c.Get(context.Background(), key, loadKilobyte)
	if err != nil {
		b.Error(err)
	}
	return level
}

// inL1 has a key in L1, as it is once it has been asked for again.
func inL1(t testing.TB) (*cache.Cache, cache.Key) {
	t.Helper()
	c, key := openCache(t, l2URL(t)), itemKey(newID(), newID())
	t.Cleanup(c.Close)
	mustGet(t, c, key)
	if level := mustGet(t, c, key); level != cache.L1 {
		t.Fatalf("the second answer came from %s", level)
	}
	return c, key
}

func TestHitInL1AllocatesNothing(t *testing.T) {
	c, key := inL1(t)
	if n := testing.AllocsPerRun(20_000, func() { mustGet(t, c, key) }); n != 0 {
		t.Errorf("a hit in L1 allocates %v times", n)
	}
}

func BenchmarkHitInL1(b *testing.B) {
	c, key := inL1(b)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mustGet(b, c, key)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				mustGet(b, c, key)
			}
		})
	})
}

const sharedKeys = 2000

// sharedKey is the nth of so many keys that a small L1 has lost each before it is asked for again.
func sharedKey(tenant [16]byte, n uint64) cache.Key {
	key := itemKey(tenant, tenant)
	binary.BigEndian.PutUint64(key.ID[8:], n%sharedKeys)
	return key
}

// BenchmarkHitInL2 compares an answer from L2, from Get to the end, with the same values by go-redis alone, which
// checks nothing and makes no entry of them: by a GET for each, and by its AutoPipeline.
func BenchmarkHitInL2(b *testing.B) {
	c, err := cache.Open(cache.Options{L2URL: l2URL(b), L1Bytes: 4096, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	joinCache(b, c)
	tenant, client := newID(), redisClient(b, l2URL(b))
	names := make([]string, sharedKeys)
	for n := range uint64(sharedKeys) {
		key := sharedKey(tenant, n)
		mustGet(b, c, key)
		waitForL2(b, client, key)
		names[n] = cache.L2Name(key)
	}
	pipelined, err := client.AutoPipeline()
	if err != nil {
		b.Fatal(err)
	}
	defer pipelined.Close()
	read := func(r interface {
		Get(context.Context, string) *redis.StringCmd
	},
	) func(b *testing.B, n uint64) {
		return func(b *testing.B, n uint64) {
			if err := r.Get(context.Background(), names[n%sharedKeys]).Err(); err != nil {
				b.Error(err)
			}
		}
	}
	for _, contender := range []struct {
		name string
		get  func(*testing.B, uint64)
	}{
		{"cache", func(b *testing.B, n uint64) { mustGet(b, c, sharedKey(tenant, n)) }},
		{"GET", read(client)},
		{"AutoPipeline", read(pipelined)},
	} {
		for _, goroutines := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", contender.name, goroutines), func(b *testing.B) {
				hits := c.Stats().L2.Hits
				b.ReportAllocs()
				b.SetParallelism(goroutines) // for each CPU
				var n atomic.Uint64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						contender.get(b, n.Add(1))
					}
				})
				if share := float64(c.Stats().L2.Hits-hits) / float64(b.N); contender.name == "cache" && b.N > 1000 &&
					share < 0.98 {
					b.Errorf("L2 answered %.1f %%", 100*share)
				}
			})
		}
	}
}

// BenchmarkHitInL3 is that of a list of 20 without L2: nothing is kept, and every request asks the primary's table.
func BenchmarkHitInL3(b *testing.B) {
	env := containerstest.Shared(b)
	w := newWorld(b, env, 20)
	key := listKey(w.tenant, "limit=100")
	l2 := redisClient(b, env.CacheURL)
	get := func(i *instance) cache.Level {
		_, level, err := i.cache.Get(b.Context(), key, i.loadList)
		if err != nil {
			b.Fatal(err)
		}
		return level
	}
	eventually(b, "the list in L3", func() bool {
		w.instances[0].cache.ForgetL1(key)
		l2.Del(b.Context(), cache.L2Name(key))
		return get(w.instances[0]) == cache.L3
	})
	alone, err := cache.Open(cache.Options{
		L2URL: "redis://127.0.0.1:1", L1Bytes: 16 << 20, Store: w.instances[0].store,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer alone.Close()
	i := &instance{cache: alone, store: w.instances[0].store}
	b.ReportAllocs()
	for b.Loop() {
		if level := get(i); level != cache.L3 {
			b.Fatalf("%s answered", level)
		}
	}
}

// BenchmarkMiss is that of a load that costs nothing.
func BenchmarkMiss(b *testing.B) {
	c := openCache(b, l2URL(b))
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if level := mustGet(b, c, itemKey(newID(), newID())); level != cache.Miss {
			b.Fatalf("%s answered", level)
		}
	}
}

func BenchmarkInvalidate(b *testing.B) {
	c := openCache(b, l2URL(b))
	defer c.Close()
	tenant := newID()
	invalidate := func(b *testing.B) {
		for b.ReportAllocs(); b.Loop(); {
			if err := c.Invalidate(b.Context(), 0, cache.Scope{Tenant: tenant, Kind: cache.Resource, ID: newID()},
				cache.Scope{Tenant: tenant, Kind: cache.Resources}); err != nil {
				b.Fatal(err)
			}
		}
	}
	// which waits until c knows the others
	if err := c.Invalidate(b.Context(), 0, cache.Scope{Tenant: tenant, Kind: cache.Resources}); err != nil {
		b.Fatal(err)
	}
	b.Run("one instance", invalidate)
	other := openCache(b, l2URL(b))
	defer other.Close()
	b.Run("two instances", invalidate)
}

// aList is a list of 20 resources as the store has it.
func aList(b *testing.B) []byte {
	env := containerstest.Shared(b)
	w := newWorld(b, env, 20)
	body, err := w.instances[0].loadList(b.Context(), listKey(w.tenant, "limit=100"), 0)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// codecs are the stored form, header included, and the form that is sent.
var codecs = []struct {
	name         string
	pack, unpack func([]byte) []byte
}{
	{"S2", func(body []byte) []byte {
		packed, _ := codec.Append(nil, body, codec.CompressionThreshold, xxhash.Sum64(body), 1, time.Minute)
		return packed
	}, func(stored []byte) []byte {
		v, err := codec.Decode(stored)
		if err != nil {
			panic(err)
		}
		return v.Body
	}},
	{"gzip", codec.Gzip, func(packed []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			panic(err)
		}
		return body
	}},
}

// BenchmarkCompression compares S2, in which values are stored, with gzip, in which they are sent. ratio is before over
// after.
func BenchmarkCompression(b *testing.B) {
	list := aList(b)
	for name, body := range map[string][]byte{
		"resource": list[1 : 1+strings.Index(string(list[1:]), `},{"id"`)+1],
		"list":     list,
	} {
		for _, form := range codecs {
			packed := form.pack(body)
			if plain := form.unpack(packed); !bytes.Equal(plain, body) {
				b.Fatalf("%s: %d bytes became %d", form.name, len(body), len(plain))
			}
			b.Run(name+"/"+form.name+"/pack", func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					form.pack(body)
				}
				b.ReportMetric(float64(len(body))/float64(len(packed)), "ratio")
			})
			b.Run(name+"/"+form.name+"/unpack", func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					form.unpack(packed)
				}
			})
		}
	}
}
