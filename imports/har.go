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
	jar := map[string]bool{} // the names of cookies that answers have set
	cookies := false
	leftOut, err := recording.ReadArchive(bytes.NewReader(content), d.file, func(sent recording.Sent) {
		r := d.sent(sent)
		if r == nil {
			return
		}
		cookies = r.withoutCookies(jar) || cookies
		for _, name := range sent.SetCookies {
			jar[name] = true
		}
		requests = append(requests, r)
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
	for _, g := range d.groups {
		g.cookies = cookies
	}
	return nil
}

// withoutCookies drops cookies that an answer has set before: users keep those themselves. It reports whether there was
// one.
func (r *request) withoutCookies(jar map[string]bool) (dropped bool) {
	for i, h := range r.headers {
		if !strings.EqualFold(h.name, "Cookie") {
			continue
		}
		var kept []string
		for one := range strings.SplitSeq(h.value.string(), ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(one), "=")
			if jar[name] {
				dropped = true
			} else {
				kept = append(kept, strings.TrimSpace(one))
			}
		}
		r.headers[i].value = plain(strings.Join(kept, "; "))
	}
	r.headers = slices.DeleteFunc(r.headers, func(h pair) bool {
		return strings.EqualFold(h.name, "Cookie") && len(h.value) == 0
	})
	return dropped
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
	r := &request{method: method, url: plain(sent.URL), version: sent.Version}
	for _, p := range sent.Parts {
		r.parts = append(r.parts, d.recordedPart(r, p))
	}
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

// recordedPart is a part of a form. A file has its content in the archive, or is to be there by its name.
func (d *draft) recordedPart(r *request, p recording.Part) formPart {
	part := formPart{name: p.Name, value: plain(p.Value), filename: p.FileName, kind: p.ContentType}
	if p.FileName != "" && p.Value == "" {
		part.file, part.filename = baseName(p.FileName), ""
		d.leaveOut(0, 0, "the content of the file %.80q, which %s %s sends: put it beside the scenario", part.file,
			r.method, withoutQuery(r.url))
	}
	return part
}
