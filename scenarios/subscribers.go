package scenarios

import (
	"slices"
	"strings"
	"time"
)

// defaultRetry is the reconnection time until a stream sets one: the standard asks for "a few seconds".
const defaultRetry = 3 * time.Second

// noID in place of a path says that no ids are looked at.
const noID = "none"

// subscribers reads a load of long-lived streams.
func (r *reader) subscribers(n *node) Subscribers {
	protocols := []string{string(ServerSentEvents), string(WebSocket)}
	load := Subscribers{
		Protocol:    Protocol(r.word(n.get("protocol"), string(ServerSentEvents), protocols)),
		Subscribers: int(r.whole(r.need(n, "subscribers", "subscribers: 1000"), 0, 1, maxUsers)),
		RampUp:      r.duration(r.need(n, "rampUp", "rampUp: 10s"), 0),
		Duration:    r.length(n),
		Retry:       defaultRetry,
		Resume:      r.word(n.get("resume"), "true", []string{"true", "false"}) == "true",
	}
	if retry := n.get("retry"); given(retry) {
		load.Retry, _ = r.positiveDuration(retry)
	}
	if length := load.Length(); length > longest {
		r.fault(n.get("duration"), "", "%s and rampUp together are %v; they must be at most 24h",
			n.get("duration").path, length)
	}
	load.Event = r.streamEvent(n.get("event"))
	if load.Protocol == WebSocket {
		if resume := n.get("resume"); resume != nil {
			r.faultAt(resume.keyAt, "remove it", "%s: a WebSocket has no last event ID to go on from", resume.path)
		}
		load.Resume = false
		load.Event.NoID = load.Event.ID == nil
	}
	return load
}

// streamEvent reads where events have what is measured of them.
func (r *reader) streamEvent(n *node) StreamEvent {
	event := StreamEvent{Time: r.jsonPath(n.get("time"))}
	id, of := n.get("id"), n.get("of")
	event.NoID = given(id) && id.text == noID
	if !event.NoID {
		event.ID = r.jsonPath(id)
	}
	event.Of = r.jsonPath(of)
	if given(of) && (event.NoID || !given(id)) {
		r.faultAt(of.keyAt, "for example id: $.version", "%s needs the path of the ids that count it", of.path)
	}
	return event
}

// streamOnly refuses what a scenario of subscribers has beside the one request that opens a stream.
func (r *reader) streamOnly(n *node, s *Scenario, target Target) {
	for _, key := range []string{"engine", "gracefulStop"} {
		if other := n.get(key); other != nil {
			r.faultAt(other.keyAt, "remove it", "%s does not go with executor subscribers", other.path)
		}
	}
	if target.Proxy != "" {
		r.faultAt(n.get("executor").at, "remove target.proxy, or load the streams by a scenario file of their own",
			"%s: subscribers connect to the service themselves, and the file has a proxy", n.path)
	}
	list := n.get("requests")
	if !given(list) || len(list.items) == 0 {
		return // reported
	}
	if len(list.items) > 1 {
		r.fault(list, "make a scenario of each stream",
			"%s has %d requests; subscribers send one, which opens a stream",
			list.path, len(list.items))
	}
	load, _ := s.Load.(Subscribers)
	refused := []string{"grpc", "checks", "expectedStatus", "redirects", "steps", "stream", "goodput", "weight"}
	for _, item := range list.items {
		for _, e := range item.entries {
			if slices.Contains(refused, e.key) || slices.Contains(bodyKeys, e.key) && load.Protocol != WebSocket {
				r.faultAt(e.at, "remove it", "%s does not go with executor subscribers", join(item.path, e.key))
			}
		}
	}
	for _, q := range s.Requests {
		if q.Method != "GET" {
			r.fault(list, "leave method out", "%s: a stream is opened with GET, not %s", list.path, q.Method)
		}
		for _, h := range q.Headers {
			if strings.EqualFold(h.Name, "Last-Event-ID") || strings.EqualFold(h.Name, "Accept-Encoding") {
				r.fault(list, "leave it out", "%s: the header %s is set by the subscribers themselves", list.path,
					h.Name)
			}
		}
	}
}

// streamSelector holds a metric of streams against the scenarios of subscribers that there are.
func (r *reader) streamSelector(e entry, metric Metric, only string, streams []string) {
	switch {
	case len(streams) == 0:
		r.faultAt(e.at, "add a scenario with executor: subscribers",
			"%s judges the streams of subscribers, and the file has none", metric.Name)
	case only != "" && !slices.Contains(streams, only):
		r.faultAt(e.at, r.suggest(only, streams), "%s: the scenario %s has no subscribers", metric.Name, only)
	}
}
