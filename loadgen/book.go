package loadgen

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// outcome is what became of one iteration.
type outcome struct {
	request       int
	intended      time.Duration // since the scenario's start; of a closed executor, the same as sent
	sent          time.Duration
	done          time.Duration
	status        int    // 0 to 999
	errorClass    string // empty when an answer came whole
	errorText     string
	cache         string // the X-Cache header
	sentBytes     int64
	receivedBytes int64
	found         request.Findings
	answer        *request.Answer // what is kept of it, until it is recorded; nil when there is none
	iteration     int64           // which it is of
	texts         *request.Texts  // that its flow has extracted; nil without a flow
}

// book is what one loop writes its outcomes into. Only that loop may use it, so that recording takes no lock: what is
// written goes on a page of the present second, which is handed to the recorder when the second has ended.
type book struct {
	recorder *recorder
	scenario *scenarios.Scenario
	window   *arrival.Window
	page     *page
	turnAt   time.Duration // since the scenario's start: the end of the page's second

	firsts   []firsts     // by series
	inFlight atomic.Int64 // as last published by the loop
	reached  int          // the second that is being written; guarded by recorder.exchange
}

// page holds what one loop recorded within one second.
type page struct {
	second            int // since the run's start
	sent, failed, cut int64
	// Iterations that the generator could not send, and those of them that were to be measured.
	unsent, measuredUnsent int64
	noFiles, noPorts       int64 // requests that the generator could not send for want of one
	// Answers of the warm-up's requests that say whether a cache gave them, and those that say it did.
	earlyCacheAnswers, earlyHits int64
	lastAnswer                   time.Duration // to a measured request, since the scenario's start
	lag, ownLag                  *results.Histogram
	tallies                      []tally // of the series
	written                      bool
}

// tally is the part of a page that is of one series: of a named request, in a stage where those have names.
type tally struct {
	answers, failures int64              // of the second
	early             *results.Histogram // response times of the warm-up's requests; nil until there is one

	// What follows is of the measured window.
	requests, failed, skipped int64
	cacheAnswers, cacheHits   int64
	bytesSent, bytesReceived  int64
	lastAnswer                time.Duration
	response, service         *results.Histogram // nil until there is one
	statuses                  [maxStatus + 1]int64
	errors                    map[string]int64  // by class, but for those by status
	samples                   map[string]string // what the first of a class met
	met                       []int64           // answers, by check; nil until there is one
	unmet                     map[int]string    // what answers had that did not meet a check
}

const maxStatus = 999

func newPage(series int) *page {
	return &page{lag: results.NewHistogram(), ownLag: results.NewHistogram(), tallies: make([]tally, series)}
}

// clear makes a page fit for another second.
func (p *page) clear() {
	clearHistogram(p.lag)
	clearHistogram(p.ownLag)
	for i := range p.tallies {
		t := &p.tallies[i]
		clearHistogram(t.early)
		clearHistogram(t.response)
		clearHistogram(t.service)
		*t = tally{early: t.early, response: t.response, service: t.service}
	}
	*p = page{lag: p.lag, ownLag: p.ownLag, tallies: p.tallies}
}

// clearHistogram spares the writing of 190 kB of zeros where there are only zeros.
func clearHistogram(h *results.Histogram) {
	if h != nil && h.Count() > 0 {
		h.Reset()
	}
}

// record counts one outcome. Those that the end of the run cut off are not counted at all, and those that the generator
// could not send not as sent.
func (b *book) record(o *outcome) {
	b.advance(o.done)
	p, plan := b.page, &b.scenario.Requests[o.request]
	first := plan.Step == 0 // the later steps of a flow belong to its one iteration
	switch o.errorClass {
	case record.ErrorNoFiles:
		p.noFiles++
	case record.ErrorNoPorts:
		p.noPorts++
	}
	switch o.errorClass {
	case record.ErrorCut:
		if first {
			p.cut++
			p.written = true
		}
		return
	case record.ErrorNoFiles, record.ErrorNoPorts:
		if first {
			p.unsent++
			if b.window.Has(o.intended) {
				p.measuredUnsent++
			}
			p.written = true
			return
		}
	}
	failed := o.errorClass != "" || o.found.Extraction != "" || !request.Expected(plan, o.status)
	answered := o.errorClass == "" || o.errorClass == record.ErrorTimeout || o.errorClass == record.ErrorUnanswered
	series := b.recorder.seriesOf(o.request, o.intended)
	t := &p.tallies[series]
	p.written = true
	if first {
		p.sent++
	}
	t.answers++
	if failed {
		p.failed++
		t.failures++
	}
	if b.window.Has(o.intended) {
		p.lastAnswer = max(p.lastAnswer, o.done)
		t.lastAnswer = max(t.lastAnswer, o.done)
		t.measure(o, failed, answered)
		if failed || len(plan.Checks) > 0 {
			b.keepFirst(series, t, o, plan)
		}
		return
	}
	if answered {
		if t.early == nil {
			t.early = results.NewHistogram()
		}
		t.early.Record(o.done - o.intended)
	}
	if o.cache != "" {
		p.earlyCacheAnswers++
		if isHit(o.cache) {
			p.earlyHits++
		}
	}
}

// measure counts an outcome of the measured window.
func (t *tally) measure(o *outcome, failed, answered bool) {
	t.requests++
	t.bytesSent += o.sentBytes
	t.bytesReceived += o.receivedBytes
	if failed {
		t.failed++
	}
	if answered {
		if t.response == nil { // pages are used again: this happens a few times in all
			t.response, t.service = results.NewHistogram(), results.NewHistogram()
		}
		t.response.Record(o.done - o.intended)
		t.service.Record(o.done - o.sent)
	}
	t.countChecks(o.found.Checks)
	if o.errorClass == "" {
		t.statuses[min(max(o.status, 0), maxStatus)]++
	} else {
		t.count(o.errorClass)
	}
	if o.found.Extraction != "" {
		t.count(o.found.Extraction)
	}
	if o.cache != "" {
		t.cacheAnswers++
		if isHit(o.cache) {
			t.cacheHits++
		}
	}
}

func (t *tally) count(class string) {
	if t.errors == nil {
		t.errors = map[string]int64{}
	}
	t.errors[class]++
}

// skip counts the steps of a flow that were not sent because the one before them failed at the instant now.
func (b *book) skip(failed int, now time.Duration) {
	if !b.window.Has(now) {
		return
	}
	for i := failed + 1; i < len(b.scenario.Requests) && b.scenario.Requests[i].Step > 0; i++ {
		b.page.tallies[b.recorder.seriesOf(i, now)].skipped++
		b.page.written = true
	}
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

// late notes how late a measured request was sent, and how much of that was the generator's own doing.
func (b *book) late(lag, own time.Duration) {
	b.page.lag.Record(lag)
	b.page.ownLag.Record(own)
	b.page.written = true
}

// advance turns the page when its second has ended. A loop calls it now and then even when nothing is answered: the
// second is settled when all loops have passed it.
func (b *book) advance(now time.Duration) {
	if now >= b.turnAt {
		b.turn(int((b.scenario.StartTime + now) / time.Second))
	}
}

func (b *book) turn(second int) {
	b.page = b.recorder.handOver(b, second)
	b.page.second = second
	b.turnAt = time.Duration(second+1)*time.Second - b.scenario.StartTime
}

// close hands over the last page. Nothing may be recorded after it.
func (b *book) close() {
	b.inFlight.Store(0)
	b.page = b.recorder.handOver(b, closed)
	b.turnAt = math.MaxInt64
}

// closed is the second that a book has reached which is written no more.
const closed = math.MaxInt
