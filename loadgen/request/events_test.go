package request

import (
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

func TestEvents(t *testing.T) {
	var e Events
	e.Start(scenarios.StreamSSE)
	for i, piece := range []string{"data: a\n\nda", "ta: b\n\n", ": c\n\n", "data: d\n\n"} {
		e.Feed([]byte(piece), time.Duration(i+1)*time.Second)
	}
	if e.Count != 3 || e.First != time.Second || !slices.Equal(e.Gaps, []time.Duration{time.Second, 2 * time.Second}) ||
		e.Tokens() != 0 || !e.Streamed() {
		t.Errorf("%+v", e)
	}
	e.Start("")
	if e.Streamed() || e.Count != 0 {
		t.Errorf("%+v", e)
	}
}

func TestEventsOfCompletions(t *testing.T) {
	for name, tt := range map[string]struct {
		stream         string
		events, tokens int64
	}{
		"chat": {
			"data: {\"choices\": [{\"delta\": {\"role\": \"assistant\"}}]}\n\n" +
				"data: {\"choices\": [{\"delta\": {\"content\": \"a\"}}]}\n\n" +
				"data: {\"choices\": [{\"delta\": {\"content\": \"\"}}]}\n\ndata: [DONE]\n\n", 1, 1,
		},
		"completion": {
			"data: {\"choices\": [{\"text\": \"a\"}]}\n\n" +
				"data: {\"choices\": [{\"text\": \"b\"}]}\n\n", 2, 2,
		},
		"usage": {
			"data: {\"choices\": [{\"delta\": {\"content\": \"ab\"}}], \"usage\": null}\n\n" +
				"data: {\"choices\": [], \"usage\": {\"completion_tokens\": 5}}\n\n", 1, 5,
		},
		"growing usage": {
			"data: {\"choices\": [{\"text\": \"a\"}], \"usage\": {\"completion_tokens\": 1}}\n\n" +
				"data: {\"choices\": [{\"text\": \"b\"}], \"usage\": {\"completion_tokens\": 3}}\n\n", 2, 3,
		},
		"thought": {"data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"hm\"}}]}\n\n", 1, 1},
		"no text": {"data: {\"choices\": [{\"delta\": {\"content\": null}}]}\n\ndata: {}\n\ndata: x\n\ndata\n\n", 0, 0},
		"nothing": {"<html>", 0, 0},
	} {
		var e Events
		for range 2 { // the second answer knows nothing of the first
			e.Start(scenarios.StreamOpenAI)
			for i := range len(tt.stream) {
				e.Feed([]byte{tt.stream[i]}, time.Duration(i+1))
			}
			if e.Count != tt.events || e.Tokens() != tt.tokens {
				t.Errorf("%s: %d events, %d tokens; want %d and %d", name, e.Count, e.Tokens(), tt.events, tt.tokens)
			}
		}
	}
}

func TestEventsAllocateNothing(t *testing.T) {
	var e Events
	piece := []byte("data: {\"choices\": [{\"delta\": {\"content\": \"a\"}}], " +
		"\"usage\": {\"completion_tokens\": 1}}\n\n")
	read := func() {
		e.Start(scenarios.StreamOpenAI)
		for i := range 10 {
			e.Feed(piece, time.Duration(i+1))
		}
	}
	read()
	if n := testing.AllocsPerRun(100, read); n != 0 || e.Count != 10 {
		t.Errorf("%v allocations, %d events", n, e.Count)
	}
}

// FuzzEvents: an answer may have anything in any pieces.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"choices\": [{\"delta\": {\"content\": \"a\"}}], \"usage\": {\"completion_tokens\": 9}}\n\n"),
		3)
	f.Add([]byte("data: {\"choices\": [[[{\"text\": \"completion_tokens\"\n\n"), 1)
	f.Fuzz(func(t *testing.T, answer []byte, size int) {
		var e Events
		e.Start(scenarios.StreamOpenAI)
		now := time.Duration(0)
		for piece := range slices.Chunk(answer, max(1, size)) {
			now++
			e.Feed(piece, now)
		}
		if e.Count > int64(len(answer)) || e.Count > 0 && int64(len(e.Gaps)) != e.Count-1 || e.Tokens() < 0 ||
			e.Count > 0 && (e.First <= 0 || e.First > now) {
			t.Errorf("%+v", e)
		}
	})
}
