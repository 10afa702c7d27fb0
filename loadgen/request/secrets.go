package request

import (
	"bytes"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// Concealer takes the secrets of a request and its answer out of messages about them: values from feeders, recordings
// and answers are known to nobody else, and a service may repeat in its answer what it was sent, or send secrets
// itself.
type Concealer struct {
	set       *Set
	iteration int64
	request   int
	flow      *Texts
	answer    *Answer
	session   *Session
	secrets   *scenarios.Redactor // made when there is a message
}

// Concealer returns that of the request of that index in an iteration. flow is what the iteration's flow has extracted,
// answer what is kept of the answer, and session that of the user who sent it; each may be nil. It costs nothing until
// it is used. s may be nil.
func (s *Set) Concealer(iteration int64, request int, flow *Texts, answer *Answer, session *Session) Concealer {
	return Concealer{set: s, iteration: iteration, request: request, flow: flow, answer: answer, session: session}
}

// Text is a message without the secrets.
func (c *Concealer) Text(text string) string {
	if c.set == nil || text == "" {
		return text
	}
	if c.secrets == nil {
		d := c.set.Draw(c.iteration)
		d.Request, d.Flow, d.Session = c.request, c.flow, c.session
		c.secrets = c.set.secrets.Clone()
		c.set.learn(&d, c.secrets)
		if c.answer != nil {
			c.set.learnAnswer(c.request, c.answer, c.secrets)
		}
	}
	return c.secrets.CutText(text)
}

// Seen is what the answer, which had that status, has where a check looks.
func (c *Concealer) Seen(check, status int) string {
	of := &c.answer.want.checks[check]
	seen := c.answer.seen(of, status)
	if c.set == nil {
		return seen
	}
	return c.Text(c.set.concealedField(of, seen))
}

// concealedField replaces what an answer has where a check looks, where the name of that place is one of secrets.
func (s *Set) concealedField(c *check, seen string) string {
	if s.secrets.IsHeader(c.Header) && strings.HasPrefix(seen, c.Header+": ") {
		return c.Header + ": " + scenarios.Redacted
	}
	if len(c.JSON) == 0 || !s.secrets.IsField(c.JSON[len(c.JSON)-1].Key) {
		return seen
	}
	if is := c.JSON.String() + " is "; strings.HasPrefix(seen, is) {
		return is + scenarios.Redacted
	}
	return seen
}

// learn notes the secrets in the request that d chose.
func (s *Set) learn(d *Draw, secrets *scenarios.Redactor) {
	r := &s.requests[d.Request]
	if log := s.recording; log != nil {
		secrets.Learn(string(log.Path(d.N)))
		secrets.Learn(string(log.Body(d.N)))
		for line := range bytes.SplitSeq(log.Headers(d.N), []byte("\r\n")) {
			name, value, _ := bytes.Cut(line, []byte(": "))
			secrets.LearnHeader(string(name), string(value))
		}
	} else {
		secrets.Learn(string(r.append(nil, r.path, d)))
		body := r.append(nil, r.body, d)
		if r.call != nil {
			body = r.call.AppendText(body, d)
		}
		secrets.Learn(string(body[:min(len(body), maxLearnedSent)]))
	}
	for _, h := range r.headers {
		secrets.LearnHeader(h.name, string(r.append(nil, h.value, d)))
	}
	for i, v := range r.plan.Values { // a column of passwords is one wherever it is sent
		keys, fed := v.Keys.(scenarios.FeederKeys)
		field := len(keys.Field) - 1
		if secrets.IsField(v.Name) || fed && secrets.IsField(keys.Column) || field >= 0 &&
			secrets.IsField(keys.Field[field].Key) {
			secrets.Add(string(r.append(nil, []segment{{hole: i}}, d)))
		}
	}
	for _, text := range s.setup {
		secrets.Add(text)
	}
	if d.Session != nil {
		d.Session.learn(secrets)
	}
	if d.Flow != nil {
		for _, extracted := range *d.Flow {
			secrets.Add(string(extracted))
		}
	}
}

// learnAnswer notes the secrets in an answer to a request, of which messages quote a part.
func (s *Set) learnAnswer(request int, a *Answer, secrets *scenarios.Redactor) {
	for line := range bytes.Lines(a.head) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		secrets.LearnHeader(string(name), string(bytes.TrimSpace(value)))
	}
	for name, values := range a.fields {
		for _, v := range values {
			secrets.LearnHeader(name, v)
		}
	}
	body := a.readable()
	secrets.Learn(string(body[:min(len(body), maxLearned)]))
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

// extractsSecret reports whether what a request extracts under the name is a secret: by the name, or because a later
// step of the flow sends it where secrets stand.
func (s *Set) extractsSecret(name string, request int) bool {
	if s.secrets.IsField(name) {
		return true
	}
	for i := request + 1; i < len(s.requests) && s.requests[i].plan.Step > 0; i++ {
		if s.sendsAsSecret(s.requests[i].plan, name) {
			return true
		}
	}
	return slices.ContainsFunc(s.later, func(q *scenarios.Request) bool { return s.sendsAsSecret(q, name) })
}

// sendsAsSecret reports whether a request sends what was extracted under the name where secrets stand.
func (s *Set) sendsAsSecret(q *scenarios.Request, name string) bool {
	if s.secrets.HidesValue(q.Path.Text(), name) || s.secrets.HidesValue(q.Body.Text(), name) {
		return true
	}
	if q.Call != nil && slices.ContainsFunc(q.Call.Messages, func(t scenarios.Template) bool {
		return s.secrets.HidesValue(t.Text(), name)
	}) {
		return true
	}
	return slices.ContainsFunc(q.Headers, func(h scenarios.Header) bool {
		text := h.Value.Text()
		return s.secrets.IsHeader(h.Name) && strings.Contains(text, "{{"+name+"}}") ||
			s.secrets.HidesValue(text, name)
	})
}

// CheckResult is whether an answer met a check.
type CheckResult struct {
	Name string
	Held bool
	Seen string // what the answer has there, secrets included; where the check held it is empty
}

// CheckResults are those of an answer to the request of that index.
func (s *Set) CheckResults(request int, a *Answer, status int, found Findings) (all []CheckResult) {
	in := s.requests[request].inspect
	if in == nil {
		return nil
	}
	for i := range in.checks {
		c := CheckResult{Name: in.checks[i].Name, Held: found.Checks>>i&1 == 1}
		if !c.Held {
			c.Seen = a.seen(&in.checks[i], status)
		}
		all = append(all, c)
	}
	return all
}

// Extracted is a text that was extracted of an answer.
type Extracted struct {
	Name, Text string
	Secret     bool
}

// Extracted are the texts that were extracted of an answer to the request of that index.
func (s *Set) Extracted(request int, flow Texts) (all []Extracted) {
	in := s.requests[request].inspect
	if in == nil {
		return nil
	}
	for _, e := range in.extractions {
		secret := s.extractsSecret(e.Name, request) || s.secrets.IsHeader(e.Header) || e.Cookie != ""
		all = append(all, Extracted{e.Name, string(flow.at(e.slot)), secret})
	}
	return all
}

// Secrets keeps secrets out of messages; it may be nil.
func (s *Set) Secrets() *scenarios.Redactor { return s.secrets }
