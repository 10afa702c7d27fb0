package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/scenarios"
)

// maxShownBody is the number of bytes shown of a body.
const maxShownBody = 2000

// trialWriter prints requests that were tried, with their responses. It adds their secrets to the redactor of the
// terminal.
type trialWriter struct {
	w       io.Writer
	secrets *scenarios.Redactor
	err     error // the first of writing
}

func (t *trialWriter) write(r *loadgen.Tried) {
	var b strings.Builder
	if r.Scenario != "" {
		fmt.Fprintf(&b, "scenario %s, ", r.Scenario)
	}
	if r.Flow != "" {
		fmt.Fprintf(&b, "flow %s, ", r.Flow)
	}
	fmt.Fprintf(&b, "request %s\n", oneLine(r.Request))
	if r.NotSent != "" {
		fmt.Fprintf(&b, "not sent: %s\n\n", oneLine(r.NotSent))
		t.flush(&b)
		return
	}
	t.learn(r)
	fmt.Fprintf(&b, "> %s %s\n", r.Method, oneLine(r.URL))
	t.message(&b, "> ", r.Headers, r.Body, int64(len(r.Body)))
	if r.Answered {
		fmt.Fprintf(&b, "< %s, %s, after %v\n", scenarios.StatusText(r.Status), r.Protocol, shortly(r.Took))
		if r.EndURL != "" {
			fmt.Fprintf(&b, "< redirected to %s\n", oneLine(r.EndURL))
		}
		t.message(&b, "< ", r.Answer, r.AnswerBody, r.AnswerBytes)
	}
	for _, x := range r.Extracted {
		fmt.Fprintf(&b, "extracted %s: %s\n", x.Name, fieldText(x))
	}
	for _, c := range r.Checks {
		if c.Held {
			fmt.Fprintf(&b, "check %s: held\n", oneLine(c.Name))
		} else {
			fmt.Fprintf(&b, "check %s: NOT HELD: %s\n", oneLine(c.Name), oneLine(c.Seen))
		}
	}
	if r.Failure != "" {
		fmt.Fprintf(&b, "FAILED: %s\n", oneLine(r.Failure))
	}
	b.WriteString("\n")
	t.flush(&b)
}

func (t *trialWriter) flush(b *strings.Builder) {
	if _, err := io.WriteString(t.w, b.String()); err != nil && t.err == nil {
		t.err = err
	}
}

// message prints headers and a body. size is the number of bytes of the whole body; body may be only its beginning.
func (t *trialWriter) message(b *strings.Builder, prefix string, fields []loadgen.Field, body []byte, size int64) {
	for _, f := range fields {
		fmt.Fprintf(b, "%s%s: %s\n", prefix, oneLine(f.Name), fieldText(f))
	}
	if size == 0 {
		return
	}
	fmt.Fprintln(b, strings.TrimSpace(prefix))
	if !isText(body) {
		fmt.Fprintf(b, "%s(%d bytes that are not text)\n", prefix, size)
		return
	}
	text := t.secrets.Text(string(body)) // before it is cut, so that no part of a secret remains
	cut := len(text) > maxShownBody || size > int64(len(body))
	if len(text) > maxShownBody {
		text = text[:maxShownBody]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		fmt.Fprintf(b, "%s%s\n", prefix, strings.TrimSuffix(line, "\n"))
	}
	if cut {
		fmt.Fprintf(b, "%s… (%d bytes in total)\n", prefix, size)
	}
}

// isText reports whether a body can be shown as text. Its last character may be incomplete.
func isText(body []byte) bool {
	for cut := 0; cut < utf8.UTFMax && len(body) > 0 && !utf8.Valid(body); cut++ {
		body = body[:len(body)-1]
	}
	return utf8.Valid(body) && !strings.ContainsRune(string(body), 0)
}

// oneLine escapes line breaks, so that text cannot look like another line of the output.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// learn adds the secrets of a request and its response to the redactor.
func (t *trialWriter) learn(r *loadgen.Tried) {
	for _, f := range slices.Concat(r.Headers, r.Answer) {
		t.secrets.LearnHeader(f.Name, f.Value)
	}
	for _, x := range r.Extracted {
		if x.Secret {
			t.secrets.Add(x.Value)
		}
	}
	for _, text := range []string{r.URL, r.EndURL, string(r.Body), string(r.AnswerBody)} {
		t.secrets.Learn(text)
	}
}

func fieldText(f loadgen.Field) string {
	if f.Secret {
		return scenarios.Redacted
	}
	return oneLine(f.Value)
}
