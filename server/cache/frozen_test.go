package cache_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// What tells this program, when it is started again, to be the second instance: where to connect to, and its L2.
const (
	secondInstanceAt = "HEADROOM_TEST_SECOND_INSTANCE"
	secondInstanceL2 = "HEADROOM_TEST_SECOND_INSTANCE_L2"
)

// truthName is the name under which L2's server keeps what a load for a key finds: the database of these tests.
func truthName(id [16]byte) string { return "truth:" + uuidString(id) }

var frozenTenant = uuid.MustParse("3f1d3d2a-5a0e-4c53-9d0c-7f2f0c8f4f11")

// runSecondInstance gets the resource whose ID is on a line, and answers "<value> <level>"; of several lines, several
// at a time. The load for a line that ends in "slow" says "loading" once it has read, and takes a while longer.
func runSecondInstance(parent, l2URL string) error {
	conn, err := net.Dial("tcp", parent)
	if err != nil {
		return err
	}
	defer conn.Close()
	options, err := redis.ParseURL(l2URL)
	if err != nil {
		return err
	}
	truth := redis.NewClient(options)
	c, err := cache.Open(cache.Options{L2URL: l2URL, L1Bytes: 16 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := c.Join(context.Background()); err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(conn, format+"\n", args...)
	}
	say("ready")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line, slow := strings.CutSuffix(lines.Text(), " slow")
		go func() {
			id, err := uuid.Parse(line)
			if err != nil {
				say("error %v", err)
				return
			}
			e, level, err := c.Get(context.Background(), itemKey(frozenTenant, id),
				func(ctx context.Context, key cache.Key, _ store.LSN) ([]byte, error) {
					body, err := truth.Get(ctx, truthName(key.ID)).Bytes()
					if slow {
						say("loading")
						time.Sleep(100 * time.Millisecond)
					}
					return body, err
				})
			if err != nil {
				say("error %v", err)
				return
			}
			say("%s %s", e.Body, level)
		}()
	}
	return nil
}

// secondInstance is this program once more, as a process with a cache of its own.
type secondInstance struct {
	process *containers.Child
	conn    net.Conn
	lines   *bufio.Scanner
}

func startSecondInstance(t *testing.T) *secondInstance {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child, err := containers.StartChild(t.Context(), containers.ChildSpec{
		Path: self, Stderr: os.Stderr, StopSignal: syscall.SIGKILL, // the only one that a frozen process heeds
		Env: append(os.Environ(), secondInstanceAt+"="+listener.Addr().String(), secondInstanceL2+"="+l2URL(t)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Stop(context.Background()) })
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	s := &secondInstance{process: child, conn: conn, lines: bufio.NewScanner(conn)}
	if said := s.hear(t); said != "ready" {
		t.Fatalf("it said %q", said)
	}
	return s
}

func (s *secondInstance) ask(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(s.conn, line); err != nil {
		t.Fatal(err)
	}
}

func (s *secondInstance) hear(t *testing.T) string {
	t.Helper()
	if !s.lines.Scan() {
		t.Fatalf("the second instance is gone: %v", s.lines.Err())
	}
	return s.lines.Text()
}

func (s *secondInstance) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.process.Pid(), signal); err != nil {
		t.Fatal(err)
	}
}

// An instance that stands still cannot acknowledge an invalidation. When it goes on, it does not know of it yet, has
// the old value in L1, and another one under way in a load that had read before. It gives the old value only to the
// request that began that load, before the invalidation; and by way of L2, no other instance gets it.
func TestAFrozenInstanceServesNothingOld(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	second, truth := startSecondInstance(t), redisClient(t, l2URL(t))
	set := func(value string, ids ...[16]byte) {
		for _, id := range ids {
			if err := truth.Set(t.Context(), truthName(id), value, time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all [][16]byte
	for range 4 {
		held, loading := newID(), newID()
		all = append(all, held, loading)
		set("old", held, loading)
		eventually(t, "the old value in L1", func() bool {
			second.ask(t, uuidString(held))
			return second.hear(t) == "old l1"
		})
		second.ask(t, uuidString(loading)+" slow")
		if said := second.hear(t); said != "loading" {
			t.Fatalf("it said %q", said)
		}
		second.signal(t, syscall.SIGSTOP)
		set("new", held, loading)
		began := time.Now()
		err := c.Invalidate(t.Context(), 0, cache.Scope{Tenant: frozenTenant, Kind: cache.Resource, ID: held},
			cache.Scope{Tenant: frozenTenant, Kind: cache.Resource, ID: loading})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("the invalidation took %s", time.Since(began))
		second.expectNew(t, held, loading)
	}
	for _, id := range all { // what it was to write to L2 has been written by now
		e, level, err := c.Get(t.Context(), itemKey(frozenTenant, id), returning("new"))
		if err != nil || string(e.Body) != "new" {
			t.Errorf("%+v from %s, error %v", e, level, err)
		}
	}
}

// expectNew lets the instance go on, with requests before it that came after the invalidation.
func (s *secondInstance) expectNew(t *testing.T, held, loading [16]byte) {
	t.Helper()
	const requests = 20
	for range requests {
		s.ask(t, uuidString(held))
		s.ask(t, uuidString(loading))
	}
	s.signal(t, syscall.SIGCONT)
	var answers []string
	old := 0
	for range 2*requests + 1 { // the one more is to the request of before
		said := s.hear(t)
		answers = append(answers, said)
		if value, _, _ := strings.Cut(said, " "); value == "old" {
			old++
		} else if value != "new" {
			t.Errorf("it said %q", said)
		}
	}
	if old > 1 {
		t.Errorf("it gave the old value %d times, and only one request is of before: %q", old, answers)
	}
}
