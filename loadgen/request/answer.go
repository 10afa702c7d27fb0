package request

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/loadgen/wire/http1"
	"github.com/policycortex/headroom/scenarios"
)

// maxKeptBody bounds what is kept of an answer's body, in bytes. Beyond it, what looks into the body fails.
const maxKeptBody = 1 << 20

// Inspection is what a request's checks and extractions look at in its answers. A request without any has none, and
// nothing of its answers is kept.
type Inspection struct {
	checks      []check
	until       *check // what a poll waits for; nil: nothing
	extractions []extraction
	headers     []string // in lower case
	cookies     bool     // all Set-Cookie
	body        bool
}

// newInspection prepares the inspection of a request's answers; slots are where the texts go that the flow extracts.
func newInspection(plan *scenarios.Request, slots map[string]int) (*Inspection, error) {
	if len(plan.Checks) == 0 && len(plan.Extract) == 0 && plan.Until == nil {
		return nil, nil
	}
	in := &Inspection{}
	for _, c := range plan.Checks {
		made, err := in.newCheck(c)
		if err != nil {
			return nil, err
		}
		in.checks = append(in.checks, made)
	}
	if plan.Until != nil {
		made, err := in.newCheck(plan.Until.Check)
		if err != nil {
			return nil, err
		}
		in.until = &made
	}
	for _, x := range plan.Extract {
		made, err := newExtraction(x, slots[x.Name])
		if err != nil {
			return nil, err
		}
		made.cookies = x.Cookie != "" || http1.Is([]byte(x.Header), setCookie)
		in.cookies = in.cookies || made.cookies
		made.header = in.keepHeader(x.Header)
		in.body = in.body || x.Header == "" && x.Cookie == ""
		in.extractions = append(in.extractions, made)
	}
	return in, nil
}

// newCheck prepares a check, and has what it looks at kept.
func (in *Inspection) newCheck(plan scenarios.Check) (check, error) {
	made, err := newCheck(plan)
	made.header = in.keepHeader(plan.Header)
	in.body = in.body || plan.JSON != nil || plan.Body || plan.Schema != nil
	return made, err
}

// keepHeader returns where the value of a header will be; -1 for no header.
func (in *Inspection) keepHeader(name string) int {
	if name == "" {
		return -1
	}
	lower := strings.ToLower(name)
	if i := slices.Index(in.headers, lower); i >= 0 {
		return i
	}
	in.headers = append(in.headers, lower)
	return len(in.headers) - 1
}

// Answer is what is kept of an answer for its inspection. Its memory is used again by the next.
type Answer struct {
	want    *Inspection // nil: nothing is kept but the beginning of the body of an answer that failed
	headers []keptHeader
	coding  []byte      // Content-Encoding; empty: none
	cookies [][]byte    // the values of all Set-Cookie, where they are wanted
	head    []byte      // as the wire engine read it, or
	fields  http.Header // as net/http did; for the secrets in it, where a message may quote the answer
	body    []byte
	tooBig  bool
	size    int64 // of the whole body, in bytes, as it was sent

	decoded bool // plain and coded are those of this body
	plain   []byte
	coded   error // why plain is not all of it

	parsed   bool // document and wrong are those of this body
	document gjson.Result
	wrong    error
}

type keptHeader struct {
	given bool
	value []byte
}

// Start forgets the last answer. What want looks at is kept of the next; nil: nothing.
func (a *Answer) Start(want *Inspection) {
	a.want, a.body, a.head, a.fields = want, a.body[:0], a.head[:0], nil
	a.coding, a.tooBig, a.decoded, a.parsed = a.coding[:0], false, false, false
	if want == nil {
		return
	}
	for len(a.headers) < len(want.headers) {
		a.headers = append(a.headers, keptHeader{})
	}
	for i := range a.headers {
		a.headers[i].given = false
	}
	a.cookies = a.cookies[:0]
}

// setCookie is the name of the header that sets a cookie.
const setCookie = "set-cookie"

// Header takes a header line of the answer; of several with one name the first counts, but for cookies.
func (a *Answer) Header(name, value []byte) {
	if a.want.body && http1.Is(name, contentEncoding) {
		a.coding = append(a.coding[:0], value...)
	}
	if a.want.cookies && http1.Is(name, setCookie) {
		a.addCookie(value)
	}
	for i, want := range a.want.headers {
		if http1.Is(name, want) && !a.headers[i].given {
			a.headers[i] = keptHeader{true, append(a.headers[i].value[:0], value...)}
		}
	}
}

const contentEncoding = "content-encoding"

// addCookie keeps the value of a Set-Cookie.
func (a *Answer) addCookie(value []byte) {
	n := len(a.cookies)
	if n == cap(a.cookies) {
		a.cookies = append(a.cookies, nil)
	} else {
		a.cookies = a.cookies[:n+1] // with the memory that was there
	}
	a.cookies[n] = append(a.cookies[n][:0], value...)
}

// TakeHead keeps the head of an answer, as it came, for the secrets in it.
func (a *Answer) TakeHead(head []byte) {
	a.head = append(a.head[:0], head...)
	if a.InspectsBody() {
		return
	}
	for line := range bytes.Lines(head) { // nobody has taken its headers: it is one that failed
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && http1.Is(name, contentEncoding) {
			a.coding = append(a.coding[:0], bytes.TrimSpace(value)...)
		}
	}
}

// TakeHeaders takes all headers of the answer from net/http.
func (a *Answer) TakeHeaders(h http.Header) {
	a.fields = h
	a.coding = append(a.coding[:0], h.Get(contentEncoding)...)
	if a.want == nil {
		return
	}
	if a.want.cookies {
		for _, v := range h.Values(setCookie) {
			a.addCookie([]byte(v))
		}
	}
	for i, name := range a.want.headers {
		if v := h.Values(name); len(v) > 0 {
			a.headers[i] = keptHeader{true, []byte(v[0])}
		}
	}
}

// Inspected reports whether checks or extractions look at the answer.
func (a *Answer) Inspected() bool { return a.want != nil }

// LooksAtBody reports whether the inspection looks at the body.
func (in *Inspection) LooksAtBody() bool { return in.body }

// InspectsBody reports whether they look at its body.
func (a *Answer) InspectsBody() bool { return a.want != nil && a.want.body }

// Piece takes a part of the body of an answer whose body is inspected.
func (a *Answer) Piece(b []byte) {
	if len(a.body)+len(b) > maxKeptBody {
		a.tooBig = true
		return
	}
	a.body = append(a.body, b...)
}

// TooBig takes note that the body is more than is kept.
func (a *Answer) TooBig() { a.tooBig = true }

// text is the body without its content coding. It fails where there is more than is kept, and where the body cannot be
// decoded.
func (a *Answer) text() ([]byte, error) {
	switch {
	case a.tooBig:
		return nil, fmt.Errorf("the body has more than %d bytes", maxKeptBody)
	case !a.isCoded():
		return a.body, nil
	case !a.decoded:
		a.decoded = true
		a.plain, a.coded = appendDecoded(a.plain[:0], a.body, string(a.coding))
	}
	return a.plain, a.coded
}

func (a *Answer) isCoded() bool {
	return len(a.coding) > 0 && len(a.body) > 0 && !http1.Is(a.coding, "identity")
}

// readable is what messages quote of the body: of one that is compressed as much as can be decoded of what is kept.
func (a *Answer) readable() []byte {
	if !a.isCoded() {
		return a.body
	}
	if text, _ := a.text(); len(text) > 0 {
		return text
	}
	return a.body
}

// json is the body as a JSON document.
func (a *Answer) json() (gjson.Result, error) {
	if !a.parsed {
		a.parsed = true
		var text []byte
		text, a.wrong = a.text()
		switch {
		case a.wrong != nil:
		case !gjson.ValidBytes(text):
			a.wrong = errors.New("the body is not JSON")
		default:
			a.document = gjson.ParseBytes(text)
		}
	}
	return a.document, a.wrong
}

// lookUp finds the value that a path leads to.
func lookUp(v gjson.Result, path scenarios.JSONPath) (found gjson.Result, ok bool) {
	for _, step := range path {
		if step.IsIndex {
			v, ok = element(v, step.Index)
		} else {
			v, ok = member(v, step.Key)
		}
		if !ok {
			return v, false
		}
	}
	return v, true
}

func member(v gjson.Result, key string) (found gjson.Result, ok bool) {
	if !v.IsObject() {
		return v, false
	}
	v.ForEach(func(k, inner gjson.Result) bool {
		if k.Str == key {
			found, ok = inner, true
		}
		return !ok
	})
	return found, ok
}

func element(v gjson.Result, index int) (found gjson.Result, ok bool) {
	if !v.IsArray() {
		return v, false
	}
	if index < 0 {
		v.ForEach(func(_, _ gjson.Result) bool {
			index++
			return true
		})
	}
	at := 0
	v.ForEach(func(_, inner gjson.Result) bool {
		if at == index {
			found, ok = inner, true
		}
		at++
		return !ok
	})
	return found, ok
}

// textOf is a JSON value as text: of a string its content, of anything else what stands in the document.
func textOf(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	return v.Raw
}

// Findings are what the inspection of an answer has found.
type Findings struct {
	Checks     uint64 // those that the answer met: bit i is check i's
	Extraction string // the class of the failure of a poll, or of what could not be extracted; empty: none
	Why        string // it could not
}

// Inspect carries out the checks and extractions of an answer that came whole to the request that d chose; size is the
// length of its body in bytes. What is extracted goes into d.Flow. goesOn says that another request of the flow
// follows: d is moved to that, and the user pauses before it.
func (s *Set) Inspect(a *Answer, d *Draw, status int, size int64) (found Findings, pause time.Duration, goesOn bool) {
	r := &s.requests[d.Request]
	a.size = size
	if r.inspect == nil && !r.course.step {
		return found, 0, false
	}
	fine, again := Expected(r.plan, status), false
	if r.inspect != nil {
		found.Checks = a.passed(status, size)
		if until := r.inspect.until; fine && until != nil && !a.meets(until, status, size) {
			again = d.tries < r.plan.Until.Retries
			if !again {
				found.Extraction, found.Why = givenUp, fmt.Sprintf("it was sent %d times", d.tries+1)
			}
		} else if fine {
			found.Extraction, found.Why = a.extract(d.Flow)
		}
	}
	if fine && found.Extraction == "" {
		pause, goesOn = s.Next(d, again)
	}
	return found, pause, goesOn
}

// givenUp is the class of the failure of a poll.
const givenUp = "the condition of until was not met"

// Expected reports whether a status is one that the plan wants.
func Expected(r *scenarios.Request, status int) bool {
	if len(r.ExpectedStatus) == 0 {
		return status >= 200 && status < 400 || status == scenarios.GRPCStatus
	}
	return slices.Contains(r.ExpectedStatus, status)
}

// ExpectedText is what Expected accepts, in words.
func ExpectedText(r *scenarios.Request) string {
	if len(r.ExpectedStatus) == 0 {
		if r.Call != nil {
			return scenarios.StatusName(scenarios.GRPCStatus)
		}
		return "200 to 399"
	}
	names := make([]string, len(r.ExpectedStatus))
	for i, status := range r.ExpectedStatus {
		names[i] = scenarios.StatusName(status)
	}
	return strings.Join(names, ", ")
}
