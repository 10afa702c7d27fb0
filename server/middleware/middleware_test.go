package middleware_test

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/middleware"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

func TestSaneRequestID(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, uuid.NewString(): true, "Root=1-67891233-abcdef012345678912345678": true, "a/b+c:d_e.f": true,
		strings.Repeat("x", 128): true,
		"":                       false, strings.Repeat("x", 129): false, "a b": false, "a\r\nSet-Cookie: x": false,
		"é": false, `"`: false,
		"<script>": false, "a,b": false,
	} {
		if got := middleware.SaneRequestID(id); got != want {
			t.Errorf("%q: %t, want %t", id, got, want)
		}
	}
}

func FuzzSaneRequestID(f *testing.F) {
	f.Add("abc-1")
	f.Fuzz(func(t *testing.T, id string) {
		if middleware.SaneRequestID(id) && strings.ContainsAny(id, "\x00\r\n\t \"\\<>&,;") {
			t.Errorf("%q is sane", id)
		}
	})
}

// maxRequestIDBytes is the length of the longest id: 16 digits and a hyphen, and 64 bits in base 36.
const maxRequestIDBytes = 17 + 13

func TestRequestIDsDiffer(t *testing.T) {
	ids, other := middleware.NewRequestIDs(), middleware.NewRequestIDs()
	var seen sync.Map
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			for range 1000 {
				id := string(ids.Append(nil))
				if _, twice := seen.LoadOrStore(id, true); twice || !middleware.SaneRequestID(id) ||
					len(id) > maxRequestIDBytes {
					t.Errorf("id %q, made before: %t", id, twice)
				}
			}
		})
	}
	makers.Wait()
	if id := string(other.Append(nil)); id[:16] == string(ids.Append(nil))[:16] {
		t.Errorf("two processes share %s", id)
	}
}

func TestGate(t *testing.T) {
	const limit = 3
	g := middleware.NewGate(limit)
	var most, inside atomic.Int64
	var let atomic.Uint64
	var visitors sync.WaitGroup
	for range 20 {
		visitors.Go(func() {
			for range 500 {
				if !g.Enter() {
					continue
				}
				let.Add(1)
				if now := inside.Add(1); now > most.Load() {
					most.Store(now)
				}
				inside.Add(-1)
				g.Leave()
			}
		})
	}
	visitors.Wait()
	if most.Load() > limit || g.Inside() != 0 || let.Load()+g.Shed() != 20*500 {
		t.Errorf("%d at once, %d are in; let in %d, refused %d", most.Load(), g.Inside(), let.Load(), g.Shed())
	}
	for range limit {
		if !g.Enter() {
			t.Fatal("refused with room")
		}
	}
	if g.Enter() {
		t.Error("let in one too many")
	}
	g.Leave()
	if !g.Enter() {
		t.Error("refused with room again")
	}
}

// allower is what the two limiters have in common.
type allower interface {
	Allow(ctx context.Context, client string, now time.Duration) middleware.Verdict
}

// In virtual time, a client gets its burst and then its rate, whatever the others do.
func TestLimiter(t *testing.T) {
	l := middleware.NewLimiter(middleware.Rate{PerSecond: 10, Burst: 5})
	now := time.Hour
	for want := int64(4); want >= 0; want-- {
		got := l.Allow(t.Context(), "a", now)
		if !got.Allowed || got.Remaining != want || got.Reset != time.Duration(5-want)*100*time.Millisecond {
			t.Fatalf("with %d left: %+v", want, got)
		}
	}
	if got, want := l.Allow(t.Context(), "a", now),
		(middleware.Verdict{Reset: 500 * time.Millisecond, RetryAfter: 100 * time.Millisecond}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !l.Allow(t.Context(), "b", now).Allowed {
		t.Error("another client is refused")
	}
	if l.Allow(t.Context(), "a", now+99*time.Millisecond).Allowed ||
		!l.Allow(t.Context(), "a", now+100*time.Millisecond).Allowed {
		t.Error("the next token does not come after 100 ms")
	}
	allowed := 0
	for at := now + time.Second; at < now+11*time.Second; at += time.Millisecond {
		if l.Allow(t.Context(), "a", at).Allowed {
			allowed++
		}
	}
	if allowed < 104 || allowed > 105 {
		t.Errorf("in 10 s %d were allowed, want a burst of 5 and 10 a second", allowed)
	}
	if l.Refused() != uint64(10_000-allowed+2) {
		t.Errorf("%d refusals counted, want %d", l.Refused(), 10_000-allowed+2)
	}
}

// More clients than there is room for are neither all let through nor kept for ever.
func TestLimiterIsBounded(t *testing.T) {
	l := middleware.NewLimiter(middleware.Rate{PerSecond: 1, Burst: 2})
	refused := 0
	for i := range 300_000 {
		if !l.Allow(t.Context(), uuid.NewString(), time.Duration(i)).Allowed {
			refused++
		}
	}
	if refused < 300_000-64*4096-64*2 {
		t.Errorf("only %d refused", refused)
	}
	if got := l.Allow(t.Context(), "late", time.Minute); !got.Allowed || got.Remaining != 1 {
		t.Errorf("when the others have rested: %+v", got)
	}
}

func TestSharedLimiter(t *testing.T) {
	env := containerstest.Shared(t)
	rate := middleware.Rate{PerSecond: 1, Burst: 3}
	open := func(url string) *middleware.SharedLimiter {
		l, err := middleware.NewSharedLimiter(url, rate, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	first, second, client := open(env.CacheURL), open(env.CacheURL), uuid.NewString()
	began := time.Now()
	for i, l := range []allower{first, second, first} {
		got := l.Allow(t.Context(), client, 0)
		if !got.Allowed || got.Reset <= 0 || got.Reset > 3*time.Second {
			t.Errorf("request %d: %+v", i, got)
		}
	}
	got := second.Allow(t.Context(), client, 0)
	if got.Allowed && time.Since(began) < time.Second {
		t.Errorf("a fourth request within a second: %+v", got)
	}
	if !got.Allowed && (got.RetryAfter <= 0 || got.RetryAfter > time.Second ||
		got.Reset != got.RetryAfter+2*time.Second || second.Refused() != 1) {
		t.Errorf("refused with %+v, %d refusals", got, second.Refused())
	}

	down := open("redis://127.0.0.1:1/0")
	for i := range 10 { // it opens its breaker on the way
		if got := down.Allow(t.Context(), client, 0); got.Allowed != (i < 3) {
			t.Errorf("request %d without the cache server: %+v", i, got)
		}
	}
}

func TestDurationsAgreeWithTheLibrary(t *testing.T) {
	var d middleware.Durations
	if d.Histogram() != nil {
		t.Error("there is a histogram of nothing")
	}
	want := hdrhistogram.New(1, 60_000_000, 3)
	record := func(us int64) {
		d.Record(time.Duration(us) * time.Microsecond)
		if err := want.RecordValue(min(max(us, 1), 60_000_000)); err != nil {
			t.Fatal(err)
		}
	}
	for _, us := range []int64{-5, 0, 1, 2047, 2048, 2049, 4095, 4096, 59_999_999, 60_000_000, 90_000_000} {
		record(us)
	}
	for range 10_000 {
		record(int64(1) << rand.IntN(26) * int64(1+rand.IntN(2)))
		record(rand.Int64N(60_000_000))
	}
	got := d.Histogram()
	if !reflect.DeepEqual(got.Export().Counts, want.Export().Counts) || got.TotalCount() != want.TotalCount() {
		t.Errorf("%d counts, want %d", got.TotalCount(), want.TotalCount())
	}
	n, sum := d.Total()
	if mean := float64(sum.Microseconds()) / float64(n); n != want.TotalCount() || math.Abs(mean/want.Mean()-1) > 1e-3 {
		t.Errorf("%d with a mean of %g µs, want %d and %g", n, mean, want.TotalCount(), want.Mean())
	}
	for _, q := range []float64{0, 50, 95, 99.9, 100} {
		if got.ValueAtQuantile(q) != want.ValueAtQuantile(q) {
			t.Errorf("quantile %v is %d, want %d", q, got.ValueAtQuantile(q), want.ValueAtQuantile(q))
		}
	}
}
