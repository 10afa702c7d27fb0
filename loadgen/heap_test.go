package loadgen

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// TestGarbageIsBounded: what a run leaves lying about is bounded, whatever lives, and the collector is as before when
// the last of overlapping runs has ended, whichever that is.
func TestGarbageIsBounded(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	percentBefore, limitBefore := percent(), debug.SetMemoryLimit(-1)
	short, long := &run{options: Options{}, plan: &scenarios.Plan{}}, &run{options: Options{}, plan: &scenarios.Plan{}}
	short.makePlaces()
	long.makePlaces()
	underWay.end() // of short
	if got := percent(); got != gcPercent {
		t.Errorf("the collector's percentage is %d while a run goes on", got)
	}
	if s := Settings(); s["GOGC"] != strconv.Itoa(gcPercent) || s["GOMEMLIMIT"] != "what lives and 6291456 or more" {
		t.Errorf("the settings of the runs are %v", s)
	}
	lives := make([]byte, 100<<20)
	var most uint64
	for range 1000 {
		garbage = make([]byte, 256<<10)
		time.Sleep(50 * time.Microsecond) // else the collector cannot keep up
		most = max(most, heapBytes())
	}
	if most > 164<<20 {
		t.Errorf("%d MiB of heap, with 100 MiB alive", most>>20)
	}
	runtime.KeepAlive(lives)
	underWay.end()
	if got, limit := percent(), debug.SetMemoryLimit(-1); got != percentBefore || limit != limitBefore {
		t.Errorf("afterwards %d %% and a limit of %d bytes, before %d %% and %d", got, limit, percentBefore,
			limitBefore)
	}
}

var garbage []byte // so that it is allocated

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestCollectorOfTheEnvironment: what GOGC or GOMEMLIMIT say is not changed.
func TestCollectorOfTheEnvironment(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Setenv(name, "100")
		before := debug.SetMemoryLimit(-1)
		url := serve(t, func(http.ResponseWriter, *http.Request) {
			if limit := debug.SetMemoryLimit(-1); limit != before {
				t.Errorf("%s: the limit is %d bytes, and was %d", name, limit, before)
			}
			if s := Settings(); s["GOGC"] != "" || s["GOMEMLIMIT"] != "" || s["GOMAXPROCS"] == "" {
				t.Errorf("%s: the run has chosen %v", name, s)
			}
		})
		run1(t, planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 20, Duration: 100 * time.Millisecond,
		}}), url, Options{})
		t.Setenv(name, "")
	}
}
