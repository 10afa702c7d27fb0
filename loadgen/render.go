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
}

// rendering is one named request: the request line and headers as parts, then its body.
type rendering struct {
	line   []part // up to and without the path
	path   []part
	fields []part // from the protocol's version on, without Content-Length
	body   []part
	length bool
	head   bool
}

func newRenderer(set *requestSet, target *url.URL) *renderer {
	r := &renderer{set: set}
	for i := range set.requests {
		r.requests = append(r.requests, newRendering(&set.requests[i], target))
	}
	return r
}

func newRendering(q *request, target *url.URL) rendering {
	method := q.plan.Method
	r := rendering{
		line: []part{{method + " " + target.EscapedPath(), noHole}}, path: q.path, body: q.body,
		head: method == http.MethodHead,
		// What net/http sends for a method that usually has a body.
		length: len(q.body) > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch,
	}
	host, agent := []part{{target.Host, noHole}}, []part{{userAgent[0], noHole}}
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
	r.fields = append(append([]part{{" HTTP/1.1\r\nHost: ", noHole}}, host...), part{"\r\nUser-Agent: ", noHole})
	r.fields = append(append(r.fields, agent...), others...)
	return r
}

// append appends the request that d chose; body is the length of its body.
func (r *renderer) append(dst []byte, d *draw) (request []byte, body int) {
	q, s := &r.requests[d.request], &r.set.requests[d.request]
	dst = s.append(dst, q.line, d, false)
	dst = s.append(dst, q.path, d, true)
	dst = s.append(dst, q.fields, d, false)
	r.body = s.append(r.body[:0], q.body, d, false)
	if q.length {
		dst = append(dst, "\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(r.body)), 10)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, r.body...), len(r.body)
}
