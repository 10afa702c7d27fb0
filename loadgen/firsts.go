package loadgen

import (
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/policycortex/headroom/loadgen/record"
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
	c := concealer{book: b, outcome: o}
	switch class := o.errorClass + o.extraction; { // an answer that came whole has no class of error
	case class != "":
		if !f.classes[class] {
			f.classes = marked(f.classes, class)
			t.keep(class, c.text(o.message()))
		}
	case !expected(plan, o.status) && !f.statuses[o.status]:
		f.statuses = marked(f.statuses, o.status)
		t.keep(statusClass(o.status), c.text(o.answer.text(o.status)))
	}
	if o.answer == nil || o.answer.want == nil {
		return
	}
	missed := (uint64(1)<<len(plan.Checks) - 1) &^ o.checks &^ f.checks
	for f.checks |= missed; missed != 0; missed &= missed - 1 {
		i := bits.TrailingZeros64(missed)
		if t.unmet == nil {
			t.unmet = map[int]string{}
		}
		check := &o.answer.want.checks[i]
		t.unmet[i] = c.text(b.concealedField(check, o.answer.seen(check, o.status)))
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
	case o.extraction != "" && o.answer != nil:
		return o.errorText + "; the answer was " + o.answer.text(o.status)
	case o.errorClass == record.ErrorTimeout, o.errorClass == record.ErrorUnanswered:
		return fmt.Sprintf("after %v: %s", (o.done - o.sent).Round(time.Millisecond), o.errorText)
	}
	return o.errorText
}

// maxBeginning bounds what is told of a body, in bytes.
const maxBeginning = 200

// maxLearned bounds what is searched for secrets of an answer's body, in bytes.
const maxLearned = 16 << 10

// beginning takes a part of the body of an answer that failed and that nothing looks into: more than is told of it, since
// a secret of what is told may stand by its name behind it.
func (a *answer) beginning(b []byte) {
	if room := maxLearned - len(a.body); room > 0 {
		a.body = append(a.body, b[:min(room, len(b))]...)
	}
}

// text tells an answer on one line: its status, and the beginning of its body where that is text.
func (a *answer) text(status int) string {
	text := strings.TrimRight(strconv.Itoa(status)+" "+http.StatusText(status), " ")
	if a == nil || len(a.body) == 0 {
		return text
	}
	body, ok := beginningOf(a.body)
	if !ok {
		return fmt.Sprintf("%s, with %d bytes that are not text", text, a.size)
	}
	return text + ": " + body
}

// beginningOf is the beginning of a text on one line, as far as is told of a body; false when it is no text.
func beginningOf(b []byte) (text string, ok bool) {
	more := len(b) > maxBeginning
	if more {
		end := maxBeginning
		for end > 0 && !utf8.RuneStart(b[end]) {
			end--
		}
		b = b[:end]
	}
	control := func(c rune) bool { return unicode.IsControl(c) && !unicode.IsSpace(c) }
	if !utf8.Valid(b) || strings.ContainsFunc(string(b), control) {
		return "", false
	}
	text = strings.Join(strings.Fields(string(b)), " ")
	if more {
		text += "…"
	}
	return text, true
}

// seen is what an answer has where a check looks.
func (a *answer) seen(c *check, status int) string {
	switch {
	case c.Size:
		return fmt.Sprintf("%d bytes", a.size)
	case len(c.Statuses) > 0:
		return a.text(status)
	case c.header >= 0:
		if h := a.headers[c.header]; h.given {
			return c.Header + ": " + shown(h.value)
		}
		return "no header " + c.Header
	}
	document, err := a.json()
	if err != nil {
		return err.Error() + "; the answer was " + a.text(status)
	}
	v, found := lookUp(document, c.JSON)
	if !found {
		return "no " + c.JSON.String() + "; the answer was " + a.text(status)
	}
	return c.JSON.String() + " is " + shown([]byte(v.Raw))
}

// shown is a value as it is told.
func shown(value []byte) string {
	if text, ok := beginningOf(value); ok {
		return text
	}
	return fmt.Sprintf("%d bytes that are not text", len(value))
}
