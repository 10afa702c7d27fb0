package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/policycortex/headroom/loadgen"
)

// maxShownBody bounds what is shown of a body, in bytes.
const maxShownBody = 2000

// trialWriter shows what became of requests that were tried. Nothing of it controls the terminal, and no secret is in it.
type trialWriter struct {
	w    io.Writer
	mask *mask
	err  error // the first of writing
}

func (t *trialWriter) write(r *loadgen.Tried) {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario %s, ", r.Scenario)
	if r.Flow != "" {
		fmt.Fprintf(&b, "flow %s, ", r.Flow)
	}
	fmt.Fprintf(&b, "request %s\n", visible(r.Request, false))
	if r.NotSent != "" {
		fmt.Fprintf(&b, "not sent: %s\n\n", visible(r.NotSent, false))
		t.flush(&b)
		return
	}
	t.mask.learn(r.Headers, r.Answer, r.Extracted, secretQueries(r.URL))
	fmt.Fprintf(&b, "> %s %s\n", r.Method, visible(t.mask.text(r.URL), false))
	t.message(&b, "> ", r.Headers, r.Body, int64(len(r.Body)))
	if r.Answered {
		fmt.Fprintf(&b, "< %s, %s, after %v\n", strings.TrimSpace(strconv.Itoa(r.Status)+" "+http.StatusText(r.Status)), r.Protocol, shortly(r.Took))
		if r.EndURL != "" {
			fmt.Fprintf(&b, "< redirected to %s\n", visible(t.mask.text(r.EndURL), false))
		}
		t.message(&b, "< ", r.Answer, r.AnswerBody, r.AnswerBytes)
	}
	for _, x := range r.Extracted {
		fmt.Fprintf(&b, "extracted %s: %s\n", x.Name, t.mask.field(x))
	}
	for _, c := range r.Checks {
		if c.Held {
			fmt.Fprintf(&b, "check %s: held\n", visible(c.Name, false))
		} else {
			fmt.Fprintf(&b, "check %s: NOT HELD: %s\n", visible(c.Name, false), visible(t.mask.text(c.Seen), false))
		}
	}
	if r.Failure != "" {
		fmt.Fprintf(&b, "FAILED: %s\n", visible(t.mask.text(r.Failure), false))
	}
	b.WriteString("\n")
	t.flush(&b)
}

func (t *trialWriter) flush(b *strings.Builder) {
	if _, err := io.WriteString(t.w, b.String()); err != nil && t.err == nil {
		t.err = err
	}
}

// message shows headers and a body of so many bytes, of which the beginning is given.
func (t *trialWriter) message(b *strings.Builder, prefix string, fields []loadgen.Field, body []byte, size int64) {
	for _, f := range fields {
		fmt.Fprintf(b, "%s%s: %s\n", prefix, visible(f.Name, false), t.mask.field(f))
	}
	if size == 0 {
		return
	}
	fmt.Fprintln(b, strings.TrimSpace(prefix))
	if !isText(body) {
		fmt.Fprintf(b, "%s(%d bytes that are not text)\n", prefix, size)
		return
	}
	text := t.mask.text(string(body)) // before it is cut, that no part of a secret is left
	cut := len(text) > maxShownBody || size > int64(len(body))
	if len(text) > maxShownBody {
		text = text[:maxShownBody]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	for line := range strings.Lines(visible(text, true)) {
		fmt.Fprintf(b, "%s%s\n", prefix, strings.TrimSuffix(line, "\n"))
	}
	if cut {
		fmt.Fprintf(b, "%s… (%d bytes in all)\n", prefix, size)
	}
}

// isText reports whether a body, of which the end may be cut off, can be shown.
func isText(body []byte) bool {
	for cut := 0; cut < utf8.UTFMax && len(body) > 0 && !utf8.Valid(body); cut++ {
		body = body[:len(body)-1]
	}
	return utf8.Valid(body) && !strings.ContainsRune(string(body), 0)
}

// visible shows a text such that nothing in it controls a terminal: but for the ends of lines, where those are wanted.
func visible(text string, lines bool) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case c == utf8.RuneError:
			_, size := utf8.DecodeRuneInString(text[i:])
			b.WriteString(strings.Trim(strconv.QuoteToASCII(text[i:i+size]), `"`))
		case c == '\n' && lines, c == '\t', c == ' ', unicode.IsPrint(c):
			b.WriteRune(c)
		case c == '\r' && lines && strings.HasPrefix(text[i:], "\r\n"): // the end of a line
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(c), "'"))
		}
	}
	return b.String()
}

// mask hides secrets.
type mask struct{ known map[string]bool }

func newMask() *mask { return &mask{map[string]bool{}} }

const masked = "***"

// shortestSecret is the fewest bytes that are hidden wherever they occur: shorter ones would hide what is none.
const shortestSecret = 6

// learn takes the secrets of fields: wherever they occur from now on, they are hidden.
func (m *mask) learn(lists ...[]loadgen.Field) {
	for _, f := range slices.Concat(lists...) {
		if !f.Secret {
			continue
		}
		for _, secret := range secretsOf(f) {
			if len(secret) >= shortestSecret {
				m.known[secret] = true
			}
		}
	}
}

// secretsOf are what is secret in a field: the whole value, what follows a word such as Bearer, and the values of cookies.
func secretsOf(f loadgen.Field) []string {
	all := []string{f.Value}
	if _, credentials, ok := strings.Cut(f.Value, " "); ok {
		all = append(all, credentials)
	}
	name := strings.ToLower(f.Name)
	if !strings.HasSuffix(name, "cookie") {
		return all
	}
	pairs := strings.Split(f.Value, ";")
	if name == "set-cookie" { // its attributes follow
		pairs = pairs[:1]
	}
	for _, pair := range pairs {
		_, value, _ := strings.Cut(pair, "=")
		all = append(all, value)
	}
	return all
}

// secretQuery is a value of a URL's query whose name says that it is secret.
var secretQuery = regexp.MustCompile(`(?i)([?&][^=&#\s]*(?:token|secret|password|api[-_]?key|signature)[^=&#\s]*=)([^&#\s]*)`)

func secretQueries(url string) (fields []loadgen.Field) {
	for _, m := range secretQuery.FindAllStringSubmatch(url, -1) {
		fields = append(fields, loadgen.Field{Value: m[2], Secret: true})
	}
	return fields
}

// text hides the secrets in a text.
func (m *mask) text(text string) string {
	for secret := range m.known {
		text = strings.ReplaceAll(text, secret, masked)
	}
	return secretQuery.ReplaceAllString(text, "${1}"+masked)
}

func (m *mask) field(f loadgen.Field) string {
	if f.Secret {
		return fmt.Sprintf("%s (%d bytes)", masked, len(f.Value))
	}
	return visible(m.text(f.Value), false)
}
