package loadgen

import (
	"bytes"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// concealed is a message about an outcome without its request's secrets: what came from feeders, recordings and answers
// nobody else knows. A service may repeat in its answer what it was sent.
func (b *book) concealed(o *outcome, text string) string {
	s := b.recorder.requests
	if s == nil || text == "" {
		return text
	}
	d := s.draw(o.iteration)
	d.request, d.flow = o.request, o.texts
	secrets := s.secrets.Clone()
	s.learn(&d, secrets)
	return secrets.CutText(text)
}

// concealedField is what an answer has where a check looks, if that is no field that is known for secrets.
func (b *book) concealedField(c *check, seen string) string {
	if b.recorder.requests != nil && b.recorder.requests.secrets.IsHeader(c.Header) && strings.HasPrefix(seen, c.Header+": ") {
		return c.Header + ": " + scenarios.Redacted
	}
	if len(c.JSON) == 0 || b.recorder.requests == nil || !b.recorder.requests.secrets.IsField(c.JSON[len(c.JSON)-1].Key) {
		return seen
	}
	if is := c.JSON.String() + " is "; strings.HasPrefix(seen, is) {
		return is + scenarios.Redacted
	}
	return seen
}

// learn tells of the secrets in the request that d chose.
func (s *requestSet) learn(d *draw, secrets *scenarios.Redactor) {
	r := &s.requests[d.request]
	if log := s.recording; log != nil {
		secrets.Learn(string(log.Path(d.n)))
		secrets.Learn(string(log.Body(d.n)))
		for line := range bytes.SplitSeq(log.Headers(d.n), []byte("\r\n")) {
			name, value, _ := bytes.Cut(line, []byte(": "))
			secrets.LearnHeader(string(name), string(value))
		}
	} else {
		secrets.Learn(string(r.append(nil, r.path, d, true)))
		secrets.Learn(string(r.append(nil, r.body, d, false)))
	}
	for _, h := range r.headers {
		secrets.LearnHeader(h.name, string(r.append(nil, h.value, d, false)))
	}
	if d.flow != nil {
		for _, extracted := range *d.flow {
			secrets.Add(string(extracted))
		}
	}
}
