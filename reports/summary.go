package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// SummaryVersion is the version of summary.json's format. Fields are only added within a version.
const SummaryVersion = 1

// SummaryJSON writes the run's figures for scripts. Times are milliseconds, rates are per second, and shares are from 0
// to 1:
//
//	version           1
//	name, description, started (RFC 3339), elapsed_seconds, seed, tool
//	verdict           outcome (PASS, FAIL, INVALID, UNRESOLVED, PART), gates, invalid (reasons), warnings
//	aborted           the threshold that ended the run early, if one did
//	environment       target, other_targets (further instances), proxy, provider, servers (role, name, version as the server reported it), fixture, cpus, cpu_model
//	shards[]          merged runs only: index (from 0), of, started, engine, machine, generator, sent, dropped, p95_ms, lag_p99_ms, invalid, disturbed, warnings
//	overall           requests, failed, failed_share, rate, response_ms and service_ms
//	causes[]          why requests failed, the most frequent first: scenario, request, class, count, first (the first error of the class)
//	slowest[]         the slowest requests of each name, and the slowest sampled ones: [results.SlowRequest]
//	traces[]          the reference server's spans of the slowest sampled requests: [results.Trace]
//	meanwhile[]       gate, from_seconds, to_seconds, facts[]: what was measured while a gate did not hold
//	evidence          of the reference server, at the end: [results.Evidence]
//	health            CPU use (in cores) and waits for a CPU (shares) over the run; unknown figures are left out
//	marks[]           text, due_seconds, begun_seconds, done_seconds, error: faults that were injected
//	changes[]         at_seconds, text: state changes of breakers and replica in the server's samples
//	scenarios[]       name, executor, engine (only if they differ), open, the figures of overall, schedule (null unless open; rates of requests or flows) and
//	  warmup          limit_seconds, seconds, ended (steady, limit, run), unsteady: automatic warm-ups only
//	  by_stage[]      name, from_seconds, to_seconds, the figures of overall: named stages only
//	  by_instance[]   instance (from 1; 0 where none is known), the figures of overall: where thresholds tell instances apart
//	  by_request[]    name, method, the figures of overall, statuses, errors, bytes_sent, bytes_received, skipped (steps of flows), checks[]: name, passed, failed, first_unmet; waiting_ms (to the first byte); tls_handshaking_ms (of connections made for it); streamed: kind, events, tokens, first_ms, gap_ms
//	streams[]         scenarios of subscribers: scenario, name, subscribers, connected_share, events_rate, the counts of [results.StreamCounts], delivery_ms, first_byte_ms, first_event_ms, gap_ms, own_wait_ms
//	server_views[]    scenario (empty: the whole run), seconds, cpu_seconds, tiers, queries and pools by name
//
// response_ms, service_ms and the other durations hold p50, p75, p90, p95, p99, p999, max, mean and count; they are
// null when nothing was recorded.
func SummaryJSON(w io.Writer, r *results.Run) error {
	d, err := newDigest(r)
	if err != nil {
		return fmt.Errorf("draw %s: %w", SummaryFile, err)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // p(95)<50 stays readable
	enc.SetIndent("", "  ")
	if err := enc.Encode(newSummary(d)); err != nil {
		return fmt.Errorf("draw %s: %w", SummaryFile, err)
	}
	return nil
}

type summary struct {
	Version     int                `json:"version"`
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	Started     time.Time          `json:"started"`
	Elapsed     float64            `json:"elapsed_seconds"`
	Seed        uint64             `json:"seed"`
	Tool        results.Tool       `json:"tool"`
	Verdict     results.Verdict    `json:"verdict"`
	Aborted     string             `json:"aborted,omitempty"`
	Environment summaryEnvironment `json:"environment"`
	Shards      []results.ShardRun `json:"shards,omitempty"`
	Overall     figures            `json:"overall"`
	Causes      []results.Cause    `json:"causes,omitempty"`
	Meanwhile   []beside           `json:"meanwhile,omitempty"`
	Evidence    *results.Evidence  `json:"evidence,omitempty"`

	Slowest     []results.SlowRequest `json:"slowest,omitempty"`
	Traces      []results.Trace       `json:"traces,omitempty"`
	Health      *summaryHealth        `json:"health,omitempty"`
	Marks       []results.Mark        `json:"marks,omitempty"`
	Changes     []results.Change      `json:"changes,omitempty"`
	Scenarios   []summaryScenario     `json:"scenarios"`
	Streams     []summaryStream       `json:"streams,omitempty"`
	ServerViews []summaryServerView   `json:"server_views"`
}

type summaryEnvironment struct {
	Target   string          `json:"target"`
	Others   []string        `json:"other_targets,omitempty"`
	Proxy    string          `json:"proxy,omitempty"`
	Provider string          `json:"provider,omitempty"`
	Servers  []summaryServer `json:"servers"`
	Fixture  string          `json:"fixture,omitempty"`
	CPUs     int             `json:"cpus"`
	CPUModel string          `json:"cpu_model,omitempty"`
}

// summaryHealth holds means of cores and shares, sums of pauses and retransmissions, and maxima of files and ports.
type summaryHealth struct {
	Processes results.Processes `json:"processes"`
	results.HealthSecond
}

func newSummaryHealth(h *results.Health) *summaryHealth {
	if h == nil {
		return nil
	}
	return &summaryHealth{h.Processes, h.Totals()}
}

type summaryServer struct {
	Role    string `json:"role"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

type figures struct {
	Requests    int64         `json:"requests"`
	Failed      int64         `json:"failed"`
	FailedShare float64       `json:"failed_share"`
	Rate        float64       `json:"rate"`
	Response    *distribution `json:"response_ms"`
	Service     *distribution `json:"service_ms"`
}

type distribution struct {
	P50   float64 `json:"p50"`
	P75   float64 `json:"p75"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`
	Count int64   `json:"count"`
}

type summaryScenario struct {
	Name     string           `json:"name"`
	Executor string           `json:"executor"`
	Engine   string           `json:"engine,omitempty"`
	Open     bool             `json:"open"`
	Schedule *summarySchedule `json:"schedule"`
	Warmup   *results.Warmup  `json:"warmup,omitempty"`
	figures
	Stages    []summaryStage    `json:"by_stage,omitempty"`
	Instances []summaryInstance `json:"by_instance,omitempty"`
	Requests  []summaryRequest  `json:"by_request"`
}

type summaryInstance struct {
	Number int `json:"instance"`
	figures
}

type summaryStage struct {
	Name string  `json:"name"`
	From float64 `json:"from_seconds"`
	To   float64 `json:"to_seconds"`
	figures
}

type summarySchedule struct {
	AskedRate    float64       `json:"asked_rate"`    // iterations, requests or flows, a second
	AchievedRate float64       `json:"achieved_rate"` // likewise
	Planned      int64         `json:"planned"`
	Sent         int64         `json:"sent"`
	Dropped      int64         `json:"dropped"`
	Lag          *distribution `json:"lag_ms"`
	OwnLag       *distribution `json:"own_lag_ms"`
}

type summaryRequest struct {
	Name   string `json:"name"`
	Method string `json:"method"`
	figures
	Statuses      map[string]int64 `json:"statuses"`
	Errors        map[string]int64 `json:"errors,omitempty"`
	BytesSent     int64            `json:"bytes_sent"`
	BytesReceived int64            `json:"bytes_received"`
	Skipped       int64            `json:"skipped,omitempty"`
	Checks        []results.Check  `json:"checks,omitempty"`
	Waiting       *distribution    `json:"waiting_ms,omitempty"`
	Handshakes    *distribution    `json:"tls_handshaking_ms,omitempty"`
	Streamed      *summaryStreamed `json:"streamed,omitempty"`
}

type summaryServerView struct {
	Scenario   string                  `json:"scenario"`
	Seconds    float64                 `json:"seconds"`
	CPUSeconds float64                 `json:"cpu_seconds"`
	Tiers      map[string]summaryTier  `json:"tiers"`
	Queries    map[string]summaryQuery `json:"queries"`

	Pools map[string]results.PoolStats `json:"pools,omitempty"`
}

type summaryTier struct {
	results.TierStats
	Ratio float64 `json:"ratio"`
}

type summaryQuery struct {
	Count    int64         `json:"count"`
	Errors   int64         `json:"errors"`
	Replica  int64         `json:"on_replica"`
	Duration *distribution `json:"duration_ms"`
}

func newSummary(d digest) summary {
	m, env := &d.Measurements, d.Environment
	s := summary{
		Version: SummaryVersion, Name: d.Name, Description: d.Description, Started: m.Started.UTC(), Elapsed: m.Elapsed,
		Seed: d.Scenario.Seed, Tool: d.Tool, Verdict: d.Verdict, Aborted: m.Aborted, Shards: d.Shards,
		Overall: newFigures(d.Overall), Causes: m.Causes(), Health: newSummaryHealth(m.Health),
		Environment: summaryEnvironment{
			Target: env.Target, Others: env.Others, Proxy: env.Proxy, Provider: env.Provider, Fixture: env.Fixture,
			Servers: []summaryServer{},
			CPUs:    env.Machine.CPUs, CPUModel: env.Machine.CPUModel,
		},
		Meanwhile: d.Besides(), Evidence: d.Evidence, Slowest: m.Slowest, Traces: m.Traces,
		Marks: m.Marks, Changes: m.Changes(), Scenarios: []summaryScenario{}, ServerViews: []summaryServerView{},
	}
	if s.Verdict.Gates == nil {
		s.Verdict.Gates = []results.Gate{}
	}
	for _, server := range env.Servers {
		s.Environment.Servers = append(s.Environment.Servers, summaryServer{server.Role, server.Name, server.Version})
	}
	for _, sc := range d.Scenarios {
		s.Scenarios = append(s.Scenarios, newSummaryScenario(m, sc))
	}
	s.Streams = newSummaryStreams(d.Streams)
	for _, v := range m.Views {
		if !v.IsAccount() {
			continue
		}
		s.ServerViews = append(s.ServerViews, newSummaryServerView(v))
	}
	return s
}

func newSummaryScenario(m *results.Measurements, sc scenario) summaryScenario {
	out := summaryScenario{Name: sc.Name, figures: newFigures(sc.Summary), Requests: []summaryRequest{}}
	if l := sc.Load; l != nil {
		out.Executor, out.Engine, out.Open, out.Warmup = l.Executor, l.Engine, l.Open, l.Warmup
		if l.Open {
			out.Schedule = &summarySchedule{
				l.AskedRate(), m.AchievedRate(l), l.Planned, l.Sent, l.Dropped,
				newDistribution(l.Lag), newDistribution(l.OwnLag),
			}
		}
	}
	for _, st := range sc.Stages {
		out.Stages = append(out.Stages, summaryStage{st.Name, st.From, st.To, newFigures(st.Summary)})
	}
	for _, i := range sc.Instances {
		out.Instances = append(out.Instances, summaryInstance{i.Number, newFigures(i.Summary)})
	}
	for _, q := range sc.Requests {
		statuses := map[string]int64{}
		for status, n := range q.Statuses {
			statuses[scenarios.StatusName(status)] = n
		}
		out.Requests = append(out.Requests, summaryRequest{
			q.Name, q.Method, newFigures(q.Summary), statuses, q.Errors,
			q.BytesSent, q.BytesReceived, q.Skipped, q.Checks, newDistribution(q.Waiting),
			newDistribution(q.Handshakes), newSummaryStreamed(q.Streamed),
		})
	}
	return out
}

func newSummaryServerView(v results.ServerView) summaryServerView {
	out := summaryServerView{
		v.Scenario, v.Seconds, v.CPUSeconds,
		map[string]summaryTier{},
		map[string]summaryQuery{},
		v.Pools,
	}
	for name, t := range v.Tiers {
		out.Tiers[name] = summaryTier{t, t.Ratio()}
	}
	for name, q := range v.Queries {
		out.Queries[name] = summaryQuery{q.Count, q.Errors, q.Replica, newDistribution(q.Duration)}
	}
	return out
}

func newFigures(s results.Summary) figures {
	return figures{
		s.Requests, s.Failed, s.FailedShare(), s.Rate(), newDistribution(s.Response),
		newDistribution(s.Service),
	}
}

func newDistribution(h *results.Histogram) *distribution {
	if h == nil || h.Count() == 0 {
		return nil
	}
	return &distribution{
		P50: h.Percentile(50), P75: h.Percentile(75), P90: h.Percentile(90), P95: h.Percentile(95),
		P99:  h.Percentile(99),
		P999: h.Percentile(99.9), Max: h.Max(), Mean: h.Mean(), Count: h.Count(),
	}
}
