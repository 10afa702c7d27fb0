package request

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/policycortex/headroom/scenarios"
)

// maxBeginning bounds what a message quotes of a body, in bytes.
const maxBeginning = 200

// maxLearned bounds what is searched for secrets of an answer's body, in bytes.
const maxLearned = 16 << 10

// maxLearnedSent bounds what is searched for secrets of a body that is sent, in bytes: files are larger.
const maxLearnedSent = 1 << 20

// Beginning takes a part of the body of an answer that failed and that nothing looks into: more than a message quotes,
// since what makes a quoted text a secret may stand behind it.
func (a *Answer) Beginning(b []byte) {
	if room := maxLearned - len(a.body); room > 0 {
		a.body = append(a.body, b[:min(room, len(b))]...)
	}
}

// Text is an answer on one line: its status, and the beginning of its body where that is text.
func (a *Answer) Text(status int) string {
	text := scenarios.StatusText(status)
	if a == nil || len(a.body) == 0 {
		return text
	}
	body, ok := beginningOf(a.readable())
	if !ok {
		return fmt.Sprintf("%s, with %d bytes that are not text", text, a.size)
	}
	return text + ": " + body
}

// beginningOf is the beginning of a text on one line, as far as a message quotes a body; false when it is no text.
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
func (a *Answer) seen(c *check, status int) string {
	switch {
	case c.Size:
		return fmt.Sprintf("%d bytes", a.size)
	case len(c.Statuses) > 0:
		return a.Text(status)
	case c.header >= 0:
		if h := a.headers[c.header]; h.given {
			return c.Header + ": " + shown(h.value)
		}
		return "no header " + c.Header
	}
	if c.Body {
		if _, err := a.text(); err != nil {
			return err.Error() + "; the answer was " + a.Text(status)
		}
		return a.Text(status)
	}
	document, err := a.json()
	if err != nil {
		return err.Error() + "; the answer was " + a.Text(status)
	}
	if c.Schema != nil {
		return mismatch(c.Schema, document) + "; the answer was " + a.Text(status)
	}
	v, found := lookUp(document, c.JSON)
	if !found {
		return "no " + c.JSON.String() + "; the answer was " + a.Text(status)
	}
	return c.JSON.String() + " is " + shown([]byte(v.Raw))
}

// shown is a value as messages quote it.
func shown(value []byte) string {
	if text, ok := beginningOf(value); ok {
		return text
	}
	return fmt.Sprintf("%d bytes that are not text", len(value))
}
