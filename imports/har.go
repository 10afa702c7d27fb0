package imports

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/policycortex/headroom/loadgen/recording"
)

// har reads an HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), as browsers and proxies save it.
func (d *draft) har(content []byte) error {
	var requests []*request
	leftOut, err := recording.ReadArchive(bytes.NewReader(content), d.file, func(sent recording.Sent) {
		if r := d.sent(sent); r != nil {
			requests = append(requests, r)
		}
	})
	if err != nil {
		return err // which names the file and the line
	}
	for _, why := range leftOut {
		d.leaveOut(0, 0, "%s", why)
	}
	d.leaveOut(0, 0, "the times between the requests; to send them as they were recorded, use executor: replay with "+
		"the file itself")
	d.sequence("visit", requests, defaultLoad)
	return nil
}

// notOfRequests are headers that a browser sends of itself, and that change no answer of an API.
var notOfRequests = []string{"dnt", "priority", "pragma", "cache-control", "if-none-match", "if-modified-since"}

// sent is a request of an archive; nil for one that is left out.
func (d *draft) sent(sent recording.Sent) *request {
	method, ok := methodOf(sent.Method)
	if !ok || !absolute.MatchString(sent.URL) {
		d.leaveOut(0, 0, "%.20s %s", sent.Method, withoutQuery(plain(sent.URL)))
		return nil
	}
	r := &request{method: method, url: plain(sent.URL)}
	if !utf8.Valid(sent.Body) {
		d.leaveOut(0, 0, "the body of %s %s, which is not text", method, withoutQuery(r.url))
	} else {
		r.body = plain(string(sent.Body))
	}
	for _, h := range sent.Headers {
		name := strings.ToLower(h[0])
		if strings.HasPrefix(name, "sec-") || slices.Contains(notOfRequests, name) {
			continue
		}
		r.headers = append(r.headers, pair{h[0], plain(h[1])})
	}
	return r
}
