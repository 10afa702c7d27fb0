package scenarios

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Bounds and defaults of a request.
const (
	maxWeight      = 1_000_000
	maxValues      = 32 // of one request; the generator keeps its choices in an array of this size
	defaultTimeout = 30 * time.Second
	maxRedirects   = 20 // that one request may follow
)

// request reads a request that is an iteration of its own.
func (r *reader) request(n *node, target Target) Request {
	if extract := n.get("extract"); extract != nil {
		r.faultAt(extract.keyAt, "write the requests as steps of a flow", "%s: no request follows that could take it",
			extract.path)
	}
	r.noCourse(n, "a step of a flow", "write the request as a flow with one step")
	holes := r.newHoles(n.get("values"), nil)
	request := r.step(n, r.values(n.get("values"), target), holes)
	request.Weight = int(r.whole(n.get("weight"), 1, 1, maxWeight))
	request.Extract = nil
	holes.extracted = nil
	holes.reportUnused()
	return request
}

// step reads what a request sends and what is held against its answers.
func (r *reader) step(n *node, values []Value, holes *holes) Request {
	call := n.get("grpc")
	r.calling = call != nil
	request := Request{
		Method: r.word(n.get("method"), "GET", methods),
		Name:   r.requestName(n),
		Tags:   r.tags(n.get("tags")),
	}
	if method := n.get("method"); method != nil && method.text != request.Method {
		r.vague = true
	}
	request.Values = values
	if call == nil {
		request.Path = r.path(n, holes)
	}
	request.Headers = r.withAuth(n, r.headers(n.get("headers"), holes, request.Values), holes)
	if call == nil {
		r.noCall(n)
		r.body(n, &request, holes)
	} else {
		r.call(call, n, &request, holes)
	}
	request.inherit(r.shared.headers)
	request.Extract = r.extractions(n.get("extract"), holes)
	request.ExpectedStatus = r.statuses(n.get("expectedStatus"))
	request.Checks = r.checks(n.get("checks"))
	request.Timeout = defaultTimeout
	if timeout := n.get("timeout"); timeout != nil {
		request.Timeout, _ = r.positiveDuration(timeout)
	}
	request.Stream = Streaming(r.word(n.get("stream"), "", []string{string(StreamSSE), string(StreamOpenAI)}))
	request.Goodput = r.goodput(n.get("goodput"), request.Stream)
	request.Click = r.click(n.get("click"))
	request.Redirects = int(r.whole(n.get("redirects"), 0, 0, maxRedirects))
	return request
}

func (r *reader) requestName(n *node) string {
	name := n.get("name")
	switch {
	case name == nil:
		r.missing(n, "name", "name: home")
	case !name.bad && r.name(name.at, "the request", name.text):
		return name.text
	}
	r.vague = true
	return ""
}

func (r *reader) path(n *node, holes *holes) Template {
	path := n.get("path")
	if path == nil {
		r.missing(n, "path", "path: /api/v1/things")
	}
	if !given(path) {
		holes.unread = true
		return nil
	}
	if !strings.HasPrefix(path.text, "/") {
		r.fault(path, "", `%s must start with "/", unlike %.120q`, path.path, path.text)
	}
	t := holes.template(path, inPath)
	if holes.unread {
		return t
	}
	var sample strings.Builder
	for _, part := range t {
		sample.WriteString(part.Literal)
		if part.Value != "" {
			sample.WriteByte('x')
		}
	}
	if i := strings.IndexFunc(sample.String(), func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }); i >= 0 {
		c := []rune(sample.String()[i:])[0]
		r.fault(path, "write it as "+url.PathEscape(string(c)), "%s has the character %q, which no URL may have",
			path.path, c)
	} else if _, err := url.ParseRequestURI(sample.String()); err != nil && strings.HasPrefix(path.text, "/") {
		r.fault(path, "", "%s is not the path of a URL: %.120q", path.path, path.text)
	}
	return t
}

// ownHeaders are made from the body and the connection by the sender.
var ownHeaders = []string{"content-length", "transfer-encoding", "connection"}

func (r *reader) headers(n *node, holes *holes, values []Value) []Header {
	if n == nil {
		return nil
	}
	holes.unread = holes.unread || n.bad
	var headers []Header
	seen := map[string]bool{}
	for _, e := range n.entries {
		lower := strings.ToLower(e.key)
		switch {
		case !isToken(e.key):
			r.faultAt(e.at, "", "%.120q is not the name of a header", e.key)
		case seen[lower]:
			r.faultAt(e.at, "", "the header %s is given twice", e.key)
		case slices.Contains(ownHeaders, lower):
			r.faultAt(e.at, "leave it out", "the header %s is set by the sender itself", e.key)
		}
		seen[lower] = true
		r.plainText(e.value)
		if e.value.bad {
			holes.unread = true
			continue
		}
		header := Header{Name: e.key, Value: holes.template(e.value, plainly)}
		r.headerValue(e.value, header, values)
		headers = append(headers, header)
	}
	return headers
}

// headerValue refuses what would end the header line, in the text itself or in a key that may fill a hole of it.
func (r *reader) headerValue(n *node, header Header, values []Value) {
	for _, part := range header.Value {
		if !isHeaderText(part.Literal) {
			r.fault(n, "", "the header %s has a line break or control character", header.Name)
			return
		}
		for _, v := range values {
			list, _ := v.Keys.(ListKeys)
			unsafe := func(key string) bool { return !isHeaderText(key) }
			if v.Name == part.Value && slices.ContainsFunc(list, unsafe) {
				r.fault(n, "", "the header %s takes the value %s, which has a line break or control character",
					header.Name, v.Name)
			}
		}
	}
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

func isHeaderText(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

func (r *reader) statuses(n *node) []int {
	if !given(n) {
		return nil
	}
	if r.calling {
		return r.codes(n)
	}
	items := n.items
	if n.kind == scalar {
		items = []*node{n}
	} else if len(items) == 0 {
		r.fault(n, "leave it out for any status from 200 to 399", "%s is empty", n.path)
	}
	var statuses []int
	for _, item := range items {
		if status := int(r.whole(item, 0, 200, 599)); status > 0 && !slices.Contains(statuses, status) {
			statuses = append(statuses, status)
		}
	}
	return statuses
}
