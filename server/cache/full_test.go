package cache_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// Values of maxmemory: with the first one L2 takes nothing any more. (For Dragonfly, 0 is nothing too.)
const (
	noMemory     = "1"
	enoughMemory = "256mb"
)

// setMemory returns when L2 takes values, or no longer does: Dragonfly compares the memory that it uses with the
// maximum now and then only. It has no maxmemory-policy; it refuses values while it has too many, and evicts meanwhile.
func setMemory(t *testing.T, client *redis.Client, maximum string) {
	t.Helper()
	info, err := client.Info(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(info, "dragonfly_version:") {
		if err := client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", maximum).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a maxmemory of "+maximum, func() bool {
		err := client.Set(t.Context(), "memory", "", time.Minute).Err()
		return (err != nil) == (maximum == noMemory)
	})
}

func TestFullL2FailsNothing(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	client := redisClient(t, env.CacheURL)
	first, second := openCache(t, env.CacheURL), openCache(t, env.CacheURL)
	defer first.Close()
	defer second.Close()
	key := itemKey(newID(), newID())
	keepInL2(t, first, client, key, "old")
	expect(t, second, key, returning("no"), "old", cache.L2)
	setMemory(t, client, noMemory)
	if err := first.Invalidate(t.Context(), 0,
		cache.Scope{Tenant: key.Tenant, Kind: key.Kind, ID: key.ID}); err != nil {
		t.Errorf("an invalidation with a full L2: %v", err)
	}
	expect(t, second, key, returning("new"), "new", cache.Miss)
	expect(t, second, key, returning("no"), "new", cache.L1)
	expect(t, first, key, returning("newer"), "newer", cache.Miss)
	for range 20 {
		expect(t, first, itemKey(newID(), newID()), returning("value"), "value", cache.Miss)
	}
	if l2, _ := first.BreakerStates(); l2 != "closed" {
		t.Errorf("the breaker is %s: a full L2 answers", l2)
	}
	setMemory(t, client, enoughMemory)
	roomy := itemKey(newID(), newID())
	keepInL2(t, first, client, roomy, "stored")
}

// An invalidation that finds L2 full removes the old epoch there and cannot begin a new one. An instance that has not
// heard of it yet begins one then, as if it had asked the primary for its position before the change, and writes what a
// lagging replica gave it. Once the invalidation is acknowledged, neither instance serves that.
func TestAnEpochBegunBesideAFullL2(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	link := startLink(t, env.CacheURL)
	writer, reader := openCache(t, env.CacheURL), openCache(t, link.url)
	defer writer.Close()
	defer reader.Close()
	for _, test := range []struct{ name, memory string }{
		{"there is room the second time", enoughMemory},
		{"there is none the second time either", noMemory},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &fullRace{writer: writer, reader: reader, link: link, client: redisClient(t, env.CacheURL)}
			// on a busy machine the reader may lose its lease meanwhile
			for attempt := 0; !r.run(t, test.memory); attempt++ {
				if attempt == 20 {
					t.Fatal("the reader never wrote what it had read: this shows nothing")
				}
			}
			for name, c := range map[string]*cache.Cache{"writer": writer, "reader": reader} {
				e, level, err := c.Get(t.Context(), r.key, replica)
				if err != nil || string(e.Body) != "new" {
					t.Errorf("the %s got %q from %s (error %v); want new", name, e.Body, level, err)
				}
			}
		})
	}
}

const changedAt store.LSN = 7

// replica is a load from one that has not got to the change yet, and is not asked when the change has to be seen.
func replica(_ context.Context, _ cache.Key, after store.LSN) ([]byte, error) {
	if after < changedAt {
		return []byte("old"), nil
	}
	return []byte("new"), nil
}

type fullRace struct {
	writer, reader *cache.Cache
	link           *link // the reader's way to L2
	client         *redis.Client
	key            cache.Key
}

// run has a key invalidated by the writer, and says whether the reader has written the old value to L2 by an epoch that
// it began meanwhile. memory is what L2 has when the reader hears of the invalidation.
func (r *fullRace) run(t *testing.T, memory string) (written bool) {
	t.Helper()
	r.key = itemKey(newID(), newID())
	setMemory(t, r.client, enoughMemory)
	keepInL2(t, r.writer, r.client, r.key, "old")
	before := r.stored(t)
	bus := r.client.PSubscribe(t.Context(), "headroom:*bus:*")
	defer bus.Close()
	if _, err := bus.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	setMemory(t, r.client, noMemory)
	r.link.hold()
	acknowledged := make(chan error, 1)
	go func() {
		acknowledged <- r.writer.Invalidate(t.Context(), changedAt,
			cache.Scope{Tenant: r.key.Tenant, Kind: r.key.Kind, ID: r.key.ID})
	}()
	for m := range bus.Channel() { // what the invalidation sends to L2 before the message has been refused by then
		if m.Payload[0] == 'i' {
			break
		}
	}
	setMemory(t, r.client, enoughMemory)
	if _, _, err := r.reader.Get(t.Context(), r.key, replica); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(cache.LeaseTime / 2); !written &&
		time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		now := r.stored(t)
		written = now != "" && now != before
	}
	setMemory(t, r.client, memory)
	r.link.release()
	if err := <-acknowledged; err != nil {
		t.Errorf("the invalidation: %v", err)
	}
	return written
}

// stored is what L2 has under the key, in the form in which it is stored: with the epoch. It is empty when L2 has
// evicted it.
func (r *fullRace) stored(t *testing.T) string {
	t.Helper()
	stored, err := r.client.Get(t.Context(), cache.L2Name(r.key)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return stored
}

// link is a way to L2 on which messages of subscriptions can be held up.
type link struct {
	url  string
	to   string
	gate sync.RWMutex // locked while they are held up
}

func startLink(t *testing.T, l2URL string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	u, err := url.Parse(l2URL)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{to: u.Host}
	u.Host = listener.Addr().String()
	l.url = u.String()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(from)
		}
	}()
	return l
}

func (l *link) hold()    { l.gate.Lock() }
func (l *link) release() { l.gate.Unlock() }

func (l *link) serve(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer to.Close()
	var subscribed atomic.Bool
	go func() {
		defer to.Close()
		forward(from, func(sent []byte) error {
			if bytes.Contains(sent, []byte("subscribe")) {
				subscribed.Store(true)
			}
			_, err := to.Write(sent)
			return err
		})
	}()
	forward(to, func(answer []byte) error {
		if subscribed.Load() {
			l.gate.RLock()
			defer l.gate.RUnlock()
		}
		_, err := from.Write(answer)
		return err
	})
}

// forward hands over what comes until one side closes.
func forward(from net.Conn, write func([]byte) error) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && write(buffer[:n]) != nil || err != nil {
			return
		}
	}
}
