package record

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Outcome is what became of one request.
type Outcome struct {
	Request       int           // an index of the scenario's requests
	Intended      time.Duration // since the scenario's start; where the load is closed, the same as Sent
	Sent          time.Duration
	First         time.Duration // the first byte of an answer that came whole; 0: not known
	Handshake     time.Duration // of TLS, on the connection that was made for the request; 0: none
	Connect       time.Duration // likewise until the connection stood, before TLS; 0: not known, or none was made
	Done          time.Duration
	Connection    Connection
	Trace         request.Trace // of a sampled request
	Status        int           // 0 to maxStatus
	Instance      int           // that answered or was asked, from 1; 0 where that is not known or not asked for
	ErrorClass    string        // empty when an answer came whole
	ErrorText     string
	Cache         CacheAnswer
	SentBytes     int64 // of the body
	ReceivedBytes int64 // of the body
	Found         request.Findings
	Answer        *request.Answer // what is kept of it, until it is recorded; nil when there is none
	Events        *request.Events // likewise what came of a streamed answer; nil where it is not streamed
	Iteration     int64           // which it is of
	Began         time.Duration   // when that was due
	Later         bool            // it is not the first request of that
	GoesOn        bool            // its flow does, with another request
	Texts         *request.Texts  // that its flow has extracted; nil without a flow

	Session *request.Session // of the user who sent it; nil where users keep nothing
}

// Recorder counts the outcomes of one loop. Only that loop may use it, so that recording takes no lock: it counts in
// the present second, which it hands to the collector when the second has ended.
type Recorder struct {
	collector *Collector
	scenario  *scenarios.Scenario
	window    *arrival.Window
	second    *second
	secondEnd time.Duration // since the scenario's start

	firsts      []firsts     // by series
	slowest     []slowest    // by request
	slowChanged bool         // since they were handed over
	inFlight    atomic.Int64 // as last published by the loop
	reached     int          // the second that is being counted; guarded by collector.exchange
}

// second holds what one loop counted within one second.
type second struct {
	number            int // since the run's start
	sent, failed, cut int64
	// Iterations that the generator could not send, and those of them that were to be measured.
	unsent, measuredUnsent int64
	resent                 int64        // requests that were sent once more
	noFiles, noPorts       int64        // requests that the generator could not send for want of one
	begun                  int64        // iterations of the measured window
	flows                  []flowCounts // by flow of the scenario
	// Answers to the warm-up's requests that say whether a cache gave them, and those where one did.
	earlyCacheAnswers, earlyHits int64
	lastAnswer                   time.Duration // to a measured request, since the scenario's start
	lag, ownLag                  *results.Histogram
	series                       []counts
	streams                      *streamCounts // of subscribers; else nil
	written                      bool
}

// counts are those of one series within a second: of a named request, in a stage where those have names.
type counts struct {
	outcomes, failures int64              // that came in the second, whenever their requests were due
	early              *results.Histogram // response times of the warm-up's requests; nil until there is one

	// What follows is of the measured window.
	requests, failed, skipped int64
	cacheAnswers, cacheHits   int64
	bytesSent, bytesReceived  int64
	lastAnswer                time.Duration
	response, service         *results.Histogram // nil until there is one
	waiting, handshakes       *results.Histogram // likewise
	streamed                  *results.Streamed  // nil until an answer is
	statuses                  []statusCount      // of the few that there are
	errors                    map[string]int64   // by class, but for those by status
	samples                   map[string]string  // what the first of a class met
	met                       []int64            // answers, by check; nil until there is one
	unmet                     map[int]string     // what answers had that did not meet a check
}

// statusCount is how often answers had a status.
type statusCount struct {
	status int
	n      int64
}

// maxStatus is the highest that is told apart: of gRPC, whose codes have two digits at most here.
const maxStatus = scenarios.GRPCStatus + 99

func newSecond(series int) *second {
	return &second{lag: results.NewHistogram(), ownLag: results.NewHistogram(), series: make([]counts, series)}
}

// clear makes a second fit for another one.
func (s *second) clear() {
	clearHistogram(s.lag)
	clearHistogram(s.ownLag)
	for i := range s.series {
		c := &s.series[i]
		clearHistogram(c.early)
		clearHistogram(c.response)
		clearHistogram(c.service)
		clearHistogram(c.waiting)
		clearHistogram(c.handshakes)
		if s := c.streamed; s != nil {
			clearHistogram(s.First)
			clearHistogram(s.Gap)
			s.Events, s.Tokens, s.Good = 0, 0, 0
		}
		*c = counts{
			early: c.early, response: c.response, service: c.service, waiting: c.waiting,
			handshakes: c.handshakes, streamed: c.streamed, statuses: c.statuses[:0],
		}
	}
	if s.streams != nil {
		s.streams.clear()
	}
	for i := range s.flows {
		s.flows[i].clear()
	}
	*s = second{lag: s.lag, ownLag: s.ownLag, series: s.series, streams: s.streams, flows: s.flows}
}

// clearHistogram clears a histogram where there is one.
func clearHistogram(h *results.Histogram) {
	if h != nil && h.Count() > 0 { // else it is clear
		h.Reset()
	}
}

// Record counts one outcome. Those that the end of the run cut off are not counted at all, and those that the generator
// could not send are not counted as sent.
func (r *Recorder) Record(o *Outcome) {
	r.Advance(o.Done)
	s, plan := r.second, &r.scenario.Requests[o.Request]
	first := !o.Later && plan.Step == 0 // the others of a flow belong to its one iteration
	if r.unsent(o, first) {
		return
	}
	s.written = true
	failed := o.ErrorClass != "" || o.Found.Extraction != "" || !request.Expected(plan, o.Status)
	series := r.collector.SeriesOf(o.Request, o.Intended, o.Instance)
	if of := &r.collector.outcomes; of.Len() > 1 {
		series += of.Kind(o.answeredStatus(), failed)
	}
	c := &s.series[series]
	if first {
		s.sent++
	}
	if plan.Flow != "" && !o.GoesOn {
		r.endFlow(o, failed)
	}
	c.outcomes++
	if failed {
		s.failed++
		c.failures++
	}
	if !r.window.Has(o.Intended) {
		s.recordEarly(c, o)
		return
	}
	if first {
		s.begun++
	}
	s.lastAnswer = max(s.lastAnswer, o.Done)
	c.lastAnswer = max(c.lastAnswer, o.Done)
	c.measure(o, failed)
	if plan.Goodput != nil && !failed && o.ErrorClass == "" {
		c.measureGoodput(o, plan.Goodput)
	}
	if o.timed() {
		r.keepSlow(o)
	}
	if failed || len(plan.Checks) > 0 {
		r.keepFirst(series, c, o, plan)
	}
}

// unsent counts an outcome that is that of no request: one that the end of the run cut off, or an iteration whose first
// request the generator could not send. A later step of a flow that could not be sent is one that failed.
func (r *Recorder) unsent(o *Outcome, first bool) bool {
	s := r.second
	switch o.ErrorClass {
	case ErrorCut:
		if first {
			s.cut++
			s.written = true
		}
		return true
	case ErrorNoFiles:
		s.noFiles++
	case ErrorNoPorts:
		s.noPorts++
	default:
		return false
	}
	if first {
		s.unsent++
		s.written = true
		if r.window.Has(o.Intended) {
			s.measuredUnsent++
		}
	}
	return first
}

// answeredStatus is the status of an answer that came whole; 0 where none did.
func (o *Outcome) answeredStatus() int {
	if o.ErrorClass != "" {
		return 0
	}
	return o.Status
}

// timed reports whether an outcome has times that count: an answer came, or was waited for until the timeout or the
// end.
func (o *Outcome) timed() bool {
	return o.ErrorClass == "" || o.ErrorClass == ErrorTimeout || o.ErrorClass == ErrorUnanswered
}

// recordEarly counts an outcome of the warm-up.
func (s *second) recordEarly(c *counts, o *Outcome) {
	if o.timed() {
		if c.early == nil {
			c.early = results.NewHistogram()
		}
		c.early.Record(o.Done - o.Intended)
	}
	if o.Cache != CacheUnknown {
		s.earlyCacheAnswers++
		if o.Cache == CacheHit {
			s.earlyHits++
		}
	}
}

// measure counts an outcome of the measured window.
func (c *counts) measure(o *Outcome, failed bool) {
	c.requests++
	c.bytesSent += o.SentBytes
	c.bytesReceived += o.ReceivedBytes
	if failed {
		c.failed++
	}
	if o.timed() {
		if c.response == nil { // seconds are used again: this happens a few times in all
			c.response, c.service = results.NewHistogram(), results.NewHistogram()
		}
		c.response.Record(o.Done - o.Intended)
		c.service.Record(o.Done - o.Sent)
	}
	if o.First > 0 {
		c.measureFirst(o)
	}
	if o.Handshake > 0 && o.ErrorClass == "" {
		if c.handshakes == nil {
			c.handshakes = results.NewHistogram()
		}
		c.handshakes.Record(o.Handshake)
	}
	c.countChecks(o.Found.Checks)
	if o.ErrorClass == "" {
		c.countStatus(min(max(o.Status, 0), maxStatus))
	} else {
		c.count(o.ErrorClass)
	}
	if o.Found.Extraction != "" {
		c.count(o.Found.Extraction)
	}
	if o.Cache != CacheUnknown {
		c.cacheAnswers++
		if o.Cache == CacheHit {
			c.cacheHits++
		}
	}
}

// measureFirst counts when an answer began to come, and the events of a streamed one.
func (c *counts) measureFirst(o *Outcome) {
	if c.waiting == nil {
		c.waiting = results.NewHistogram()
	}
	c.waiting.Record(o.First - o.Sent)
	if o.Events == nil || o.Events.Count == 0 {
		return
	}
	if c.streamed == nil {
		c.streamed = results.NewStreamed(scenarios.StreamSSE) // the series has the kind
	}
	c.streamed.Events += o.Events.Count
	c.streamed.Tokens += o.Events.Tokens()
	c.streamed.First.Record(o.Events.First - o.Intended)
	for _, gap := range o.Events.Gaps {
		c.streamed.Gap.Record(gap)
	}
}

func (c *counts) countStatus(status int) {
	for i := range c.statuses {
		if c.statuses[i].status == status {
			c.statuses[i].n++
			return
		}
	}
	c.statuses = append(c.statuses, statusCount{status, 1})
}

// measureGoodput counts an answer that meets the limits of its request.
func (c *counts) measureGoodput(o *Outcome, limits *scenarios.Goodput) {
	if c.streamed != nil && o.Events != nil && o.Events.Count > 0 &&
		limits.Meets(o.Events.First-o.Intended, o.Events.Last()-o.Intended, o.Events.Tokens()) {
		c.streamed.Good++
	}
}

func (c *counts) count(class string) {
	if c.errors == nil {
		c.errors = map[string]int64{}
	}
	c.errors[class]++
}

// Skip counts the steps of a flow that were not sent because the one before them failed at the instant now.
func (r *Recorder) Skip(failed int, now time.Duration) {
	if !r.window.Has(now) {
		return
	}
	for i := failed + 1; i < len(r.scenario.Requests) && r.scenario.Requests[i].Step > 0; i++ {
		r.second.series[r.collector.SeriesOf(i, now, 0)].skipped++
		r.second.written = true
	}
}

// CacheAnswer is what an answer says of caches.
type CacheAnswer uint8

// What an answer says of caches.
const (
	CacheUnknown CacheAnswer = iota // nothing
	CacheMiss                       // none had it
	CacheHit                        // one gave it
)

// CacheOf reads an X-Cache header: for a hit the reference server writes l1, l2 or l3, most proxies and CDNs HIT.
func CacheOf(header []byte) CacheAnswer {
	for _, hit := range [...]string{"l1", "l2", "l3", "hit"} {
		if len(header) >= len(hit) && strings.EqualFold(string(header[:len(hit)]), hit) {
			return CacheHit
		}
	}
	if len(header) > 0 {
		return CacheMiss
	}
	return CacheUnknown
}

// Resent counts a request that is sent once more, because the server has not worked on it.
func (r *Recorder) Resent() {
	r.second.resent++
	r.second.written = true
}

// Late counts how late a measured request was sent, and its own lag: the part of that for which the generator alone is
// responsible, that is the time since the request was due and a connection (or worker) was free to send it. The rest is
// the time for which all connections were busy with requests that the system had not answered yet.
func (r *Recorder) Late(lag, own time.Duration) {
	r.second.lag.Record(lag)
	r.second.ownLag.Record(own)
	r.second.written = true
}

// Advance hands over the present second when it has ended. A loop calls it now and then even when nothing is answered:
// a second is flushed when all loops have passed it.
func (r *Recorder) Advance(now time.Duration) {
	if now >= r.secondEnd {
		r.advanceTo(int((r.scenario.StartTime + now) / time.Second))
	}
}

func (r *Recorder) advanceTo(number int) {
	r.second = r.collector.handOver(r, number)
	r.second.number = number
	r.secondEnd = time.Duration(number+1)*time.Second - r.scenario.StartTime
}

// SetInFlight publishes how many requests the loop has in flight, for progress. Any goroutine may call it.
func (r *Recorder) SetInFlight(n int64) { r.inFlight.Store(n) }

// Close hands over the last second. Nothing may be recorded after it.
func (r *Recorder) Close() {
	r.inFlight.Store(0)
	r.second = r.collector.handOver(r, closed)
	r.secondEnd = math.MaxInt64
}

// closed is the second that a recorder has reached which counts no more.
const closed = math.MaxInt
