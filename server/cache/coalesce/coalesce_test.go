package coalesce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// server answers commands in place of a connection: the value of "k" is "value of k", and "missing" is not there.
type server struct {
	commands, keys atomic.Int64
	release        chan struct{} // each command waits for it
	err            error
	short          bool // answers a value too few
}

func (s *server) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *server) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (s *server) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, command redis.Cmder) error {
		<-s.release
		s.commands.Add(1)
		var values []any
		for _, key := range command.Args()[1:] {
			s.keys.Add(1)
			name := *key.(*string)
			if name == "missing" {
				values = append(values, nil)
			} else {
				values = append(values, "value of "+name)
			}
		}
		if s.short {
			values = values[1:]
		}
		command.(*redis.SliceCmd).SetVal(values)
		return s.err
	}
}

func newReader(t *testing.T, s *server) *Reader {
	t.Helper()
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { client.Close() })
	client.AddHook(s)
	return New(client, time.Second)
}

func opened() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestGet(t *testing.T) {
	r := newReader(t, &server{release: opened()})
	for _, c := range []struct{ first, second, one, two string }{
		{"a", "", "value of a", ""},
		{"a", "b", "value of a", "value of b"},
		{"missing", "b", "", "value of b"},
		{"a", "missing", "value of a", ""},
	} {
		one, two, err := r.Get(c.first, c.second)
		if err != nil || one != c.one || two != c.two {
			t.Errorf("%q and %q: got %q, %q, error %v", c.first, c.second, one, two, err)
		}
	}
}

// Reads that come while others are under way share round trips, and each gets its own values.
func TestConcurrentReadsShareRoundTrips(t *testing.T) {
	s := &server{release: make(chan struct{})}
	r := newReader(t, s)
	const reads = 1000
	var all sync.WaitGroup
	for i := range reads {
		all.Go(func() {
			name, second := fmt.Sprint(i), ""
			if i%3 == 0 {
				second = "second " + name
			}
			one, two, err := r.Get(name, second)
			if err != nil || one != "value of "+name || (two != "") != (second != "") ||
				!strings.HasSuffix(two, second) {
				t.Errorf("read %d: got %q and %q, error %v", i, one, two, err)
			}
		})
	}
	for waiting := 0; waiting < reads-readers*maxBatch; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		waiting = len(r.waiting)
		r.mu.Unlock()
	}
	close(s.release)
	all.Wait()
	if n := s.commands.Load(); n > reads/10 || n < reads/maxBatch {
		t.Errorf("%d commands for %d reads", n, reads)
	}
	if n := s.keys.Load(); n != reads+(reads+2)/3 {
		t.Errorf("%d keys were read, want %d", n, reads+(reads+2)/3)
	}
}

func TestErrorsReachEveryRead(t *testing.T) {
	broken := errors.New("broken")
	for name, s := range map[string]*server{
		"of the server": {release: opened(), err: broken},
		"short answer":  {release: opened(), short: true},
	} {
		r := newReader(t, s)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				one, two, err := r.Get("a", "b")
				if err == nil || s.err != nil && !errors.Is(err, broken) || one != "" || two != "" {
					t.Errorf("%s: got %q, %q, error %v", name, one, two, err)
				}
			})
		}
		all.Wait()
	}
}
