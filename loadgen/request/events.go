package request

import (
	"bytes"
	"strconv"
	"time"

	"github.com/policycortex/headroom/loadgen/sse"
	"github.com/policycortex/headroom/scenarios"
)

// Events are what comes of a streamed answer while it is read. Their memory is used again by the next. Instants are
// since the start of the scenario.
type Events struct {
	// First is when the first event was received; 0: none was. Count is how many were, Gaps the times between them.
	First time.Duration
	Count int64
	Gaps  []time.Duration

	kind   scenarios.Streaming
	parser sse.Parser
	now    time.Duration
	last   time.Duration
	usage  int64 // tokens, as the service counts them; 0: it does not say
	broken bool
	each   func(sse.Event)
}

// maxGaps bounds how many gaps one answer has. What an answer has beyond that is counted, and its gaps are not.
const maxGaps = 100_000

// Start forgets the last answer. kind is that of the next; empty: it is not streamed.
func (s *Events) Start(kind scenarios.Streaming) {
	s.kind, s.First, s.Count, s.Gaps, s.last, s.usage, s.broken = kind, 0, 0, s.Gaps[:0], 0, 0, false
	if kind == "" {
		return
	}
	s.parser.Restart()
	if s.each == nil {
		s.each = s.event
	}
}

// Streamed reports whether the present answer is streamed.
func (s *Events) Streamed() bool { return s.kind != "" }

// Feed takes a piece of the answer's body, received at an instant. What is no event stream has no events.
func (s *Events) Feed(piece []byte, now time.Duration) {
	if s.broken {
		return
	}
	s.now = now
	s.broken = s.parser.Feed(piece, s.each) != nil
}

// Tokens are how many tokens of text the answer has: as many as the service says that it completed, or else one for
// each event with a piece of text. 0 for answers of another kind.
func (s *Events) Tokens() int64 {
	switch {
	case s.kind != scenarios.StreamOpenAI:
		return 0
	case s.usage > 0:
		return s.usage
	}
	return s.Count
}

// Last is when the last event was received; 0: none was.
func (s *Events) Last() time.Duration { return s.last }

// event counts an event.
func (s *Events) event(e sse.Event) {
	if s.kind == scenarios.StreamOpenAI && !s.hasText(e.Data) {
		return
	}
	s.Arrive(s.now)
}

// Arrive counts an event that was received at an instant, of an answer that has no need to be read for it.
func (s *Events) Arrive(at time.Duration) {
	s.Count++
	switch {
	case s.Count == 1:
		s.First = at
	case len(s.Gaps) < maxGaps:
		s.Gaps = append(s.Gaps, at-s.last)
	}
	s.last = at
}

// Where the events of completions have their text: of a chat, of what a model thinks before it answers, and of the
// older completions; and how many tokens the last one says were completed.
var (
	textPaths = []scenarios.JSONPath{
		choice("delta", "content"), choice("delta", "reasoning_content"), choice("delta", "reasoning"), choice("text"),
	}
	usagePath = scenarios.JSONPath{{Key: "usage"}, {Key: "completion_tokens"}}
)

func choice(keys ...string) scenarios.JSONPath {
	path := scenarios.JSONPath{{Key: "choices"}, {IsIndex: true}}
	for _, key := range keys {
		path = append(path, scenarios.JSONStep{Key: key})
	}
	return path
}

// hasText reports whether an event has a piece of text, and notes the number of tokens where it has that.
func (s *Events) hasText(data []byte) bool {
	if bytes.Contains(data, []byte(`"completion_tokens"`)) {
		if text, _, ok := Field(data, usagePath); ok {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				s.usage = max(s.usage, n)
			}
		}
	}
	for _, path := range textPaths {
		if text, quoted, ok := Field(data, path); ok && quoted && text != "" {
			return true
		}
	}
	return false
}
