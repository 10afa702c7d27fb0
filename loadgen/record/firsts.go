package record

import (
	"fmt"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// firsts is what a loop has kept the first of, in one series: of each class of failures, and of each check that an
// answer did not meet. What follows is only counted, so that failures cost little more than answers.
type firsts struct {
	classes  map[string]bool // but for those by status
	statuses map[int]bool
	checks   uint64
}

// StatusClass is the class of a failure by its status.
func StatusClass(status int) string { return "status " + scenarios.StatusName(status) }

// keepFirst keeps what the first failure of each class met, and the first answer that did not meet a check.
func (r *Recorder) keepFirst(series int, counted *counts, o *Outcome, plan *scenarios.Request) {
	f := &r.firsts[series]
	conceal := r.collector.requests.Concealer(o.Iteration, o.Request, o.Texts, o.Answer, o.Session)
	switch class := o.ErrorClass + o.Found.Extraction; { // an answer that came whole has no class of error
	case class != "":
		if !f.classes[class] {
			f.classes = marked(f.classes, class)
			counted.keep(class, Shortened(conceal.Text(o.Message())))
		}
	case !request.Expected(plan, o.Status) && !f.statuses[o.Status]:
		f.statuses = marked(f.statuses, o.Status)
		counted.keep(StatusClass(o.Status), conceal.Text(o.Answer.Text(o.Status)))
	}
	if o.Answer == nil || !o.Answer.Inspected() {
		return
	}
	missed := (uint64(1)<<len(plan.Checks) - 1) &^ o.Found.Checks &^ f.checks
	for f.checks |= missed; missed != 0; missed &= missed - 1 {
		i := bits.TrailingZeros64(missed)
		if counted.unmet == nil {
			counted.unmet = map[int]string{}
		}
		counted.unmet[i] = conceal.Seen(i, o.Status)
	}
}

func marked[K comparable](set map[K]bool, k K) map[K]bool {
	if set == nil {
		set = map[K]bool{}
	}
	set[k] = true
	return set
}

func (c *counts) keep(class, text string) {
	if c.samples == nil {
		c.samples = map[string]string{}
	}
	c.samples[class] = text
}

// longest bounds what is kept of a message, in bytes: net/http quotes header lines whole, however long they are.
const longest = 600

// Shortened is a message without what goes beyond some lines of a terminal. Secrets have been removed from it before.
func Shortened(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// Message says why a request failed that got no answer, or not what was to be extracted.
func (o *Outcome) Message() string {
	switch {
	case o.Found.Extraction != "" && o.Answer != nil:
		return o.Found.Why + "; the answer was " + o.Answer.Text(o.Status)
	case o.ErrorClass == ErrorTimeout, o.ErrorClass == ErrorUnanswered:
		return fmt.Sprintf("after %v: %s", (o.Done - o.Sent).Round(time.Millisecond), o.ErrorText)
	}
	return o.ErrorText
}
