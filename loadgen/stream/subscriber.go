package stream

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"net/http"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/sse"
	"github.com/policycortex/headroom/loadgen/wire/http1"
)

// subscriber is one subscriber and its stream. It goes on as the EventSource of the HTML standard (section 9.2) does.
type subscriber struct {
	number   int64 // among all of the scenario
	slot     int32 // in the loop
	life     int32 // how many attempts it has made: what belongs to an earlier one is void
	state    state
	instance int // of the target
	fd       int // of the connection, where the carrier uses it; else -1
	out      []byte

	due       time.Duration // of the present attempt
	firstByte time.Duration // since then; 0: none has come
	lastEvent time.Duration // of any of its streams; 0: none
	begun     bool          // the present stream has had an event
	failures  uint8         // attempts since the last stream, which all failed
	greatest  int64         // of the ids so far, plus 1; 0: there was none

	answer http1.Parser
	events sse.Parser
}

type state uint8

const (
	idle       state = iota // it has not been due
	connecting              // a connection is being made, or a request sent
	asking                  // the request is sent, and the answer's head has not come whole
	streaming
	waiting // to try again
	ended   // for good
)

// head is what is looked at in the head of an answer.
type head struct {
	mediaType, coding, retryAfter []byte
	refusal, why                  string // the class of what makes it no stream, and a text; empty: it is one
}

// The classes of errors that requests do not have.
const (
	errorNoStream   = "not an event stream"
	errorCompressed = "compressed event stream"
	errorEnded      = "ended by the service"
)

// open begins to open a stream, which was due at an instant.
func (l *loop) open(s *subscriber, due time.Duration, first bool) {
	l.clock()
	s.life++
	s.due, s.firstByte, s.begun, s.state = due, 0, false, connecting
	s.answer.Start(false)
	s.answer.OnHeader, s.answer.OnHead, s.answer.OnBody = l.onHeader, l.onHead, l.onBody
	s.events.Restart()
	if !first {
		s.instance = (s.instance + 1) % len(l.render)
	}
	id := s.events.LastID()
	resumes := l.load.Resume && len(id) > 0
	draw := l.requests.Draw(s.number)
	l.out, _ = l.render[s.instance].Append(l.out[:0], &draw)
	l.out = append(l.out[:len(l.out)-len("\r\n")], l.headers...)
	if resumes {
		l.out = append(append(append(l.out, "Last-Event-ID: "...), id...), "\r\n"...)
	}
	l.out = append(l.out, "\r\n"...)
	l.recorder.Attempt(l.now, due, first, resumes)
	l.after(s, l.timeout)
	if err := l.carrier.open(s, l.out); err != nil {
		l.fail(s, classOf(err), err.Error())
	}
}

// received takes bytes that came for a subscriber. The loop's clock has been read since.
func (l *loop) received(s *subscriber, data []byte) {
	if s.firstByte == 0 {
		s.firstByte = l.now - s.due
	}
	l.current, l.wrong = s, nil
	l.head = head{
		mediaType: l.head.mediaType[:0], coding: l.head.coding[:0], retryAfter: l.head.retryAfter[:0],
	}
	_, done, err := s.answer.Feed(data)
	switch {
	case l.head.refusal != "" && isTemporary(s.answer.Status):
		l.failUntil(s, l.head.refusal, l.head.why, retryAfter(string(l.head.retryAfter), time.Unix(0, l.wall)))
	case l.head.refusal != "":
		l.refuse(s, l.head.refusal, l.head.why)
	case l.wrong != nil:
		l.fail(s, record.ErrorMalformed, l.wrong.Error())
	case err != nil:
		l.fail(s, record.ErrorMalformed, err.Error())
	case done:
		l.fail(s, errorEnded, "the answer ended")
	}
}

// hungUp takes note that the service has closed the connection.
func (l *loop) hungUp(s *subscriber) {
	switch {
	case s.answer.Close() == nil: // which is how a stream without chunks ends
		l.fail(s, errorEnded, "the answer ended")
	case s.state == streaming:
		l.fail(s, record.ErrorClosed, "the connection was closed in the middle of an answer")
	default:
		l.fail(s, record.ErrorClosed, "the connection was closed before an answer came")
	}
}

// failed takes note that a connection broke.
func (l *loop) failed(s *subscriber, err error) { l.fail(s, classOf(err), err.Error()) }

// fail ends a stream, or an attempt to open one, and has the subscriber try again after its time.
func (l *loop) fail(s *subscriber, class, text string) { l.failUntil(s, class, text, 0) }

// failUntil is fail where the service has asked not to be tried again before some time has passed.
func (l *loop) failUntil(s *subscriber, class, text string, earliest time.Duration) {
	l.carrier.close(s)
	delay, set := s.events.Retry()
	if !set {
		delay = l.load.Retry
	}
	if s.state == streaming {
		l.recorder.Broke(l.now, class, text)
		delay = max(delay, leastRetry)
	} else {
		l.recorder.Failed(l.now, class, text, false)
		delay = max(backoff(delay, s.failures), earliest)
		s.failures = min(s.failures+1, manyFailures)
	}
	s.state = waiting
	s.life++ // the timer of the attempt is void
	l.after(s, delay)
	l.publish()
}

// refuse ends an attempt that was answered with something else than a stream: the subscriber is not to try again.
func (l *loop) refuse(s *subscriber, class, text string) {
	l.carrier.close(s)
	l.recorder.Failed(l.now, class, text, true)
	s.state = ended
	s.life++
}

// header keeps what is looked at of a header line.
func (l *loop) header(name, value []byte) {
	switch {
	case http1.Is(name, "content-type"):
		l.head.mediaType = append(l.head.mediaType[:0], value...)
	case http1.Is(name, "content-encoding"):
		l.head.coding = append(l.head.coding[:0], value...)
	case http1.Is(name, "retry-after"):
		l.head.retryAfter = append(l.head.retryAfter[:0], value...)
	}
}

// headRead decides whether an answer is a stream.
func (l *loop) headRead([]byte) {
	s, h := l.current, &l.head
	media, _, _ := bytes.Cut(h.mediaType, []byte(";"))
	switch status := s.answer.Status; {
	case status != http.StatusOK:
		h.refusal, h.why = record.StatusClass(status), statusText(status)
	case !http1.Is(bytes.TrimSpace(media), "text/event-stream"):
		h.refusal, h.why = errorNoStream, fmt.Sprintf("Content-Type is %.100q", h.mediaType)
	case len(h.coding) > 0 && !http1.Is(h.coding, "identity"):
		h.refusal, h.why = errorCompressed, fmt.Sprintf("Content-Encoding is %.100q, which was not asked for", h.coding)
	default:
		l.opened(s)
	}
}

func statusText(status int) string { return fmt.Sprintf("%d %s", status, http.StatusText(status)) }

// opened takes note that a subscriber has a stream.
func (l *loop) opened(s *subscriber) {
	s.state, s.failures = streaming, 0
	l.recorder.Opened(l.now, s.firstByte)
	l.publish()
}

// publish says how many streams are open, for the progress.
func (l *loop) publish() { l.recorder.SetInFlight(int64(l.recorder.Connected())) }

// body takes a piece of a stream.
func (l *loop) body(piece []byte) {
	if l.current.state == streaming && l.wrong == nil {
		l.recorder.Bytes(l.now, len(piece))
		l.wrong = l.current.events.Feed(piece, l.onEvent)
	}
}

// event counts an event of the current subscriber.
func (l *loop) event(e sse.Event) {
	s := l.current
	seen := record.StreamEvent{Gap: -1}
	if !s.begun {
		s.begun = true
		seen.First = l.now - s.due
	}
	if s.lastEvent > 0 {
		seen.Gap = l.now - s.lastEvent
	}
	s.lastEvent = l.now
	if l.load.Event.Time != nil {
		made, ok := timeOf(e.Data, l.load.Event.Time)
		seen.Timed, seen.Untimed, seen.Delivery = ok, !ok, time.Duration(l.wall-made)
	}
	if !l.load.Event.NoID {
		l.take(s, e, &seen)
	}
	l.recorder.Event(l.now, &seen)
}

// take holds the id of an event against those before it.
func (l *loop) take(s *subscriber, e sse.Event, seen *record.StreamEvent) {
	id, ok := numberOf(e, l.load.Event.ID)
	if !ok {
		return
	}
	greatest := s.greatest
	var of sequence
	if l.load.Event.Of != nil {
		of, ok = l.sequenceOf(s, e)
		if !ok {
			return
		}
		greatest = l.greatest[of]
	}
	seen.Numbered = true
	switch before := greatest - 1; {
	case greatest == 0:
	case id <= before:
		seen.Repeated = true
		return
	default:
		seen.Missed = id - before - 1
	}
	if l.load.Event.Of != nil {
		l.greatest[of] = id + 1
	} else {
		s.greatest = id + 1
	}
}

// sequence is what ids count where they begin anew for each text that event.of leads to: for a subscriber, and for the
// hash of a text. Of a million texts two have the same hash with a probability below 10^-7.
type sequence struct {
	text uint64
	slot int32
}

// sequenceOf is the sequence that an event belongs to.
func (l *loop) sequenceOf(s *subscriber, e sse.Event) (of sequence, ok bool) {
	text, _, ok := request.Field(e.Data, l.load.Event.Of)
	return sequence{text: maphash.String(l.hashes, text), slot: s.slot}, ok
}

// classOf is the class of an error of a connection.
func classOf(err error) string {
	if class := record.ClassOf(err); class != record.ErrorOther {
		return class
	}
	return record.ClassOfText(err.Error(), false)
}
