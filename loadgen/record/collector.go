package record

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// Collector puts together what the loops of one scenario recorded. Each loop has a recorder of its own, which hands
// over its counts once a second; a second is flushed, that is merged into the scenario's account, when every recorder
// has handed it over. What a quantile is taken of is always the merged histogram. Its memory depends on the number of
// requests in the plan, of loops, and on the run's length in seconds, not on the number of outcomes.
type Collector struct {
	scenario   *scenarios.Scenario
	timing     *arrival.Timing
	requests   *request.Set // nil in tests of the collector alone
	stages     arrival.Stages
	instances  int // of the service, that are told apart; 0 where they are not
	outcomes   scenarios.Outcomes
	flowOf     []int // by request: an index of iterations; -1: it is no step of a flow
	thresholds []thresholdData

	exchange  sync.Mutex // held for moments only: the loops wait for it
	recorders []*Recorder
	handed    []*second // not yet flushed
	spare     []*second

	mu           sync.Mutex
	load         *results.Load
	series       []*results.Series
	stream       *results.Stream // of subscribers; else nil, and there are no streamPoints
	points       *results.PointLog
	streamPoints []results.StreamPoint
	last         results.Point  // of the scenario, the last full one
	next         int            // since the run's start: the first second that is not flushed
	failed       int64          // warm-up included
	cut          int64          // outcomes of the class ErrorCut
	unsent       int64          // iterations that the generator could not send
	lost         int64          // those of them that were to be measured
	warming      *judge.Warming // nil unless the warm-up is automatic
	whole, each  *results.Histogram
	pages        []*results.Pages      // by request; empty unless a browser loads them
	iterations   []*results.Iterations // by flow
	slowest      []slowest             // by request; guarded by exchange
	finished     bool
	err          error // the first of what could not be merged
}

// New returns the collector of a scenario of the plan. requests are the scenario's.
func New(plan *scenarios.Plan, s *scenarios.Scenario, timing *arrival.Timing, requests *request.Set) *Collector {
	c := &Collector{
		scenario: s, timing: timing, requests: requests, next: int(s.StartTime / time.Second),
		stages: arrival.NewStages(s), outcomes: plan.Outcomes(),
		whole: results.NewHistogram(), each: results.NewHistogram(),
		load: &results.Load{
			Scenario: s.Name, Executor: string(s.Load.Executor()), Open: timing.Open(), Stages: namedStages(s),
			MeasuredFrom: (s.StartTime + s.Warmup).Seconds(), MeasuredTo: (s.StartTime + s.Load.Length()).Seconds(),
			Counted: timing.Count != nil, MaxVUs: timing.Users, Lag: results.NewHistogram(),
			OwnLag: results.NewHistogram(),
		},
	}
	c.slowest = make([]slowest, len(s.Requests))
	if s.AutoWarmup {
		c.warming = &judge.Warming{}
	}
	c.stream, c.points = newStream(s), results.NewPointLog(s.Name, namesOf(s))
	if plan.ByInstance() {
		c.instances = plan.Instances()
	}
	for i := range s.Requests {
		for _, stage := range c.stages.Names {
			for instance := range c.instances + 1 {
				if c.stream != nil {
					continue
				}
				for kind := range c.outcomes.Len() {
					one := newSeries(plan, s, &s.Requests[i], stage, instance)
					one.Outcome = c.outcomes.Name(kind)
					maps.Copy(one.Tags, c.outcomes.Tags(kind))
					c.series = append(c.series, one)
				}
			}
		}
	}
	c.thresholds = newThresholdData(plan, c.load, c.series)
	c.pages = newPages(plan, s)
	c.iterations, c.flowOf = newIterations(s)
	return c
}

// newSeries is that of a request in a stage, answered by an instance; 0 for none that is known.
func newSeries(plan *scenarios.Plan, s *scenarios.Scenario, q *scenarios.Request, stage string,
	instance int,
) *results.Series {
	tags := plan.TagsOf(s, q, stage)
	if instance > 0 {
		tags[scenarios.InstanceTag] = strconv.Itoa(instance)
	}
	wanted := ""
	if len(q.ExpectedStatus) > 0 {
		wanted = request.ExpectedText(q)
	}
	streamed := results.NewStreamed(q.Stream)
	if streamed != nil {
		streamed.Goodput = q.Goodput
	}
	return &results.Series{
		Scenario: s.Name, Name: q.Name, Method: q.Method, Stage: stage, Instance: instance, Expected: wanted,
		Tags:     tags,
		Statuses: map[int]int64{}, Errors: map[string]int64{}, ErrorSamples: map[string]string{},
		Response: results.NewHistogram(), Service: results.NewHistogram(), Checks: checksOf(q.Checks),
		Streamed: streamed,
	}
}

// namesOf are the names of a scenario's requests.
func namesOf(s *scenarios.Scenario) []string {
	names := make([]string, len(s.Requests))
	for i := range s.Requests {
		names[i] = s.Requests[i].Name
	}
	return names
}

// NewRecorder returns a recorder for one more loop.
func (c *Collector) NewRecorder() *Recorder {
	r := &Recorder{
		collector: c, scenario: c.scenario, window: c.timing.Window, second: c.newSecond(), reached: c.next,
		firsts: make([]firsts, len(c.series)), slowest: make([]slowest, len(c.slowest)),
	}
	r.second.number = r.reached
	r.secondEnd = time.Duration(r.reached+1)*time.Second - c.scenario.StartTime
	c.exchange.Lock()
	defer c.exchange.Unlock()
	c.recorders = append(c.recorders, r)
	return r
}

// handOver takes a recorder's second, unless nothing was counted in it, and returns a blank one.
func (c *Collector) handOver(r *Recorder, reached int) *second {
	c.exchange.Lock()
	defer c.exchange.Unlock()
	r.reached = reached
	c.handOverSlowest(r)
	if !r.second.written {
		return r.second
	}
	c.handed = append(c.handed, r.second)
	if n := len(c.spare); n > 0 {
		s := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return s
	}
	return c.newSecond()
}

func (c *Collector) newSecond() *second {
	s := newSecond(len(c.series))
	s.flows = make([]flowCounts, len(c.iterations))
	if c.stream != nil {
		s.streams = newStreamCounts()
	}
	return s
}

// Flush merges the seconds that every loop has passed. It is called once a second.
func (c *Collector) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchange.Lock()
	passed := closed
	for _, r := range c.recorders {
		passed = min(passed, r.reached)
	}
	c.exchange.Unlock()
	for passed != closed && c.next < passed { // when all are closed, Finish knows how the last second ended
		c.flush(c.take(c.next), false)
	}
}

// take takes out what was handed over of a second.
func (c *Collector) take(number int) []*second {
	c.exchange.Lock()
	defer c.exchange.Unlock()
	var of []*second
	c.handed = slices.DeleteFunc(c.handed, func(s *second) bool {
		if s.number == number {
			of = append(of, s)
		}
		return s.number == number
	})
	return of
}

// flush merges what all loops counted in the first second that is not flushed, and adds a point of the scenario and one
// of each request that had outcomes.
func (c *Collector) flush(loops []*second, partial bool) {
	warmup := float64(c.next) < c.load.MeasuredFrom
	partial = partial || float64(c.next) < c.scenario.StartTime.Seconds()
	all := results.Point{
		Scenario: c.scenario.Name, Second: c.next, Warmup: warmup, Partial: partial,
		Asked: c.timing.Asked(time.Duration(c.next)*time.Second-c.scenario.StartTime, time.Second),
	}
	if c.stream != nil {
		at := c.flushStreams(&all, loops)
		fill(&all, c.whole)
		at.P50, at.P95, at.P99, at.Max = all.P50, all.P95, all.P99, all.Max
		c.streamPoints = append(c.streamPoints, at)
	} else {
		c.flushRequests(&all, loops)
	}
	c.last = all
	for _, s := range loops {
		c.add(s)
		s.clear()
	}
	c.next++
	c.exchange.Lock()
	defer c.exchange.Unlock()
	c.spare = append(c.spare, loops...)
}

// flushRequests adds the points of the requests and of all of them, which gets its figures.
func (c *Collector) flushRequests(all *results.Point, loops []*second) {
	of := map[int]results.Point{}
	for i := range c.scenario.Requests {
		p := results.Point{
			Scenario: c.scenario.Name, Request: c.scenario.Requests[i].Name, Second: c.next,
			Warmup: all.Warmup, Partial: all.Partial,
		}
		for k := range c.perRequest() {
			c.flushSeries(&p, i*c.perRequest()+k, i, loops)
		}
		all.Requests += p.Requests
		all.Failed += p.Failed
		c.merge(c.whole, c.each)
		fill(&p, c.each)
		if p.Requests > 0 {
			of[i] = p
		}
	}
	fill(all, c.whole)
	for _, t := range c.thresholds {
		c.note(t.flush(c.next))
	}
	if c.warming != nil {
		c.warm(*all, loops)
	}
	c.points.Add(*all, of)
}

// add adds what a loop counted of all series together.
func (c *Collector) add(s *second) {
	c.load.Sent += s.sent
	c.failed += s.failed
	c.cut += s.cut
	c.unsent += s.unsent
	c.lost += s.measuredUnsent
	c.load.Begun += s.begun
	c.addFlows(s)
	c.load.OutOfFiles += s.noFiles
	c.load.OutOfPorts += s.noPorts
	c.load.Resent += s.resent
	if s.lastAnswer > 0 {
		c.load.LastAnswer = max(c.load.LastAnswer, (c.scenario.StartTime + s.lastAnswer).Seconds())
	}
	c.merge(c.load.Lag, s.lag)
	c.merge(c.load.OwnLag, s.ownLag)
}

// flushSeries adds what the loops counted of one series, of a request in a stage by an instance, to the series and to
// the request's point, whose response times it leaves in c.each.
func (c *Collector) flushSeries(p *results.Point, series, request int, loops []*second) {
	for _, s := range loops {
		of := &s.series[series]
		p.Requests += of.outcomes
		p.Failed += of.failures
		c.merge(c.each, of.response)
		c.merge(c.each, of.early)
		if of.lastAnswer > 0 {
			c.noteAnswer(series%c.perRequest()/c.perStage(), (c.scenario.StartTime + of.lastAnswer).Seconds())
		}
		for _, t := range c.thresholds {
			c.note(t.add(series, of))
		}
		c.addTo(c.series[series], of, &c.scenario.Requests[request])
	}
}

// fill takes a point's quantiles from the histogram, which is empty afterwards.
func fill(p *results.Point, h *results.Histogram) {
	p.P50, p.P95, p.P99, p.Max = h.Percentile(50), h.Percentile(95), h.Percentile(99), h.Max()
	clearHistogram(h)
}

// merge adds what from counted, if it is there.
func merge(to, from *results.Histogram) error {
	if from == nil || from.Count() == 0 {
		return nil
	}
	return to.Merge(from)
}

func (c *Collector) merge(to, from *results.Histogram) { c.note(merge(to, from)) }

// note keeps the first error: an account with one is not whole.
func (c *Collector) note(err error) {
	if c.err == nil && err != nil {
		c.err = fmt.Errorf("count the outcomes of scenario %s: %w", c.scenario.Name, err)
	}
}

// addTo adds counts to the series that they are of.
func (c *Collector) addTo(s *results.Series, of *counts, plan *scenarios.Request) {
	s.Requests += of.requests
	s.Failed += of.failed
	s.Skipped += of.skipped
	s.CacheAnswers += of.cacheAnswers
	s.CacheHits += of.cacheHits
	s.BytesSent += of.bytesSent
	s.BytesReceived += of.bytesReceived
	c.merge(s.Response, of.response)
	c.merge(s.Service, of.service)
	if s.Waiting == nil && of.waiting != nil {
		s.Waiting = results.NewHistogram()
	}
	c.merge(s.Waiting, of.waiting)
	if s.Handshakes == nil && of.handshakes != nil {
		s.Handshakes = results.NewHistogram()
	}
	c.merge(s.Handshakes, of.handshakes)
	if s.Streamed != nil && of.streamed != nil {
		s.Streamed.Events += of.streamed.Events
		s.Streamed.Tokens += of.streamed.Tokens
		s.Streamed.Good += of.streamed.Good
		c.merge(s.Streamed.First, of.streamed.First)
		c.merge(s.Streamed.Gap, of.streamed.Gap)
	}
	for _, c := range of.statuses {
		s.Statuses[c.status] += c.n
		if !request.Expected(plan, c.status) {
			s.Errors[StatusClass(c.status)] += c.n
		}
	}
	of.addChecks(s.Checks)
	for class, n := range of.errors {
		s.Errors[class] += n
	}
	for class, text := range of.samples {
		if s.ErrorSamples[class] == "" {
			s.ErrorSamples[class] = text
		}
	}
}

// Progress is how far a scenario has come.
type Progress struct {
	Last                   results.Point // the last full second
	Sent, Failed, InFlight int64
	Finished               bool
}

// Progress is as of the last flush; what is in flight is as the loops last published it.
func (c *Collector) Progress() Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := Progress{Last: c.last, Sent: c.load.Sent, Failed: c.failed, Finished: c.finished}
	c.exchange.Lock()
	defer c.exchange.Unlock()
	for _, r := range c.recorders {
		p.InFlight += r.inFlight.Load()
	}
	return p
}

// Finish flushes what is left when all recorders are closed: planned is the number of iterations that were to be sent
// until the scenario's end or the run's, measuredPlanned those of the measured window. Both are 0 where the load is
// closed: then they are what was sent.
func (c *Collector) Finish(planned, measuredPlanned int64, ended time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := (c.scenario.StartTime + ended).Seconds()
	for last := c.lastHanded(); c.next <= last; {
		c.flush(c.take(c.next), c.next == last && end < float64(last+1))
	}
	c.finished = true
	if c.warming != nil && c.load.Warmup == nil {
		c.load.Warmup = c.warming.End(c.timing.Window.Begin().Seconds(), ended.Seconds())
	}
	// the last iteration is the end, however early
	done := c.load.Counted && planned > 0 && c.load.Sent+c.unsent >= planned
	c.load.Cut = end < c.load.MeasuredTo && !done
	if c.load.Cut {
		c.load.ScheduledTo = c.load.MeasuredTo
	}
	c.load.MeasuredTo = min(c.load.MeasuredTo, max(c.load.MeasuredFrom, end))
	for _, t := range c.thresholds {
		t.end(c.load.MeasuredTo)
	}
	if !c.timing.Open() && !c.load.Counted {
		planned, measuredPlanned = c.load.Sent+c.unsent+c.cut, c.load.Begun+c.lost
	}
	c.load.Planned, c.load.MeasuredPlanned = planned-c.cut, measuredPlanned
	c.load.Dropped = max(0, c.load.Planned-c.load.Sent)
}

// lastHanded is the last second that was handed over and is not flushed; -1 when there is none.
func (c *Collector) lastHanded() int {
	c.exchange.Lock()
	defer c.exchange.Unlock()
	last := -1
	for _, s := range c.handed {
		last = max(last, s.number)
	}
	return last
}

// AddTo adds the scenario's account to m, which shares it: nothing may be recorded any more.
func (c *Collector) AddTo(m *results.Measurements) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addAll(m)
	return c.err
}

// Share adds the account, but for the points, to m as it is now, and keeps it so until release is called. flushed is
// until when it is whole, in seconds since the run's start.
func (c *Collector) Share(m *results.Measurements) (flushed float64, release func()) {
	c.mu.Lock()
	c.addAccount(m)
	return c.flushed(), c.mu.Unlock
}

// ShareSince is Share with the points of the seconds from one on alone. next is the first that is not flushed.
func (c *Collector) ShareSince(second int, m *results.Measurements) (flushed float64, next int, release func()) {
	c.mu.Lock()
	c.addAccount(m)
	m.Points = c.points.AppendSince(m.Points, second)
	m.StreamPoints = append(m.StreamPoints,
		since(second, c.streamPoints, func(p results.StreamPoint) int { return p.Second })...)
	return c.flushed(), c.next, c.mu.Unlock
}

// since are the points from a second on, of points in the order of time.
func since[P any](second int, points []P, secondOf func(P) int) []P {
	from := len(points)
	for from > 0 && secondOf(points[from-1]) >= second {
		from--
	}
	return points[from:]
}

// flushed is until when the account is whole, in seconds since the run's start.
func (c *Collector) flushed() float64 {
	if c.finished {
		return max(float64(c.next), c.load.MeasuredTo)
	}
	return float64(c.next)
}

func (c *Collector) addAll(m *results.Measurements) {
	c.addAccount(m)
	m.Points = c.points.AppendSince(m.Points, 0)
	m.StreamPoints = append(m.StreamPoints, c.streamPoints...)
}

// addAccount adds all but the points.
func (c *Collector) addAccount(m *results.Measurements) {
	m.Loads = append(m.Loads, c.load)
	m.Series = append(m.Series, c.series...)
	for _, t := range c.thresholds {
		t.addTo(m)
	}
	if c.stream != nil {
		m.Streams = append(m.Streams, c.stream)
	}
	m.Pages = append(m.Pages, c.pages...)
	m.Iterations = append(m.Iterations, c.iterations...)
	c.addSlowest(m)
}

// SetRecording notes which file the scenario replays.
func (c *Collector) SetRecording(sha256 string) { c.load.RecordingSHA256 = sha256 }

// SetEngine notes which engine sent the scenario's requests, where another one sent those of others.
func (c *Collector) SetEngine(name string) { c.load.Engine = name }
