package loadgen

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
)

// renderer writes whole requests as bytes. What does not vary is made ahead.
type renderer struct {
	requests []rendering
	set      *requestSet
	body     []byte // of the last request: its length goes before it
	base     string // path of the target
}

// rendering is one named request: the request line and headers as parts, then its body.
type rendering struct {
	line   []part // up to and without the path
	path   []part
	fields []part // from the protocol's version on, without Content-Length
	body   []part
	length bool // Content-Length also without a body
}

func newRenderer(set *requestSet, target *url.URL) *renderer {
	r := &renderer{set: set, base: target.EscapedPath()}
	for i := range set.requests {
		r.requests = append(r.requests, newRendering(&set.requests[i], target, set.recording != nil))
	}
	return r
}

// newRendering renders one named request. Those of a recording bring their own User-Agent.
func newRendering(q *request, target *url.URL, recorded bool) rendering {
	method := q.plan.Method
	r := rendering{
		line: []part{{method + " " + target.EscapedPath(), noHole}}, path: q.path, body: q.body,
		length: usuallyHasBody(method),
	}
	host, agent := []part{{target.Host, noHole}}, []part{{userAgent[0], noHole}}
	if recorded {
		agent = nil
	}
	var others []part
	for _, h := range q.headers {
		switch name := textproto.CanonicalMIMEHeaderKey(h.name); name {
		case "Host":
			host = h.value
		case "User-Agent":
			agent = h.value
		default:
			others = append(append(others, part{"\r\n" + name + ": ", noHole}), h.value...)
		}
	}
	r.fields = append([]part{{" HTTP/1.1\r\nHost: ", noHole}}, host...)
	if agent != nil {
		r.fields = append(append(r.fields, part{"\r\nUser-Agent: ", noHole}), agent...)
	}
	r.fields = append(r.fields, others...)
	return r
}

// usuallyHasBody reports whether net/http sends the length of a body of this method even when there is none.
func usuallyHasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// append appends the request that d chose; body is the length of its body.
func (r *renderer) append(dst []byte, d *draw) (request []byte, body int) {
	if r.set.recording != nil {
		return r.appendRecorded(dst, d)
	}
	q, s := &r.requests[d.request], &r.set.requests[d.request]
	dst = s.append(dst, q.line, d, false)
	dst = s.append(dst, q.path, d, true)
	dst = s.append(dst, q.fields, d, false)
	r.body = s.append(r.body[:0], q.body, d, false)
	return appendBody(dst, r.body, len(r.body) > 0 || q.length), len(r.body)
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
