package reports

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// sampleRun is a realistic run that failed: a warm and a cold scenario of three requests each, side by side, with a
// point for each of 60 seconds, but for two in which the cold one got no answer.
func sampleRun(t testing.TB) *results.Run {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 11))
	r := &results.Run{
		Version:     results.RunVersion,
		Name:        "resources-read",
		Description: "Reads of single resources and lists, with warm and with cold caches.",
		Tool:        results.Tool{Version: "v0.1.0", Commit: "3f2a9c1"},
		Command:     []string{"headroom", "run", "resources read.yaml", "--set", "rate=200"},
		Scenario: results.Scenario{
			File: "scenarios/resources-read.yaml",
			Text: "name: resources-read\nscenarios:\n  warm:\n    executor: constant-arrival-rate\n    " +
				"rate: 200\n",
			Overrides: []string{"scenarios.warm.rate=200"}, Seed: 42,
		},
		Environment: sampleEnvironment(),
		Measurements: results.Measurements{
			Engine: "http1", Started: time.Date(2026, 11, 23, 21, 4, 5, 0, time.UTC), Elapsed: 60.204,
			Loads: []*results.Load{
				{
					Scenario: "warm", Executor: "constant-arrival-rate", Open: true, Planned: 12000, Sent: 12000,
					MaxVUs:          100,
					MeasuredPlanned: 10000, MeasuredFrom: 10, MeasuredTo: 60, LastAnswer: 60.001,
					Lag: durations(random, 10000, 0.05), OwnLag: durations(random, 10000, 0.03),
				},
				{
					Scenario: "cold", Executor: "ramping-arrival-rate", Open: true, Planned: 3600, Sent: 3588,
					Dropped: 12, MaxVUs: 50,
					MeasuredPlanned: 3000, MeasuredFrom: 10, MeasuredTo: 60, LastAnswer: 60.204,
					Lag: durations(random, 2988, 0.09), OwnLag: durations(random, 2988, 0.03),
				},
			},
			Series: []*results.Series{
				sampleSeries(random, "warm", "get-resource", "GET", 7000, 0, 0.31),
				sampleSeries(random, "warm", "list-resources", "GET", 2500, 0, 1.9),
				sampleSeries(random, "warm", "count-by-type", "GET", 500, 0, 0.8),
				sampleSeries(random, "cold", "get-resource", "GET", 2000, 3, 6.2),
				sampleSeries(random, "cold", "list-resources", "GET", 700, 9, 21),
				sampleSeries(random, "cold", "update-resource", "PUT", 288, 2, 9.5),
			},
			Points: append(samplePoints(random, "warm", 200, 0.4, 0), samplePoints(random, "cold", 60, 8, 1)...),
			Views: []results.ServerView{
				sampleView(random, "", 2), sampleView(random, "warm", 1),
				sampleView(random, "cold", 1),
			},
			Marks: []results.Mark{
				{Text: "kill cache", Due: 30, Begun: 30.0004, Done: 30.0171},
				{Text: "restart cache", Due: 40, Begun: 40.0002, Done: 40.1302},
				{Text: "kill replica", Due: 50, Begun: 50.0001, Done: 50.0222},
			},
			Samples: sampleSamples(),
			Health:  sampleHealth(),
			Generator: results.Generator{
				CPUSeconds: 41.3, WallSeconds: 60.2, CPUs: 2, GCPauses: 0.0123, NumGC: 31, MaxRSSBytes: 84_300_000,
				GoMaxProcs: 2, GoVersion: "go1.26.8",
			},
		},
	}
	r.Verdict = sampleVerdict(t, &r.Measurements)
	return r
}

func sampleEnvironment() results.Environment {
	return results.Environment{
		Target: "http://127.0.0.1:40123", Provider: "process",
		Reason: "no Docker engine answers on unix:///var/run/docker.sock",
		Servers: []results.Server{
			{
				Role: "postgres", Name: "PostgreSQL", Version: "15.14",
				Answer: "PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu",
				Binary: "/usr/lib/postgresql/15/bin/postgres",
			},
			{
				Role: "replica", Name: "PostgreSQL", Version: "15.14", Standby: true,
				Binary: "/usr/lib/postgresql/15/bin/postgres",
			},
			{
				Role: "cache", Name: "Redis", Version: "7.0.15", Image: "redis:7",
				Digest: "sha256:4be7a1b3bca6e5b0f1b2cf5e6f6d3f7b9f1fd2f2fdf5e8a3b9be2b6fd1f1a2b3",
			},
		},
		Settings: []string{"postgres shared_buffers=256MB", "server l1_bytes=67108864"},
		Fixture:  "100,000 resources, seed 42",
		Machine: results.Machine{
			OS: "linux", Arch: "amd64", CPUs: 2, CPUModel: "Intel Xeon 2.20 GHz", Kernel: "6.1.0",
			Container: true, MemBytes: 8_300_000_000,
		},
	}
}

// durations are skewed to the right around the median (in milliseconds), with a few stragglers. They are drawn in whole
// numbers, so that golden files hold on every processor.
func durations(random *rand.Rand, n int, median float64) *results.Histogram {
	h := results.NewHistogram()
	for range n {
		u := random.IntN(1000)
		square := u * u / 1000
		fourth := square * square / 1000
		perMille := 400 + u + 4*fourth*fourth/1000
		if random.IntN(400) == 0 {
			perMille *= 2 + random.IntN(4)
		}
		h.Record(time.Duration(median*1e6) * time.Duration(perMille) / 1000)
	}
	return h
}

func sampleSeries(random *rand.Rand, scenario, name, method string, requests int, failed int64,
	median float64,
) *results.Series {
	s := &results.Series{
		Scenario: scenario, Name: name, Method: method,
		Tags:     map[string]string{"scenario": scenario, "name": name, "method": method},
		Requests: int64(requests), Failed: failed, CacheAnswers: int64(requests), CacheHits: int64(requests / 2),
		BytesReceived: int64(requests) * 1234, Statuses: map[int]int64{200: int64(requests) - failed},
		Response: durations(random, requests, median*1.1), Service: durations(random, requests, median),
	}
	if method == "PUT" {
		s.BytesSent = int64(requests) * 310
		s.Checks = []results.Check{{
			Name: "has an id", Passed: int64(requests) - failed, Failed: failed,
			Unmet: "no $.id; the answer was 503 Service Unavailable",
		}, {Name: "is JSON", Passed: int64(requests)}}
	}
	if scenario == "cold" && name != "list-resources" {
		s.Tags["flow"] = "edit"
	}
	if name == "update-resource" {
		s.Skipped = 4
	}
	if failed > 0 {
		s.Statuses[503] = failed - 1
		s.Errors = map[string]int64{"status 503": failed - 1, "timeout": 1}
		s.ErrorSamples = map[string]string{
			"status 503": `503 Service Unavailable: {"title":"the primary is away"}`,
			"timeout":    "after 5s: no answer yet",
		}
	}
	return s
}

func samplePoints(random *rand.Rand, scenario string, perSecond int64, median float64, failing int64) []results.Point {
	var points []results.Point
	for second := range 60 {
		if failing > 0 && (second == 33 || second == 34) {
			continue // nothing was answered
		}
		slow := median * (1 + 0.4*random.Float64())
		p := results.Point{
			Scenario: scenario, Second: second, Warmup: second < 10,
			Requests: perSecond - random.Int64N(perSecond/10+1),
			P50:      slow, P95: slow * 3, P99: slow * 4 * (1 + random.Float64()), Max: slow * 12,
		}
		if second > 34 && second < 40 {
			p.Failed = failing * random.Int64N(5)
		}
		points = append(points, p)
	}
	return points
}

func sampleView(random *rand.Rand, scenario string, share int64) results.ServerView {
	v := results.NewServerView(scenario)
	v.Seconds, v.CPUSeconds = 50, 21.4*float64(share)
	v.Tiers["l1"] = results.TierStats{Hits: 5210 * share, Misses: 1290 * share}
	v.Tiers["l2"] = results.TierStats{Hits: 800 * share, Misses: 490 * share, Errors: share - 1}
	v.Tiers["overall"] = results.TierStats{Hits: 6010 * share, Misses: 490 * share}
	v.Pools["primary"] = results.PoolStats{Acquires: 200 * share, MaxConns: 8}
	v.Pools["replica"] = results.PoolStats{Acquires: 450 * share, Waits: 3, Waited: 1.234, MaxConns: 8}
	v.Queries["get_resource"] = results.QueryStats{
		Count: 400 * share, Replica: 380 * share,
		Duration: durations(random, int(400*share), 0.6),
	}
	v.Queries["list_resources"] = results.QueryStats{
		Count: 90 * share, Errors: share - 1,
		Duration: durations(random, int(90*share), 4.1),
	}
	return v
}

// sampleSamples are those of a server whose L2 is gone from second 30 to 40 and whose replica is from 50 on; in second
// 5 nothing was asked of it.
func sampleSamples() []results.Sample {
	var samples []results.Sample
	for second := range 60 {
		s := results.Sample{At: float64(second) + 1.002, Tiers: map[string]results.TierStats{
			"l1": {Hits: 150, Misses: 50}, "l2": {Hits: 30, Misses: 20}, "l3": {Hits: 10, Misses: 10},
			"overall": {Hits: 190, Misses: 10},
		}}
		s.Breakers = map[string]string{"l2": "closed", "replica": "closed"}
		s.Replica = &results.Replica{Healthy: true, Lag: 0.4 + float64(second%7)/10}
		switch {
		case second == 5:
			clear(s.Tiers)
		case second >= 30 && second < 40:
			s.Tiers["l2"], s.Tiers["overall"] = results.TierStats{Misses: 50}, results.TierStats{Hits: 160, Misses: 40}
			s.Breakers["l2"] = "open"
		case second >= 50:
			s.Replica = &results.Replica{Reason: "connection refused", Fallbacks: int64(20 * (second - 49))}
		}
		samples = append(samples, s)
	}
	return samples
}

// sampleHealth is that of a machine with a neighbour in five seconds, which tells nothing in the first.
func sampleHealth() *results.Health {
	h := &results.Health{Processes: results.ProcessesChildren, FileLimit: 1024, PortRange: 28232}
	for second := range 60 {
		s := results.HealthSecond{At: float64(second) + 1, Length: 1, Generator: 0.69, GCPause: 0.2}
		if second > 0 {
			others, waited := 0.05, 0.02
			if second >= 20 && second < 25 {
				others, waited = 0.9, 0.4
			}
			s.System, s.Others, s.Stolen, s.Waited, s.SysWaited = new(0.5), &others, new(0.0), &waited, &waited
			s.Resent, s.Files, s.Ports = new(int64(second%2)), new(int64(110)), new(int64(150))
		}
		h.Seconds = append(h.Seconds, s)
	}
	return h
}

func sampleVerdict(t testing.TB, m *results.Measurements) results.Verdict {
	t.Helper()
	p95 := func(scenario string) float64 {
		sum, err := m.Summarize(map[string]string{"scenario": scenario})
		if err != nil {
			t.Fatal(err)
		}
		return sum.Response.Percentile(95)
	}
	warm, cold := p95("warm"), p95("cold")
	return results.Verdict{
		Outcome: results.Fail,
		Gates: []results.Gate{
			{
				Metric: "http_req_duration{scenario:warm}", Expression: "p(95)<5", Op: "<", Target: 5, Actual: warm,
				Unit: "ms", Samples: 10000, Margin: (5 - warm) / 5, Passed: true,
			},
			{
				Metric: "http_req_duration{scenario:cold}", Expression: "p(95)<25", Op: "<", Target: 25, Actual: cold,
				Unit: "ms", Samples: 2988, Margin: (25 - cold) / 25,
			},
			{
				Metric: "http_req_failed", Expression: "rate<0.01", Op: "<", Target: 0.01, Actual: 14.0 / 12988,
				Samples: 12988, Margin: 0.8922, Passed: true,
			},
			{
				Metric: "http_reqs{scenario:warm}", Expression: "rate>=199", Op: ">=", Target: 199, Actual: 199.98,
				Unit: "/s", Samples: 10000, Best: new(200.0), Margin: 0.98, Passed: true,
			},
			{
				Metric: "cache_hit_ratio{tier:l1}", Expression: "rate>0.75", Op: ">", Target: 0.75, Actual: 0.8015,
				Samples: 13000, Best: new(1.0), Margin: 0.206, Passed: true,
			},
			{
				Metric: "db_query_duration{query:tenants}", Expression: "p(99)<10", Op: "<", Target: 10, Unit: "ms",
				Reason: "no data: a threshold without data fails",
			},
		},
		Warnings: []string{"requests went through docker-proxy, which adds about 0.1 ms to each"},
	}
}

// hostile is a text that breaks out of whatever does not escape it: elements, attributes, scripts, JSON and terminals.
const hostile = "x</script><script>window.executed=1</script><img src=x " +
	"onerror=window.executed=1>\"'`${window.executed=1}\x1b[2J\x00</textarea></title><!--"

// hostileRun is a run in which every text that someone else could have written is hostile.
func hostileRun(t testing.TB) *results.Run {
	t.Helper()
	r := sampleRun(t)
	m := &r.Measurements
	r.Name, r.Description, r.Command = hostile, hostile, []string{"headroom", hostile}
	r.Scenario = results.Scenario{File: hostile, Text: hostile, Overrides: []string{hostile}}
	r.Environment = results.Environment{
		Target: hostile, Provider: hostile, Reason: hostile, Settings: []string{hostile}, Fixture: hostile,
		Servers: []results.Server{{
			Role: hostile, Name: hostile, Version: hostile, Answer: hostile, Image: hostile,
			Digest: hostile, Binary: hostile,
		}},
		Machine: results.Machine{OS: hostile, Arch: hostile, CPUModel: hostile, Governor: hostile, Kernel: hostile},
	}
	r.Shards = []results.ShardRun{{
		Shard: results.Shard{Of: 1}, Engine: hostile, Machine: results.Machine{Host: hostile, OS: hostile},
		Invalid: []string{hostile}, Disturbed: []string{hostile}, Warnings: []string{hostile},
	}}
	m.Aborted, m.Warnings, m.Loads[0].Scenario = hostile, []string{hostile}, hostile
	for _, s := range m.Series[:3] {
		s.Checks = []results.Check{{Name: hostile, Failed: 1}}
		s.Scenario, s.Name, s.Method, s.Errors = hostile, hostile+s.Name, hostile, map[string]int64{hostile: 1}
		s.Tags = map[string]string{"scenario": s.Scenario, "name": s.Name}
	}
	for i := range m.Points {
		if m.Points[i].Scenario == "warm" {
			m.Points[i].Scenario = hostile
			// another warm-up than the other scenario's: shades are labelled by name
			m.Points[i].Warmup = m.Points[i].Second < 5
		}
	}
	m.Marks[0].Text, m.Marks[0].Error = hostile, hostile
	for i := range m.Samples {
		m.Samples[i].Breakers = map[string]string{hostile: hostile}
	}
	m.Samples[55].Replica.Reason = hostile
	m.Views[1].Scenario = hostile
	m.Views[1].Tiers[hostile] = results.TierStats{Hits: 1}
	m.Views[1].Pools[hostile] = results.PoolStats{Acquires: 1}
	m.Views[1].Queries[hostile] = results.QueryStats{Count: 1, Duration: results.NewHistogram()}
	r.Evidence, m.Slowest = hostileEvidence(), []results.SlowRequest{{
		Scenario: hostile, Request: hostile, Trace: hostile, Status: hostile, Error: hostile, Connection: hostile,
	}}
	m.Traces = []results.Trace{{
		ID: hostile, Spans: []results.TraceSpan{{Name: hostile, Instance: hostile, Error: hostile}},
	}}
	r.Verdict.Warnings = []string{hostile}
	for i := range r.Verdict.Gates {
		g := &r.Verdict.Gates[i]
		g.Metric, g.Expression, g.Reason = hostile, hostile, hostile
	}
	return r
}
