package loadgen

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// firsts is what a loop has kept the first of, in one series: of each class of failures, and of each check that an answer
// did not meet. What follows is only counted, so that failures cost little more than answers.
type firsts struct {
	classes  map[string]bool // but for those by status
	statuses map[int]bool
	checks   uint64
}

// statusClass is the class of a failure by its status.
func statusClass(status int) string { return "status " + strconv.Itoa(status) }

// keepFirst keeps what the first failure of each class met, and the first answer that did not meet a check.
func (b *book) keepFirst(series int, t *tally, o *outcome, plan *scenarios.Request) {
	f := &b.firsts[series]
	c := b.recorder.requests.Concealer(o.iteration, o.request, o.texts, o.answer)
	switch class := o.errorClass + o.found.Extraction; { // an answer that came whole has no class of error
	case class != "":
		if !f.classes[class] {
			f.classes = marked(f.classes, class)
			t.keep(class, c.Text(o.message()))
		}
	case !request.Expected(plan, o.status) && !f.statuses[o.status]:
		f.statuses = marked(f.statuses, o.status)
		t.keep(statusClass(o.status), c.Text(o.answer.Text(o.status)))
	}
	if o.answer == nil || !o.answer.Inspected() {
		return
	}
	missed := (uint64(1)<<len(plan.Checks) - 1) &^ o.found.Checks &^ f.checks
	for f.checks |= missed; missed != 0; missed &= missed - 1 {
		i := bits.TrailingZeros64(missed)
		if t.unmet == nil {
			t.unmet = map[int]string{}
		}
		t.unmet[i] = c.Seen(i, o.status)
	}
}

func marked[K comparable](set map[K]bool, k K) map[K]bool {
	if set == nil {
		set = map[K]bool{}
	}
	set[k] = true
	return set
}

func (t *tally) keep(class, text string) {
	if t.samples == nil {
		t.samples = map[string]string{}
	}
	t.samples[class] = text
}

// message says why a request failed that got no answer, or not what was to be extracted.
func (o *outcome) message() string {
	switch {
	case o.found.Extraction != "" && o.answer != nil:
		return o.found.Why + "; the answer was " + o.answer.Text(o.status)
	case o.errorClass == record.ErrorTimeout, o.errorClass == record.ErrorUnanswered:
		return fmt.Sprintf("after %v: %s", (o.done - o.sent).Round(time.Millisecond), o.errorText)
	}
	return o.errorText
}
