package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/tuning"
)

// A replica that becomes far is left alone, and taken up again when it is near: by the times of real questions to it,
// while requests go on.
func TestTuningOfTheReplica(t *testing.T) {
	t.Parallel()
	env := containerstest.SharedWithReplica(t)
	o := options(t)
	var link *relay
	o.PostgresURL = env.PostgresURL
	o.PostgresReplicaURL, link = distant(t, env.ReplicaURL, 0)
	o.PostgresMaxConns, o.Tuning, o.TuningWindow = 8, "act", 500*time.Millisecond
	r := start(t, o)
	defer r.stop(t)
	stop := loadDatabase(t, r, 4, time.Millisecond)
	defer stop()
	await(t, "reads by the replica", func() bool { return replicaReads(t, r) > 20 })

	link.roundTrip.Store(int64(60 * time.Millisecond))
	a := actionOf(t, r, tuning.Replica, tuning.Kept)
	if a.From != 1 || a.To != 0 || a.After == nil || *a.After >= *a.Before ||
		!strings.Contains(a.Reason, "the replica") {
		t.Errorf("the action is %+v", a)
	}
	before, acquires := replicaReads(t, r), takeSnapshot(t, r).DBPool.Acquires
	await(t, "queries", func() bool { return takeSnapshot(t, r).DBPool.Acquires > acquires+50 })
	if now := replicaReads(t, r); now != before {
		t.Errorf("%d queries were at the replica since it was left alone", now-before)
	}
	link.roundTrip.Store(0)
	await(t, "the replica to be taken up again", func() bool { return askTuning(t, r).Values[tuning.Replica] == 1 })
	await(t, "reads by the replica", func() bool { return replicaReads(t, r) > before+20 })
}

// replicaReads is the number of queries that the replica has answered.
func replicaReads(t testing.TB, r *running) (n int64) {
	t.Helper()
	for _, q := range takeSnapshot(t, r).DB {
		n += q.Replica
	}
	return n
}

// await waits until something is so.
func await(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !isSo(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Prefetching of what nobody asks for ends while connections are scarce. The pool has all that it may have, and others
// use it up; two clients look through lists, and never at their items.
func TestTuningOfPrefetching(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.PostgresURL, _ = distant(t, o.PostgresURL, 3*time.Millisecond)
	o.PostgresMaxConns = min(max(4*runtime.NumCPU(), 8), 64) // what it may have: see PoolBound
	// L1 has room for few entries, and for many if it wants to: it adapts by itself, in minutes.
	o.CacheIsFar, o.L1Bytes, o.L1MinBytes, o.L1MaxBytes = true, 256<<10, 256<<10, 128<<20
	o.PrefetchThreshold, o.Tuning, o.TuningWindow = 0.05, "act", 2*time.Second
	r := start(t, o)
	defer r.stop(t)
	tenant, base := uuid.NewString(), "http://"+r.addr+"/api/v1"
	hot := insertMany(t, base, tenant, 2000)
	defer load(t, o.PostgresMaxConns+8, 0, func() *http.Request {
		return newRequest(t, http.MethodGet, base+"/events?limit=1", uuid.NewString(), nil)
	})()
	var asked atomic.Int64
	defer load(t, 2, 0, func() *http.Request {
		n := asked.Add(1)
		path := hot
		if n%2 == 0 { // each list is another one, of the same resources
			since := time.Date(2020, 1, 1, 0, 0, 0, int(n)*1000, time.UTC).Format(time.RFC3339Nano)
			path = fmt.Sprintf("/resources?limit=100&page=%d&updated_since=%s", n/2%19+1, since)
		}
		return newRequest(t, http.MethodGet, base+path, tenant, nil)
	})()
	a := actionOf(t, r, tuning.Prefetch, tuning.Kept)
	if a.From != 1 || a.To != 0 || !strings.Contains(a.Reason, "were never asked for") {
		t.Errorf("the action is %+v", a)
	}
	if on := askTuning(t, r).Values[tuning.Prefetch]; on != 0 {
		t.Errorf("prefetching is %g", on)
	}
}

// insertMany inserts up to 2,000 resources of a tenant, and returns the path of the first.
func insertMany(t testing.TB, base, tenant string, n int) (path string) {
	t.Helper()
	insert := func(from, to int) []string {
		var all []string
		for i := from; i < to; i++ {
			all = append(all, strings.Replace(oneResource[len(`{"resources":[`):len(oneResource)-2], `"a"`,
				fmt.Sprintf(`"a%d"`, i), 1))
		}
		body := `{"resources":[` + strings.Join(all, ",") + `]}`
		var created struct{ Created []string }
		err := json.Unmarshal(send(t, newRequest(t, http.MethodPost, base+"/resources/batch", tenant,
			strings.NewReader(body)), http.StatusCreated), &created)
		if err != nil {
			t.Fatal(err)
		}
		return created.Created
	}
	first := insert(0, n/2)
	insert(n/2, n)
	return "/resources/" + first[0]
}

// A process whose memory is nearly at its limit collects garbage all the time. It gets a higher limit, and collects
// less. What fills the memory here is the test's own, as what a server embeds may be; the limit allows for the settings
// alone.
func TestTuningOfTheMemoryLimit(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "") // or it would be left alone
	t.Setenv("GOGC", "")
	o := options(t)
	o.L1Bytes, o.StreamBufferBytes, o.Streams, o.MaxUnderWay = 4<<20, 1<<20, 1, 64
	o.PolicyCacheBytes = 1 << 20
	o.PostgresMaxConns, o.Tuning, o.TuningWindow = 16, "act", time.Second
	r := start(t, o)
	defer r.stop(t)
	limit := debug.SetMemoryLimit(-1)
	full := fill(limit - 8<<20)
	stop := loadDatabase(t, r, 4, 0)
	defer stop()
	a := actionOf(t, r, tuning.MemoryLimit, tuning.Kept)
	if a.From != float64(limit) || a.To != float64(limit+limit/2) || a.After == nil || *a.After >= *a.Before {
		t.Errorf("the action is %+v", a)
	}
	if now := debug.SetMemoryLimit(-1); now < limit+limit/2 {
		t.Errorf("the limit is %d MiB, and was %d MiB", now>>20, limit>>20)
	}
	runtime.KeepAlive(full)
}

// fill takes memory until that many bytes of the heap are in use. A collection looks for pointers in it.
func fill(bytes int64) (all [][]*int64) {
	target := new(int64)
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	for range (bytes - int64(now.HeapAlloc)) / 1024 {
		block := make([]*int64, 128)
		block[0] = target
		all = append(all, block)
	}
	return all
}
