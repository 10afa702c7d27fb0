package history

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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
	entries, err = Read(path)
	if err != nil || len(entries) != 21 {
		t.Errorf("after a torn line: %d entries, %v", len(entries), err)
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

// TestNew adds one entry after the other: a change is new with one revision alone, and all runs of that count.
func TestNew(t *testing.T) {
	var entries []Entry
	var newAt []int
	for i := range 40 {
		p95 := 10 * (1 + 0.01*math.Sin(float64(7*i)))
		if i >= 20 {
			p95 *= 1.2
		}
		entries = append(entries, entry(i, p95))
		for _, c := range Follow(entries)[0].Changes {
			if c.New {
				newAt = append(newAt, i)
				if c.Index != 20 || !c.Worse {
					t.Errorf("after entry %d: %+v", i, c)
				}
			}
		}
	}
	if len(newAt) != 1 || newAt[0] < 22 || newAt[0] > 30 {
		t.Fatalf("the change of entry 20 is new after entries %v", newAt)
	}
	again := entry(newAt[0], 12)
	again.Time = again.Time.Add(1)
	repeated := append(slices.Clone(entries[:newAt[0]+1]), again)
	if c := Follow(repeated)[0].Newest(); c == nil || !c.New {
		t.Errorf("with a second run of the same revision: %+v", c)
	}
}

// TestNewOnce: a change whose significance comes and goes with later entries is new once.
func TestNewOnce(t *testing.T) {
	flickered := false
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		var entries []Entry
		var said, found []Change
		gone := false
		for i := range 34 {
			p95 := 10 * math.Exp(0.05*random.NormFloat64())
			if i >= 17 {
				p95 *= 1.08
			}
			e := entry(i, p95)
			e.Figures = e.Figures[:1]
			entries = append(entries, e)
			changes := Follow(entries)[0].Changes
			flickered = flickered || gone && len(changes) > 0
			gone = len(found) > 0 && len(changes) == 0
			found = append(found, changes...)
			for _, c := range changes {
				if c.New && slices.ContainsFunc(said, c.resembles) {
					t.Errorf("seed %d, entry %d: %+v is new, and was before", seed, i, c)
				}
				if c.New {
					said = append(said, c)
				}
			}
		}
	}
	if !flickered {
		t.Error("no change came and went: the test shows nothing")
	}
}

// TestKeptApart: figures of other environments and of other references are not one series, and of a long series the
// newest points are looked at.
func TestKeptApart(t *testing.T) {
	var entries []Entry
	for i := range MostPoints + 5 {
		e := entry(i, 10)
		e.Figures = e.Figures[:1]
		entries = append(entries, e)
	}
	other, relative, anew := entry(1, 10), entry(2, 10), entry(3, 10)
	other.Environment = "GOGC=50"
	for _, e := range []*Entry{&relative, &anew} {
		e.Figures = []Figure{{Name: "http_req_duration p(95)", Value: 10, Reference: 5}}
	}
	relative.Reference, anew.Reference = "light server 1", "light server 2"
	other.Figures = other.Figures[:1]
	series := Follow(append(entries, other, relative, anew))
	var lengths []int
	for _, s := range series {
		lengths = append(lengths, len(s.Points))
	}
	slices.Sort(lengths)
	if !slices.Equal(lengths, []int{1, 1, 1, MostPoints}) {
		t.Errorf("points of the series: %v", lengths)
	}
}

func TestDecides(t *testing.T) {
	for figure, want := range map[string]bool{
		"http_req_duration p(95)": true, "http_req_duration{scenario:warm} p(95)": true, "cpu_per_request": true,
		"http_req_duration med": false, "http_req_duration{name:get} p(95)": false, "http_reqs rate": false,
		"http_req_duration{name:get,scenario:warm} p(95)": false, "http_req_duration{scenario:a,stage:b} p(95)": false,
	} {
		s := Series{Figure: figure, Changes: []Change{{Worse: true, New: true}, {Worse: true}, {New: true}}}
		if s.Decides() != want || (s.Alarm() == &s.Changes[0]) != want {
			t.Errorf("%s: decides %t", figure, s.Decides())
		}
	}
}

// TestFewestPoints: the largest change is not found in fewer points, and is in that many.
func TestFewestPoints(t *testing.T) {
	for n := FewestPoints - 1; n <= FewestPoints+1; n++ {
		var entries []Entry
		for i := range n {
			entries = append(entries, entry(i, 10*(1+0.01*math.Sin(float64(7*i)))*float64(1+2*i/n)))
		}
		if found := len(Follow(entries)[0].Changes) > 0; found != (n >= FewestPoints) {
			t.Errorf("a change is found in %d points: %t", n, found)
		}
	}
}

// BenchmarkAlarms counts how often the next entry of a series without a change is taken for a change for the worse, and
// after how many entries one of 10 % is found. The noise of an entry is 5 %.
func BenchmarkAlarms(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	noisy := func(i int, p95 float64) Entry {
		e := entry(i, p95*math.Exp(0.05*random.NormFloat64()))
		e.Figures = e.Figures[:1]
		return e
	}
	alarm := func(entries []Entry) bool {
		return slices.ContainsFunc(Follow(entries)[0].Changes, func(c Change) bool { return c.New && c.Worse })
	}
	var added, alarms, found, waited float64
	for b.Loop() {
		var entries []Entry
		for i := range 60 {
			entries = append(entries, noisy(i, 10))
			added++
			if alarm(entries) {
				alarms++
			}
		}
		for i := range 30 {
			entries = append(entries[:30+i], noisy(30+i, 11))
			if alarm(entries) {
				found++
				waited += float64(i + 1)
				break
			}
		}
	}
	b.ReportMetric(100*alarms/added, "%-false-alarms/entry")
	b.ReportMetric(100*found/float64(b.N), "%-found")
	b.ReportMetric(waited/max(found, 1), "entries-waited")
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
