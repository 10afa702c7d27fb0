package request

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/loadgen/wire/http2"
)

// BlockRenderer writes requests as header blocks of HTTP/2 and bodies. What does not vary is made ahead.
type BlockRenderer struct {
	Fields   http2.Fields // of all requests; those of the connections
	requests []blockRendering
	set      *Set
	base     string // path of the target
	scheme   string // likewise
	value    []byte
}

// blockRendering is one named request: its fields in their order.
type blockRendering struct {
	fields []blockField
	cookie []segment // the scenario's own header Cookie, where users keep others
	length bool      // content-length also without a body
}

// blockField is a field: one that is always the same, or one whose value is rendered.
type blockField struct {
	constant bool
	field    http2.Field
	name     http2.Name
	before   string // of the value
	value    []segment
}

// The names of fields with values of their own that every request may have.
var (
	methodName = http2.NewName(":method")
	pathName   = http2.NewName(":path")
	lengthName = http2.NewName("content-length")
	cookieName = http2.NewName("cookie")
)

// NewBlockRenderer returns a renderer of requests to the target, for one goroutine.
func NewBlockRenderer(set *Set, target *url.URL) *BlockRenderer {
	r := &BlockRenderer{set: set, base: target.EscapedPath(), scheme: target.Scheme}
	for i := range set.requests {
		r.requests = append(r.requests, r.newRendering(&set.requests[i], target))
	}
	return r
}

// newRendering renders one named request. Those of a recording bring their own method, path and User-Agent.
func (r *BlockRenderer) newRendering(q *template, target *url.URL) blockRendering {
	recorded := r.set.recording != nil
	host, agent := text(target.Host), text(UserAgent)
	if recorded {
		agent = nil
	}
	out := blockRendering{length: usuallyHasBody(q.plan.Method)}
	var others []blockField
	for _, h := range q.headers {
		switch name := textproto.CanonicalMIMEHeaderKey(h.name); {
		case name == "Cookie" && r.set.cookies:
			out.cookie = h.value
		case name == "Host":
			host = h.value
		case name == "User-Agent":
			agent = h.value
		case !ofConnection(name):
			others = append(others, r.newField(strings.ToLower(name), "", h.value))
		}
	}
	if !recorded {
		out.fields = append(out.fields, r.newField(":method", q.plan.Method, nil))
	}
	out.fields = append(out.fields, r.newField(":scheme", target.Scheme, nil),
		r.newField(":authority", "", host))
	if !recorded {
		out.fields = append(out.fields, r.newField(":path", r.base, q.path))
	}
	if agent != nil {
		out.fields = append(out.fields, r.newField("user-agent", "", agent))
	}
	out.fields = append(out.fields, others...)
	return out
}

// ofConnection reports whether a header is one of HTTP/1.1's connections, which HTTP/2 has not (RFC 9113, section
// 8.2.2).
func ofConnection(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// newField prepares a field whose value begins with before.
func (r *BlockRenderer) newField(name, before string, value []segment) blockField {
	constant := before
	for _, p := range value {
		if p.hole != noHole {
			return blockField{name: http2.NewName(name), before: before, value: value}
		}
		constant += p.literal
	}
	return blockField{constant: true, field: r.Fields.Field(name, constant)}
}

// Append appends the header block of the request that d chose to block, and its body to body. The encoder is that of
// the connection which the block is to be sent on.
func (r *BlockRenderer) Append(block, body []byte, e *http2.Encoder, d *Draw) (newBlock, newBody []byte) {
	block = e.Begin(block)
	q, s := &r.requests[d.Request], &r.set.requests[d.Request]
	before, length := len(body), q.length
	if log := r.set.recording; log != nil {
		method := log.Method(d.N)
		length = usuallyHasBody(method)
		r.value = append(r.value[:0], method...)
		block = e.AppendValue(block, methodName, r.value)
		r.value = append(append(r.value[:0], r.base...), log.Path(d.N)...)
		block = e.AppendValue(block, pathName, r.value)
		body = append(body, log.Body(d.N)...)
	} else {
		body = s.append(body, s.body, d)
	}
	for i := range q.fields {
		f := &q.fields[i]
		if f.constant {
			block = e.AppendField(block, f.field)
			continue
		}
		r.value = s.append(append(r.value[:0], f.before...), f.value, d)
		block = e.AppendValue(block, f.name, r.value)
	}
	if log := r.set.recording; log != nil {
		block = r.appendRecorded(block, e, log.Headers(d.N))
	}
	if r.set.cookies {
		block = r.appendCookies(block, e, d)
	}
	if d.Trace.Sampled() {
		r.value = d.Trace.AppendValue(r.value[:0])
		block = e.AppendValue(block, traceName, r.value)
	}
	if n := len(body) - before; n > 0 || length {
		r.value = strconv.AppendInt(r.value[:0], int64(n), 10)
		block = e.AppendValue(block, lengthName, r.value)
	}
	return block, body
}

// appendCookies appends the cookies of a request, if there are any: the scenario's own, and then those that the user
// keeps.
func (r *BlockRenderer) appendCookies(block []byte, e *http2.Encoder, d *Draw) []byte {
	s, own := &r.set.requests[d.Request], r.requests[d.Request].cookie
	kept := d.Session.cookies(r.scheme, string(s.append(append(r.value[:0], r.base...), s.path, d)))
	if len(own) == 0 && len(kept) == 0 {
		return block
	}
	r.value = s.append(r.value[:0], own, d)
	for i, c := range kept {
		if i > 0 || len(own) > 0 {
			r.value = append(r.value, "; "...)
		}
		r.value = append(r.value, c.String()...)
	}
	return e.AppendValue(block, cookieName, r.value)
}

// appendRecorded appends the header lines that a recording has of a request.
func (r *BlockRenderer) appendRecorded(block []byte, e *http2.Encoder, lines []byte) []byte {
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte("\r\n"))
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue
		}
		name := append(r.value[:0], line[:colon]...)
		for i, c := range name {
			if 'A' <= c && c <= 'Z' {
				name[i] = c + 'a' - 'A'
			}
		}
		block = e.AppendNamed(block, name, bytes.TrimSpace(line[colon+1:]))
		r.value = name
	}
	return block
}

// Head reports whether the request that d chose is one of HEAD.
func (r *BlockRenderer) Head(d *Draw) bool { return r.set.Method(d) == http.MethodHead }
