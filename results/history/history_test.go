package history

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func entry(i int, p95 float64) Entry {
	return Entry{
		Time: time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC), Revision: fmt.Sprintf("%07d", i), Scenario: "s",
		Machine: "m",
		Figures: []Figure{
			{Name: "http_req_duration p(95)", Unit: "ms", Value: p95},
			{Name: "http_reqs rate", Unit: "1/s", Value: 1000 / p95, MoreIsBetter: true},
			{Name: "http_req_failed rate", Value: 0},
		},
	}
}

func TestAppendAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	var none *NoneError
	if _, err := Read(path); !errors.As(err, &none) {
		t.Fatalf("no file: %v", err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := Append(path, entry(19-i, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A union merge has lines of both sides; a crash leaves half a line.
	if err := os.WriteFile(path, append(append(content, content...), `{"time": "2026-`...), 0o644); err != nil {
		t.Fatal(err)
	}
	entries, err := Read(path)
	if err != nil || len(entries) != 20 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		if e.Revision != fmt.Sprintf("%07d", i) {
			t.Fatalf("entry %d is of revision %s", i, e.Revision)
		}
	}
	if err := Append(path, entry(20, 1)); err != nil {
		t.Fatal(err)
	}
	_, err = Read(path)
	if err == nil || !strings.Contains(err.Error(), "history.jsonl:41: ") {
		t.Errorf("a torn line in the middle: %v", err)
	}
}

func TestFollow(t *testing.T) {
	var entries []Entry
	for i := range 30 {
		p95 := 10 * (1 + 0.01*math.Sin(float64(7*i)))
		if i >= 20 {
			p95 *= 1.2
		}
		entries = append(entries, entry(i, p95))
	}
	series := Follow(entries)
	if len(series) != 2 {
		t.Fatalf("%d series: figures of 0 have none", len(series))
	}
	for _, s := range series {
		c := s.Newest()
		if len(s.Points) != 30 || len(s.Changes) != 1 || c.Index != 20 || !c.Worse {
			t.Errorf("%s: %d points, changes %+v", s.Figure, len(s.Points), s.Changes)
		}
	}
	if by := series[0].Newest().By; math.Abs(by-0.2) > 0.01 {
		t.Errorf("P95 grew by %v", by)
	}
}

// TestReference has a faster machine from the middle on, and the pinned reference beside each run.
func TestReference(t *testing.T) {
	var with, without []Entry
	for i := range 30 {
		speed := 1.0
		if i >= 15 {
			speed = 0.5
		}
		wobble := 1 + 0.01*math.Sin(float64(5*i))
		e := entry(i, 10*speed*wobble)
		without = append(without, e)
		e.Figures = []Figure{{Name: "http_req_duration p(95)", Value: 10 * speed * wobble, Reference: 4 * speed}}
		e.Machine = fmt.Sprint("machine ", speed)
		with = append(with, e)
	}
	if s := Follow(with); len(s) != 1 || len(s[0].Changes) != 0 {
		t.Errorf("relative to the reference: %d series, changes %+v", len(s), s[0].Changes)
	}
	if s := Follow(without); len(s[0].Changes) != 1 || s[0].Changes[0].Worse {
		t.Errorf("without it: %+v", s[0].Changes)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-01T00:00:00Z","figures":[{"name":"x","value":1}]}` + "\n"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if entries, err := parse(content); err == nil {
			Follow(entries[:min(len(entries), 20)])
		}
	})
}
