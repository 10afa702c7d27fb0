package loadgen

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// regionalPlan has a scenario for each region, with its name.
func regionalPlan(engine scenarios.Engine, regions ...string) *scenarios.Plan {
	plan := planOf(scenarios.Scenario{
		Load: scenarios.ConstantRate{Rate: 100, Duration: 200 * time.Millisecond, MaxVUs: 8},
	})
	plan.Engine = engine
	first := plan.Scenarios[0]
	plan.Scenarios = nil
	for _, region := range regions {
		s := first
		s.Name, s.Region = region, region
		plan.Scenarios = append(plan.Scenarios, s)
	}
	return plan
}

// TestScenariosSendToTheirRegion: the requests of a scenario go where its region is, and nowhere else, and thresholds
// find them by it.
func TestScenariosSendToTheirRegion(t *testing.T) {
	t.Parallel()
	for _, engine := range []scenarios.Engine{scenarios.EngineWire, scenarios.EngineVegeta} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			var got [2]atomic.Int64
			urls := map[string]string{}
			for i, region := range []string{"eu", "us"} {
				urls[region] = serve(t, func(http.ResponseWriter, *http.Request) { got[i].Add(1) })
			}
			m := run1(t, regionalPlan(engine, "eu", "us", "us2"), urls["eu"],
				Options{Regions: map[string]string{"eu": urls["eu"], "us": urls["us"], "us2": urls["us"]}})
			if got[0].Load() != 20 || got[1].Load() != 40 {
				t.Errorf("the regions got %d and %d requests, want 20 and 40", got[0].Load(), got[1].Load())
			}
			for _, region := range []string{"eu", "us", "us2"} {
				if n := requestsOf(m, region); n != 20 {
					t.Errorf("%d requests are of region %s, want 20", n, region)
				}
			}
		})
	}
}

// TestTrySendsToTheRegion, too.
func TestTrySendsToTheRegion(t *testing.T) {
	t.Parallel()
	plan, urls := regionalPlan("", "eu", "us"), map[string]string{}
	for _, region := range []string{"eu", "us"} {
		urls[region] = serve(t, func(http.ResponseWriter, *http.Request) {})
	}
	trials, _, err := Trials(plan, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]string{}
	err = Try(t.Context(), plan, urls["eu"], Options{Regions: urls}, trials, func(one *Tried) {
		tried[one.Scenario] = strings.TrimSuffix(one.URL, "/")
	})
	if err != nil || !maps.Equal(tried, urls) {
		t.Errorf("sent to %v, %v; want %v", tried, err, urls)
	}
}

func requestsOf(m *results.Measurements, region string) (n int64) {
	for _, s := range m.Select(map[string]string{scenarios.RegionTag: region}) {
		n += s.Requests
	}
	return n
}

func TestARegionThatIsNowhere(t *testing.T) {
	t.Parallel()
	_, err := Run(context.Background(), regionalPlan(scenarios.EngineAuto, "eu", "us"), "http://127.0.0.1:1",
		Options{Regions: map[string]string{"eu": "http://127.0.0.1:1"}})
	const want = "prepare load: scenario us sends to region us, which is nowhere"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestFilesOfRegions: the proxies before the regions are in this process too.
func TestFilesOfRegions(t *testing.T) {
	plain, far := regionalPlan("", "eu", "us"), regionalPlan("", "eu", "us")
	far.Environment.Regions = []scenarios.Region{{Name: "eu"}, {Name: "us"}}
	// 16 connections, each with two sockets of a proxy
	const want = 2*16 + 2*filesOfRegion
	if more := filesNeeded(far) - filesNeeded(plain); more < want-8 { // others may be closed meanwhile
		t.Errorf("regions need %d more files, want %d", more, want)
	}
}
