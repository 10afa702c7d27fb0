package loadgen

import (
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// recorder puts together what the loops of one scenario recorded. Each loop writes a book of its own and hands over a
// page a second; a second is settled, that is merged into the scenario's account, when every loop has handed over its
// page. What a quantile is taken of is always the merged histogram. Its memory depends on the number of requests in the
// plan, of loops, and on the run's length in seconds, not on the number of outcomes.
type recorder struct {
	scenario *scenarios.Scenario
	schedule *arrival.Schedule // nil for a closed executor
	window   *arrival.Window
	stages   arrival.Stages
	batches  []*batchBook
	seconds  []*secondBook

	exchange sync.Mutex // held for moments only: the loops wait for it
	books    []*book
	handed   []*page // not yet settled
	spare    []*page

	mu          sync.Mutex
	load        *results.Load
	series      []*results.Series
	points      []results.Point
	last        results.Point  // of the scenario, the last full one
	second      int            // since the run's start: the first that is not settled
	failed      int64          // warm-up included
	cut         int64          // outcomes of the class record.ErrorCut
	unsent      int64          // iterations that the generator could not send
	lost        int64          // those of them that were to be measured
	warming     *judge.Warming // nil unless the warm-up is automatic
	whole, each *results.Histogram
	requests    *request.Set // nil in tests of the recorder alone
	finished    bool
}

func newRecorder(plan *scenarios.Plan, s *scenarios.Scenario, sc *arrival.Schedule) *recorder {
	r := &recorder{
		scenario: s, schedule: sc, window: arrival.NewWindow(s, sc), second: int(s.StartTime / time.Second),
		whole: results.NewHistogram(), each: results.NewHistogram(),
		load: &results.Load{
			Scenario: s.Name, Executor: string(s.Load.Executor()), Open: sc != nil,
			MeasuredFrom: (s.StartTime + s.Warmup).Seconds(), MeasuredTo: (s.StartTime + s.Load.Length()).Seconds(),
			MaxVUs: s.Load.Workers(), Lag: results.NewHistogram(), OwnLag: results.NewHistogram(),
		},
	}
	if s.AutoWarmup {
		r.warming = &judge.Warming{}
	}
	r.stages, r.load.Stages = arrival.NewStages(s), namedStages(s)
	for i := range s.Requests {
		for _, stage := range r.stages.Names {
			r.series = append(r.series, newSeries(plan, s, &s.Requests[i], stage))
		}
	}
	r.batches = newBatchBooks(plan, s.Name, r.series)
	r.seconds = newSecondBooks(plan, r.load, r.series)
	return r
}

func newSeries(plan *scenarios.Plan, s *scenarios.Scenario, q *scenarios.Request, stage string) *results.Series {
	wanted := ""
	if len(q.ExpectedStatus) > 0 {
		wanted = request.ExpectedText(q)
	}
	return &results.Series{
		Scenario: s.Name, Name: q.Name, Method: q.Method, Stage: stage, Expected: wanted, Tags: plan.TagsOf(s, q, stage),
		Statuses: map[int]int64{}, Errors: map[string]int64{}, ErrorSamples: map[string]string{},
		Response: results.NewHistogram(), Service: results.NewHistogram(), Checks: checksOf(q.Checks),
	}
}

// newBook returns a book for one loop more.
func (r *recorder) newBook() *book {
	b := &book{
		recorder: r, scenario: r.scenario, window: r.window, page: newPage(len(r.series)), reached: r.second,
		firsts: make([]firsts, len(r.series)),
	}
	b.page.second = b.reached
	b.turnAt = time.Duration(b.reached+1)*time.Second - r.scenario.StartTime
	r.exchange.Lock()
	defer r.exchange.Unlock()
	r.books = append(r.books, b)
	return b
}

// handOver takes a book's page, unless nothing is on it, and returns a blank one.
func (r *recorder) handOver(b *book, reached int) *page {
	r.exchange.Lock()
	defer r.exchange.Unlock()
	b.reached = reached
	if !b.page.written {
		return b.page
	}
	r.handed = append(r.handed, b.page)
	if n := len(r.spare); n > 0 {
		p := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return p
	}
	return newPage(len(r.series))
}

// settle merges the seconds that every loop has passed. It is called once a second.
func (r *recorder) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchange.Lock()
	passed := closed
	for _, b := range r.books {
		passed = min(passed, b.reached)
	}
	r.exchange.Unlock()
	for passed != closed && r.second < passed { // when all are closed, finish knows how the last second ended
		r.settleSecond(r.pages(r.second), false)
	}
}

// pages takes out what was handed over for a second.
func (r *recorder) pages(second int) []*page {
	r.exchange.Lock()
	defer r.exchange.Unlock()
	var of []*page
	r.handed = slices.DeleteFunc(r.handed, func(p *page) bool {
		if p.second == second {
			of = append(of, p)
		}
		return p.second == second
	})
	return of
}

// settleSecond merges the pages of the first second that is not settled, and notes a point of the scenario and one of
// each request that had answers.
func (r *recorder) settleSecond(pages []*page, partial bool) {
	warmup := float64(r.second) < r.load.MeasuredFrom
	partial = partial || float64(r.second) < r.scenario.StartTime.Seconds()
	all := results.Point{Scenario: r.scenario.Name, Second: r.second, Warmup: warmup, Partial: partial}
	var of []results.Point
	for i := range r.scenario.Requests {
		p := results.Point{Scenario: r.scenario.Name, Request: r.scenario.Requests[i].Name, Second: r.second, Warmup: warmup, Partial: partial}
		for k := range r.stages.Names {
			r.settleTallies(&p, i*len(r.stages.Names)+k, i, pages)
		}
		all.Requests += p.Requests
		all.Failed += p.Failed
		merge(r.whole, r.each)
		if fill(&p, r.each); p.Requests > 0 {
			of = append(of, p)
		}
	}
	fill(&all, r.whole)
	for _, b := range r.batches {
		b.settle(r.second)
	}
	for _, b := range r.seconds {
		b.settle(r.second)
	}
	if r.warming != nil {
		r.warm(all, pages)
	}
	r.last = all
	r.points = append(append(r.points, all), of...)
	for _, p := range pages {
		r.load.Sent += p.sent
		r.failed += p.failed
		r.cut += p.cut
		r.unsent += p.unsent
		r.lost += p.measuredUnsent
		r.load.OutOfFiles += p.noFiles
		r.load.OutOfPorts += p.noPorts
		if p.lastAnswer > 0 {
			r.load.LastAnswer = max(r.load.LastAnswer, (r.scenario.StartTime + p.lastAnswer).Seconds())
		}
		merge(r.load.Lag, p.lag)
		merge(r.load.OwnLag, p.ownLag)
		p.clear()
	}
	r.second++
	r.exchange.Lock()
	defer r.exchange.Unlock()
	r.spare = append(r.spare, pages...)
}

// settleTallies adds the tallies of one series, of a request in a stage, to the series and to the request's point, whose
// response times it leaves in r.each.
func (r *recorder) settleTallies(p *results.Point, series, request int, pages []*page) {
	for _, page := range pages {
		t := &page.tallies[series]
		p.Requests += t.answers
		p.Failed += t.failures
		merge(r.each, t.response)
		merge(r.each, t.early)
		if t.lastAnswer > 0 {
			r.noteOutcome(series%len(r.stages.Names), (r.scenario.StartTime + t.lastAnswer).Seconds())
		}
		for _, b := range r.batches {
			b.add(series, t)
		}
		for _, b := range r.seconds {
			b.add(series, t)
		}
		t.addTo(r.series[series], &r.scenario.Requests[request])
	}
}

// fill takes a point's quantiles from the histogram, which is empty then.
func fill(p *results.Point, h *results.Histogram) {
	p.P50, p.P95, p.P99, p.Max = h.Percentile(50), h.Percentile(95), h.Percentile(99), h.Max()
	clearHistogram(h)
}

// merge adds what from counted, if it is there. All histograms here have one range, so nothing can lie beyond it.
func merge(to, from *results.Histogram) {
	if from != nil && from.Count() > 0 {
		_ = to.Merge(from)
	}
}

// addTo adds a page's tally to the series.
func (t *tally) addTo(s *results.Series, plan *scenarios.Request) {
	s.Requests += t.requests
	s.Failed += t.failed
	s.Skipped += t.skipped
	s.CacheAnswers += t.cacheAnswers
	s.CacheHits += t.cacheHits
	s.BytesSent += t.bytesSent
	s.BytesReceived += t.bytesReceived
	merge(s.Response, t.response)
	merge(s.Service, t.service)
	for status, n := range t.statuses {
		if n == 0 {
			continue
		}
		s.Statuses[status] += n
		if !request.Expected(plan, status) {
			s.Errors[statusClass(status)] += n
		}
	}
	t.addChecks(s.Checks)
	for class, n := range t.errors {
		s.Errors[class] += n
	}
	for class, text := range t.samples {
		if s.ErrorSamples[class] == "" {
			s.ErrorSamples[class] = text
		}
	}
}

// inFlight is the number of requests under way, as the loops last published it.
func (r *recorder) inFlight() (n int64) {
	r.exchange.Lock()
	defer r.exchange.Unlock()
	for _, b := range r.books {
		n += b.inFlight.Load()
	}
	return n
}

// finish settles what is left when all books are closed: planned is the number of iterations that were meant to be sent
// until the scenario's end or the run's, measuredPlanned those of the measured window.
func (r *recorder) finish(planned, measuredPlanned int64, ended time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for last := r.lastHanded(); r.second <= last; {
		partial := r.second == last && (r.scenario.StartTime+ended).Seconds() < float64(last+1)
		r.settleSecond(r.pages(r.second), partial)
	}
	r.finished = true
	if r.warming != nil && r.load.Warmup == nil {
		r.load.Warmup = r.warming.End(r.window.Begin().Seconds(), ended.Seconds())
	}
	if r.load.Cut = (r.scenario.StartTime + ended).Seconds() < r.load.MeasuredTo; r.load.Cut {
		r.load.ScheduledTo = r.load.MeasuredTo
	}
	r.load.MeasuredTo = min(r.load.MeasuredTo, max(r.load.MeasuredFrom, (r.scenario.StartTime+ended).Seconds()))
	for _, b := range r.seconds {
		b.seconds.End(r.load.MeasuredTo)
	}
	if r.schedule == nil {
		for i, s := range r.series {
			if r.scenario.Requests[i/len(r.stages.Names)].Step == 0 {
				measuredPlanned += s.Requests
			}
		}
		planned, measuredPlanned = r.load.Sent+r.unsent+r.cut, measuredPlanned+r.lost
	}
	r.load.Planned, r.load.MeasuredPlanned = planned-r.cut, measuredPlanned
	r.load.Dropped = max(0, r.load.Planned-r.load.Sent)
}

// lastHanded is the last second of which there is a page that is not settled; -1 when there is none.
func (r *recorder) lastHanded() int {
	r.exchange.Lock()
	defer r.exchange.Unlock()
	last := -1
	for _, p := range r.handed {
		last = max(last, p.second)
	}
	return last
}
