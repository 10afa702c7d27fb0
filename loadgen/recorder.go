package loadgen

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// outcome is what became of one iteration.
type outcome struct {
	request    int
	intended   time.Duration // since the scenario's start; of a closed executor, the same as sent
	sent       time.Duration
	done       time.Duration
	status     int
	errorClass string // empty when an answer came whole
	errorText  string
	cache      string // the X-Cache header
	sentBytes  int64
}

// recorder counts the outcomes of one scenario. Its memory depends on the number of requests in the plan and on the
// run's length in seconds, not on the number of outcomes.
type recorder struct {
	scenario *scenarios.Scenario
	schedule *schedule // nil for a closed executor

	mu     sync.Mutex
	load   *results.Load
	series []*results.Series
	whole  second        // of the scenario
	each   []second      // of its requests
	last   results.Point // the last full one
	points []results.Point
	failed int64 // warm-up included
	cut    int64 // outcomes of the class errorCut

	finished bool
}

func newRecorder(plan *scenarios.Plan, s *scenarios.Scenario, sc *schedule) *recorder {
	r := &recorder{
		scenario: s, schedule: sc, whole: newSecond(s.Name, "", int(s.StartTime/time.Second)),
		load: &results.Load{
			Scenario: s.Name, Executor: string(s.Executor), Open: sc != nil,
			MeasuredFrom: (s.StartTime + s.Warmup).Seconds(), MeasuredTo: (s.StartTime + s.Duration).Seconds(),
			MaxVUs: workers(s), Lag: results.NewHistogram(), OwnLag: results.NewHistogram(),
		},
	}
	for i := range s.Requests {
		q := &s.Requests[i]
		tags := map[string]string{}
		maps.Copy(tags, plan.Tags)
		maps.Copy(tags, s.Tags)
		maps.Copy(tags, q.Tags)
		tags["scenario"], tags["name"], tags["method"] = s.Name, q.Name, q.Method
		r.each = append(r.each, newSecond(s.Name, q.Name, r.whole.point.Second))
		r.series = append(r.series, &results.Series{
			Scenario: s.Name, Name: q.Name, Method: q.Method, Tags: tags,
			Statuses: map[int]int64{}, Errors: map[string]int64{}, ErrorSamples: map[string]string{},
			Response: results.NewHistogram(), Service: results.NewHistogram(),
		})
	}
	return r
}

// record counts one outcome. Those that the end of the run cut off are not counted at all, and those that the generator
// could not send not as sent.
func (r *recorder) record(o *outcome) {
	switch o.errorClass {
	case errorCut:
		r.mu.Lock()
		r.cut++
		r.mu.Unlock()
		return
	case errorUnsent:
		return
	}
	response, service := o.done-o.intended, o.done-o.sent
	failed := o.errorClass != "" || !r.expected(o)
	answered := o.errorClass == "" || o.errorClass == errorTimeout || o.errorClass == errorUnanswered

	r.mu.Lock()
	defer r.mu.Unlock()
	r.load.Sent++
	if failed {
		r.failed++
	}
	r.tick(o.done)
	r.whole.add(response, answered, failed)
	r.each[o.request].add(response, answered, failed)
	if o.intended < r.scenario.Warmup {
		return
	}
	r.load.LastAnswer = max(r.load.LastAnswer, (r.scenario.StartTime + o.done).Seconds())
	s := r.series[o.request]
	s.Requests++
	s.BytesSent += o.sentBytes
	if failed {
		s.Failed++
		r.count(s, o)
	}
	if answered {
		s.Response.Record(response)
		s.Service.Record(service)
	}
	if o.errorClass == "" {
		s.Statuses[o.status]++
	}
	if o.cache != "" {
		s.CacheAnswers++
		if isHit(o.cache) {
			s.CacheHits++
		}
	}
}

func (r *recorder) count(s *results.Series, o *outcome) {
	class := o.errorClass
	if class == "" {
		class = "status " + strconv.Itoa(o.status)
	}
	if s.Errors[class]++; s.Errors[class] == 1 && o.errorText != "" {
		s.ErrorSamples[class] = o.errorText
	}
}

func (r *recorder) expected(o *outcome) bool {
	want := r.scenario.Requests[o.request].ExpectedStatus
	if len(want) == 0 {
		return o.status >= 200 && o.status < 400
	}
	for _, s := range want {
		if s == o.status {
			return true
		}
	}
	return false
}

// isHit reports whether an X-Cache header says that a cache answered: the reference server says l1, l2 or l3, most
// proxies and CDNs say HIT.
func isHit(header string) bool {
	for _, hit := range [...]string{"l1", "l2", "l3", "hit"} {
		if len(header) >= len(hit) && strings.EqualFold(header[:len(hit)], hit) {
			return true
		}
	}
	return false
}

// tick closes the seconds that ended before the instant done.
func (r *recorder) tick(done time.Duration) {
	for now := int((r.scenario.StartTime + done) / time.Second); r.whole.point.Second < now; {
		r.closeSecond(false)
	}
}

// closeSecond notes a point of the scenario, and one of each request that had answers.
func (r *recorder) closeSecond(partial bool) {
	warmup := float64(r.whole.point.Second) < r.load.MeasuredFrom
	r.last = r.whole.close(warmup, partial)
	r.points = append(r.points, r.last)
	for i := range r.each {
		if p := r.each[i].close(warmup, partial); p.Requests > 0 {
			r.points = append(r.points, p)
		}
	}
}

// finish closes the books: planned is the number of iterations that were meant to be sent until the scenario's end or
// the run's, measuredPlanned those of the measured window.
func (r *recorder) finish(planned, measuredPlanned int64, lag, ownLag *results.Histogram, ended time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole.point.Requests > 0 {
		r.closeSecond((r.scenario.StartTime + ended).Seconds() < float64(r.whole.point.Second+1))
	}
	r.finished = true
	r.load.Lag, r.load.OwnLag = lag, ownLag
	r.load.MeasuredTo = min(r.load.MeasuredTo, max(r.load.MeasuredFrom, (r.scenario.StartTime+ended).Seconds()))
	if r.schedule == nil {
		for _, s := range r.series {
			measuredPlanned += s.Requests
		}
		r.load.Planned, r.load.MeasuredPlanned = r.load.Sent, measuredPlanned
		return
	}
	r.load.Planned, r.load.MeasuredPlanned = planned-r.cut, measuredPlanned
	r.load.Dropped = max(0, r.load.Planned-r.load.Sent)
}
