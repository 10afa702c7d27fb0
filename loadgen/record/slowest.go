package record

import (
	"slices"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Connection is how a request got its connection.
type Connection uint8

// How a request got its connection.
const (
	ConnectionUnknown Connection = iota
	ConnectionNew
	ConnectionReused
)

var connectionTexts = [...]string{"", "new", "reused"}

// slowRequest is what is kept of a slow request.
type slowRequest struct {
	intended, sent, first, connect, handshake, done time.Duration
	iteration                                       int64
	trace                                           request.Trace
	errorClass                                      string
	status, instance                                int
	connection                                      Connection
}

func (s *slowRequest) took() time.Duration { return s.done - s.intended }

// slowest are the slowest requests of a name, the slowest first: of all, and of those that were sampled.
type slowest struct{ all, sampled slowList }

// slowList has at most as many as its capacity.
type slowList []slowRequest

// admits reports whether a request that took so long belongs into a list of at most so many.
func (l slowList) admits(took time.Duration, most int) bool {
	return len(l) < most || took > l[len(l)-1].took()
}

func (l *slowList) add(s slowRequest, most int) {
	if !l.admits(s.took(), most) {
		return
	}
	if cap(*l) == 0 {
		*l = make(slowList, 0, most)
	}
	if len(*l) == most {
		*l = (*l)[:most-1]
	}
	i := len(*l)
	for i > 0 && (*l)[i-1].took() < s.took() {
		i--
	}
	*l = slices.Insert(*l, i, s)
}

// keepSlow keeps an outcome of the measured window that is one of the slowest of its request so far, or of those that
// were sampled.
func (r *Recorder) keepSlow(o *Outcome) {
	s, took := &r.slowest[o.Request], o.Done-o.Intended
	all := s.all.admits(took, results.MostSlowest)
	sampled := o.Trace.Sampled() && s.sampled.admits(took, results.MostSlowestSampled)
	if !all && !sampled {
		return
	}
	kept := slowRequest{
		intended: o.Intended, sent: o.Sent, first: o.First, connect: o.Connect, handshake: o.Handshake, done: o.Done,
		iteration: o.Iteration, trace: o.Trace, errorClass: o.ErrorClass, status: o.Status, instance: o.Instance,
		connection: o.Connection,
	}
	if all {
		s.all.add(kept, results.MostSlowest)
	}
	if sampled {
		s.sampled.add(kept, results.MostSlowestSampled)
	}
	r.slowChanged = true
}

// handOverSlowest adds what a recorder has kept to what all loops have, as far as it is not there yet. The recorder
// keeps its own, which say how slow a request has to be. The caller holds c.exchange.
func (c *Collector) handOverSlowest(r *Recorder) {
	if !r.slowChanged {
		return
	}
	r.slowChanged = false
	for i := range r.slowest {
		c.slowest[i].all.merge(r.slowest[i].all, results.MostSlowest)
		c.slowest[i].sampled.merge(r.slowest[i].sampled, results.MostSlowestSampled)
	}
}

// merge adds the requests of another list, each once.
func (l *slowList) merge(other slowList, most int) {
	for _, s := range other {
		if !slices.Contains(*l, s) {
			l.add(s, most)
		}
	}
}

// addSlowest adds the slowest requests to m: of each request those of all, then the sampled ones that are not among
// them.
func (c *Collector) addSlowest(m *results.Measurements) {
	c.exchange.Lock()
	defer c.exchange.Unlock()
	for i := range c.slowest {
		kept := &c.slowest[i]
		for _, s := range kept.all {
			m.Slowest = append(m.Slowest, c.slowRequest(i, s))
		}
		for _, s := range kept.sampled {
			same := func(o slowRequest) bool { return o.trace == s.trace }
			if !slices.ContainsFunc(kept.all, same) {
				told := c.slowRequest(i, s)
				told.OfSampled = true
				m.Slowest = append(m.Slowest, told)
			}
		}
	}
}

// slowRequest is what the record of a run has of a slow request.
func (c *Collector) slowRequest(at int, s slowRequest) results.SlowRequest {
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	told := results.SlowRequest{
		Scenario: c.scenario.Name, Request: c.scenario.Requests[at].Name, Iteration: s.iteration,
		Trace: s.trace.String(), At: (c.scenario.StartTime + s.intended).Seconds(),
		Response: millis(s.took()), Waited: millis(s.sent - s.intended),
		Connect: millis(s.connect), TLS: millis(s.handshake),
		Error: s.errorClass, Instance: s.instance, Connection: connectionTexts[s.connection],
	}
	if s.first > 0 {
		told.FirstByte = millis(s.first - s.sent)
	}
	if s.errorClass == "" {
		told.Status = scenarios.StatusName(s.status)
	}
	return told
}
