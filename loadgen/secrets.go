package loadgen

import (
	"bytes"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// concealer takes the secrets of an outcome's request and answer out of what is told of it: what came from feeders,
// recordings and answers nobody else knows, and a service may repeat in its answer what it was sent, or sends itself.
type concealer struct {
	book    *book
	outcome *outcome
	secrets *scenarios.Redactor // made when there is something to tell
}

func (c *concealer) text(text string) string {
	s, o := c.book.recorder.requests, c.outcome
	if s == nil || text == "" {
		return text
	}
	if c.secrets == nil {
		d := s.draw(o.iteration)
		d.request, d.flow = o.request, o.texts
		c.secrets = s.secrets.Clone()
		s.learn(&d, c.secrets)
		if o.answer != nil {
			s.learnAnswer(o.request, o.answer, c.secrets)
		}
	}
	return c.secrets.CutText(text)
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
	for i, v := range r.plan.Values { // a column of passwords is one wherever it is sent
		keys, fed := v.Keys.(scenarios.FeederKeys)
		field := len(keys.Field) - 1
		if secrets.IsField(v.Name) || fed && secrets.IsField(keys.Column) || field >= 0 && secrets.IsField(keys.Field[field].Key) {
			secrets.Add(string(r.append(nil, []part{{hole: i}}, d, false)))
		}
	}
	if d.flow != nil {
		for _, extracted := range *d.flow {
			secrets.Add(string(extracted))
		}
	}
}

// learnAnswer tells of the secrets in an answer to a request, of which only a part is told.
func (s *requestSet) learnAnswer(request int, a *answer, secrets *scenarios.Redactor) {
	for line := range bytes.Lines(a.head) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		secrets.LearnHeader(string(name), string(bytes.TrimSpace(value)))
	}
	for name, values := range a.fields {
		for _, v := range values {
			secrets.LearnHeader(name, v)
		}
	}
	secrets.Learn(string(a.body[:min(len(a.body), maxLearned)]))
	if a.want == nil {
		return
	}
	for i := range a.want.extractions { // though nothing is extracted of an answer that failed
		x := &a.want.extractions[i]
		if text, why := a.find(x); why == "" && s.extractsSecret(x.Name, request) {
			secrets.Add(string(text))
		}
	}
}

// extractsSecret reports whether what a request extracts under the name is a secret: by the name, or because a later step of
// the flow sends it where secrets stand.
func (s *requestSet) extractsSecret(name string, request int) bool {
	if s.secrets.IsField(name) {
		return true
	}
	for i := request + 1; i < len(s.requests) && s.requests[i].plan.Step > 0; i++ {
		q := s.requests[i].plan
		if s.secrets.HidesValue(q.Path.Text(), name) || s.secrets.HidesValue(q.Body.Text(), name) {
			return true
		}
		for _, h := range q.Headers {
			text := h.Value.Text()
			if s.secrets.IsHeader(h.Name) && strings.Contains(text, "{{"+name+"}}") || s.secrets.HidesValue(text, name) {
				return true
			}
		}
	}
	return false
}
