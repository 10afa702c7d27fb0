package request

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// Renderer writes whole HTTP/1.1 requests as bytes. What does not vary is made ahead.
type Renderer struct {
	requests []rendering
	set      *Set
	body     []byte // of the last request: its length goes before it
	base     string // path of the target
	scheme   string // likewise
}

// rendering is one named request: the request line and headers as segments, then its body.
type rendering struct {
	line   []segment // up to and without the path
	path   []segment
	fields []segment // from the protocol's version on, without Content-Length
	cookie []segment // the scenario's own header Cookie, where users keep others
	body   []segment
	length bool // Content-Length also without a body
}

// NewRenderer returns a renderer of requests to the target, for one goroutine.
func NewRenderer(set *Set, target *url.URL) *Renderer {
	r := &Renderer{set: set, base: target.EscapedPath(), scheme: target.Scheme}
	for i := range set.requests {
		r.requests = append(r.requests, newRendering(&set.requests[i], target, set))
	}
	return r
}

// newRendering renders one named request of a set. Those of a recording bring their own User-Agent.
func newRendering(q *template, target *url.URL, set *Set) rendering {
	method := q.plan.Method
	r := rendering{
		line: text(method + " " + target.EscapedPath()), path: q.path, body: q.body,
		length: usuallyHasBody(method),
	}
	host, agent := text(target.Host), text(UserAgent)
	if set.recording != nil {
		agent = nil
	}
	var others []segment
	for _, h := range q.headers {
		switch name := textproto.CanonicalMIMEHeaderKey(h.name); {
		case name == "Cookie" && set.cookies:
			r.cookie = h.value
		case name == "Host":
			host = h.value
		case name == "User-Agent":
			agent = h.value
		default:
			others = append(append(others, text("\r\n"+name+": ")...), h.value...)
		}
	}
	r.fields = append(text(" HTTP/1.1\r\nHost: "), host...)
	if agent != nil {
		r.fields = append(append(r.fields, text("\r\nUser-Agent: ")...), agent...)
	}
	r.fields = append(r.fields, others...)
	return r
}

// text is a literal.
func text(s string) []segment { return []segment{{literal: s, hole: noHole}} }

// usuallyHasBody reports whether net/http sends the length of a body of this method even when there is none.
func usuallyHasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// Append appends the request that d chose; body is the length of its body.
func (r *Renderer) Append(dst []byte, d *Draw) (request []byte, body int) {
	if r.set.recording != nil {
		return r.appendRecorded(dst, d)
	}
	q, s := &r.requests[d.Request], &r.set.requests[d.Request]
	dst = s.append(dst, q.line, d)
	path := len(dst)
	dst = s.append(dst, q.path, d)
	if r.set.cookies {
		target := r.base + string(dst[path:])
		dst = r.appendCookies(s.append(dst, q.fields, d), d, target)
	} else {
		dst = s.append(dst, q.fields, d)
	}
	dst = d.Trace.appendLine(dst)
	r.body = s.append(r.body[:0], q.body, d)
	return appendBody(dst, r.body, len(r.body) > 0 || q.length), len(r.body)
}

// appendCookies appends the header Cookie of a request to a path, if there is any: the scenario's own, and then those
// that the user keeps.
func (r *Renderer) appendCookies(dst []byte, d *Draw, target string) []byte {
	own, kept := r.requests[d.Request].cookie, d.Session.cookies(r.scheme, target)
	if len(own) == 0 && len(kept) == 0 {
		return dst
	}
	dst = append(dst, "\r\nCookie: "...)
	dst = r.set.requests[d.Request].append(dst, own, d)
	for i, c := range kept {
		if i > 0 || len(own) > 0 {
			dst = append(dst, "; "...)
		}
		dst = append(dst, c.String()...)
	}
	return dst
}

// appendBody ends the headers, with the body's length where it is to be sent, and appends the body.
func appendBody(dst, body []byte, length bool) []byte {
	if length {
		dst = append(dst, "\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// appendRecorded appends a request of a recording: base is the path of the target, fields what the scenario sends with
// it.
func (r *Renderer) appendRecorded(dst []byte, d *Draw) (request []byte, body int) {
	log := r.set.recording
	method, content := log.Method(d.N), log.Body(d.N)
	dst = append(append(dst, method...), ' ')
	dst = append(append(dst, r.base...), log.Path(d.N)...)
	dst = r.set.requests[d.Request].append(dst, r.requests[d.Request].fields, d)
	dst = d.Trace.appendLine(append(dst, log.Headers(d.N)...))
	return appendBody(dst, content, len(content) > 0 || usuallyHasBody(method)), len(content)
}

// UserAgent is the User-Agent of a request for which neither scenario nor recording has another.
const UserAgent = "headroom"

// AppendPath appends the path and query of the request that d chose.
func (s *Set) AppendPath(dst []byte, d *Draw) []byte {
	if s.recording != nil {
		return append(dst, s.recording.Path(d.N)...)
	}
	r := &s.requests[d.Request]
	return r.append(dst, r.path, d)
}

// Body is the body of the request that d chose; nil: none.
func (s *Set) Body(d *Draw) []byte {
	if s.recording != nil {
		return s.recording.Body(d.N)
	}
	r := &s.requests[d.Request]
	if len(r.body) == 0 {
		return nil
	}
	return r.append(nil, r.body, d)
}

// Header is the header of the request that d chose, for net/http.
func (s *Set) Header(d *Draw) http.Header {
	r := &s.requests[d.Request]
	h := make(http.Header, len(r.headers)+1)
	if s.recording != nil {
		for line := range bytes.SplitSeq(s.recording.Headers(d.N), []byte("\r\n")) {
			if name, value, ok := bytes.Cut(line, []byte(": ")); ok {
				h[string(name)] = append(h[string(name)], string(value))
			}
		}
	} else {
		h["User-Agent"] = userAgent
	}
	for _, field := range r.headers {
		v := field.static
		if v == "" {
			v = string(r.append(nil, field.value, d))
		}
		h.Set(field.name, v)
	}
	if d.Trace.Sampled() {
		h.Set(TraceHeader, string(d.Trace.AppendValue(nil)))
	}
	return h
}

// FixedHeader is the header of the request of that index, where it is always the same.
func (s *Set) FixedHeader(request int) (h http.Header, ok bool) {
	for _, field := range s.requests[request].headers {
		if field.static == "" && len(field.value) > 0 {
			return nil, false
		}
	}
	return s.Header(&Draw{Request: request}), s.recording == nil
}

// FixedHost is the header Host of the request of that index; empty: it has none that is always the same.
func (s *Set) FixedHost(request int) string {
	for _, field := range s.requests[request].headers {
		if strings.EqualFold(field.name, "Host") {
			return field.static
		}
	}
	return ""
}

var userAgent = []string{UserAgent}

// Idempotent reports whether a request of the method may be sent again although the server may have received it (RFC
// 9110, section 9.2.2).
func Idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}
