package sse

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// read feeds the streams, each in pieces of the size, and tells what comes of them.
func read(size int, streams ...string) (events []string, p *Parser, err error) {
	p = &Parser{}
	for i, stream := range streams {
		if i > 0 {
			p.Restart()
		}
		for piece := range slices.Chunk([]byte(stream), size) {
			piece = bytes.Clone(piece)
			if err := p.Feed(piece, func(e Event) {
				own := ""
				if e.Own {
					own = "*"
				}
				events = append(events, fmt.Sprintf("%s|%s|%s%s", e.Type, e.Data, e.ID, own))
			}); err != nil {
				return events, p, err
			}
			clear(piece) // what is not copied is lost
		}
	}
	return events, p, nil
}

func TestParser(t *testing.T) {
	for _, tt := range []struct {
		name    string
		streams []string
		want    []string
		lastID  string
		retry   time.Duration
	}{
		{"one line", []string{"data: hello\n\n"}, []string{"|hello|"}, "", 0},
		// The examples of the standard.
		{"lines", []string{"data: YHOO\ndata: +2\ndata: 10\n\n"}, []string{"|YHOO\n+2\n10|"}, "", 0},
		{
			"comment, id, no id",
			[]string{
				": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			},
			[]string{"|first event|1*", "|second event|*", "| third event|"},
			"", 0,
		},
		{"empty data, and no blank line", []string{"data\n\ndata\ndata\n\ndata:"}, []string{"||", "|\n|"}, "", 0},
		{"a space is left out", []string{"data:test\n\ndata: test\n\n"}, []string{"|test|", "|test|"}, "", 0},

		{"types", []string{"event: add\ndata: 7\n\ndata: 8\n\n"}, []string{"add|7|", "|8|"}, "", 0},
		{"a type without data", []string{"event: add\n\ndata: 8\n\n"}, []string{"|8|"}, "", 0},
		{"ids stay", []string{"id: 7\ndata: a\n\ndata: b\n\n"}, []string{"|a|7*", "|b|7"}, "7", 0},
		{"an id without data", []string{"id: 7\n\ndata: b\n\n"}, []string{"|b|7"}, "7", 0},
		{"an id with a null", []string{"id: 7\n\nid: a\x00b\ndata: b\n\n"}, []string{"|b|7"}, "7", 0},
		{"carriage returns", []string{"id: 1\rdata: a\r\rdata: b\rdata: c\r\r"}, []string{"|a|1*", "|b\nc|1"}, "1", 0},
		{"both", []string{"id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n"}, []string{"|a|1*", "|b|1"}, "1", 0},
		{"mixed", []string{"data: a\r\ndata: b\rdata: c\n\r"}, []string{"|a\nb\nc|"}, "", 0},
		{"byte order mark", []string{"\ufeffdata: a\n\n"}, []string{"|a|"}, "", 0},
		{"two of them", []string{"\ufeff\ufeffdata: a\n\ndata: b\n\n"}, []string{"|b|"}, "", 0},
		{"a part of one", []string{"\xef\xbbdata: a\n\ndata: b\n\n"}, []string{"|b|"}, "", 0},
		{"one in the middle", []string{"data: a\n\n\ufeffdata: b\n\n"}, []string{"|a|"}, "", 0},
		{"retry", []string{"retry: 2500\n\nretry: 1s\n\nretry: -1\n\nretry:\n\n"}, nil, "", 2500 * time.Millisecond},
		{"retry of ages", []string{"retry: 99999999999999999999999999\n\n"}, nil, "", longestRetry},
		{"unknown fields", []string{"date: x\nDATA: y\n data: z\ndata: a\n\n"}, []string{"|a|"}, "", 0},
		{"colons", []string{"data: a: b\n\n:::\n"}, []string{"|a: b|"}, "", 0},
		{
			"a break in an event",
			[]string{"id: 1\ndata: a\n\nid: 2\ndata: b\n", "data: c\n\n"},
			[]string{"|a|1*", "|c|1"},
			"1", 0,
		},
		{"a break in a line", []string{"data: a\n\ndata: b", "\ufeffdata: c\n\n"}, []string{"|a|", "|c|"}, "", 0},
		{"a break in a line's end", []string{"data: a\r\n\r", "\ndata: c\n\n"}, []string{"|a|", "|c|"}, "", 0},
		{"nothing", []string{""}, nil, "", 0},
	} {
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			got, p, err := read(size, tt.streams...)
			retry, set := p.Retry()
			if err != nil || !slices.Equal(got, tt.want) || string(p.LastID()) != tt.lastID || retry != tt.retry ||
				set != (tt.retry > 0) {
				t.Errorf("%s, in pieces of %d: %q, last ID %q, retry %v, %v; want %q, %q, %v", tt.name, size, got,
					p.LastID(), retry, err, tt.want, tt.lastID, tt.retry)
			}
		}
	}
}

// TestParserBounds: what a service sends cannot take memory without end, and long events do not hold theirs.
func TestParserBounds(t *testing.T) {
	for name, stream := range map[string]string{
		"a line":   "data: " + strings.Repeat("x", MaxEvent),
		"an event": strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", MaxEvent/1000),
		"a type":   "event: " + strings.Repeat("x", MaxEvent),
	} {
		if _, _, err := read(4096, stream); !errors.Is(err, ErrTooBig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := strings.Repeat("x", MaxEvent-10)
	got, p, err := read(4096, "data: "+long+"\n\ndata: a\ndata: b\n\n")
	if err != nil || len(got) != 2 || got[0] != "|"+long+"|" {
		t.Fatalf("%d events, %v", len(got), err)
	}
	if held := cap(p.line) + cap(p.data); held > 2*kept {
		t.Errorf("%d bytes are held after a long event", held)
	}
}

func TestParserAllocatesNothing(t *testing.T) {
	var p Parser
	events := 0
	each := func(Event) { events++ }
	piece := []byte("id: 17\nevent: change\ndata: {\"id\": 17, \"at\": 1764436000123}\n\n: beat\n\ndata: " +
		"a\ndata: b\n\n")
	feed := func() {
		err := p.Feed(piece[:20], each)
		if err == nil {
			err = p.Feed(piece[20:], each)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(1000, feed); n != 0 || events == 0 {
		t.Errorf("%v allocations, %d events", n, events)
	}
}

func BenchmarkParser(b *testing.B) {
	var p Parser
	piece := []byte("id: 17\nevent: change\ndata: {\"id\": 17, \"at\": 1764436000123}\n\n")
	each := func(Event) {}
	b.SetBytes(int64(len(piece)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Feed(piece, each); err != nil {
			b.Fatal(err)
		}
	}
}

// slow reads a whole stream by the words of the standard: decoded lines, one after the other.
func slow(stream string) (events []string, lastID string) {
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(stream, "\n")
	var data, typ, id string
	own := ""
	for _, line := range lines[:len(lines)-1] { // what follows the last end of a line is no line
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			lastID = id
			if data != "" {
				events = append(events, typ+"|"+strings.TrimSuffix(data, "\n")+"|"+lastID+own)
			}
			data, typ, own = "", "", ""
		case field == "data":
			data += value + "\n"
		case field == "event":
			typ = value
		case field == "id" && !strings.Contains(value, "\x00"):
			id, own = value, "*"
		}
	}
	return events, lastID
}

// FuzzParser holds the parser against the standard read line by line, in pieces of every size.
func FuzzParser(f *testing.F) {
	for _, seed := range []string{
		"data: a\n\n", "\ufeffid: 1\r\ndata: a\rdata\r\n\r\n", "\xef\xbb", "event:x\ndata\n\nretry: 10\n\r",
		":\n\n\r\r\n",
		"id: 1\n\nid\x00\ndata: y\n\n",
	} {
		f.Add(seed, 1)
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, stream string, size int) {
		if len(stream) > 1<<16 {
			return
		}
		got, p, err := read(max(1, size), stream)
		want, lastID := slow(stream)
		if err != nil || !slices.Equal(got, want) || string(p.LastID()) != lastID {
			t.Errorf("%q in pieces of %d: %q, last ID %q, %v; want %q, %q", stream, size, got, p.LastID(), err, want,
				lastID)
		}
	})
}
