// Package history keeps the figures of many revisions in one file, a line of JSON each, and finds where they changed.
package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/policycortex/headroom/results/changepoint"
)

// Entry is what one run or experiment says of a revision.
type Entry struct {
	Time     time.Time `json:"time"`
	Revision string    `json:"revision"`          // of the service under load, as git names it
	Subject  string    `json:"subject,omitempty"` // of the commit
	Scenario string    `json:"scenario"`          // the plan's name
	Machine  string    `json:"machine"`           // what must be the same for figures to be comparable
	Outcome  string    `json:"outcome,omitempty"` // PASS, FAIL, ...
	Source   string    `json:"source,omitempty"`  // the directory of the run
	Figures  []Figure  `json:"figures"`
}

// Figure is one value of an entry.
type Figure struct {
	Name         string  `json:"name"` // http_req_duration{name:get} p(95)
	Unit         string  `json:"unit,omitempty"`
	Value        float64 `json:"value"`
	MoreIsBetter bool    `json:"more_is_better,omitempty"`
	// Reference is the same figure of the pinned reference that was measured beside it; 0 where there was none. What
	// is followed then is the ratio, which another machine does not change.
	Reference float64 `json:"reference,omitempty"`
}

// level is what is followed: the logarithm of the value, or of its ratio to the reference.
func (f Figure) level() (level float64, ok bool) {
	v := f.Value
	if f.Reference > 0 {
		v /= f.Reference
	}
	return math.Log(v), v > 0
}

// Append adds an entry to a file, which is made where there is none. Programs that add to one file at the same time
// wait for each other.
func Append(path string, e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("add to the history: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("add to the history: %w", err)
	}
	line = append(line, '\n')
	// Closing the file releases the lock. Without it, a line that somebody else is writing would look torn.
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	if err != nil {
		return errors.Join(fmt.Errorf("add to the history: lock %s: %w", path, err), f.Close())
	}
	if torn(f) { // somebody was killed while writing the last line
		line = append([]byte("\n"), line...)
	}
	_, err = f.Write(line)
	err = errors.Join(err, f.Close())
	if err != nil {
		return fmt.Errorf("add to the history: %w", err)
	}
	return nil
}

// torn says that a file does not end with a whole line.
func torn(f *os.File) bool {
	size, err := f.Seek(0, 2)
	if err != nil || size == 0 {
		return false
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return err == nil && last[0] != '\n'
}

// NoneError says that there is no history yet.
type NoneError struct{ Path string }

func (e *NoneError) Error() string {
	return fmt.Sprintf("there is no history in %s yet: add runs with headroom history add RUN", e.Path)
}

// Read returns the entries of a file in the order of time. Lines that are there twice, as a union merge of git makes
// them, count once; a last line that was not written to its end is left out. Any other line that is none is an error
// with its number. The error of a file that is not there, or has no entry, is a *NoneError.
func Read(path string) ([]Entry, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoneError{path}
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	entries, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("read the history: %s:%w", path, err)
	}
	if len(entries) == 0 {
		return nil, &NoneError{path}
	}
	return entries, nil
}

func parse(content []byte) ([]Entry, error) {
	var entries []Entry
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, max(1<<16, len(content)+1))
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || seen[string(line)] {
			continue
		}
		seen[string(line)] = true
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			if !bytes.HasSuffix(content, []byte("\n")) && bytes.HasSuffix(content, line) {
				break // the last line is torn
			}
			return nil, fmt.Errorf("%d: %w", number, err)
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	return entries, nil
}

// Series is one figure over the revisions, on one machine unless it has a reference.
type Series struct {
	Figure   string
	Unit     string
	Scenario string
	Machine  string // empty where the figure is relative to a reference
	Points   []Point
	Changes  []Change
}

// Point is the figure in one entry.
type Point struct {
	Entry Entry
	Value float64
	// Level is the logarithm that is followed.
	Level float64
}

// Change is a place at which a series changes its level.
type Change struct {
	// Index is the first point after the change. The commits that may have caused it are those after the revision of
	// the point before it, up to its own.
	Index int
	// By is the change of the mean: 0.05 for 5 % more.
	By    float64
	Worse bool
	P     float64
}

// SmallestChange is the least change that is reported.
const SmallestChange = 0.03

// Follow returns the series of the entries, with their changes, in the order of scenario, figure and machine. Figures
// that are 0 or less have no logarithm and are left out.
func Follow(entries []Entry) []Series {
	type key struct{ scenario, figure, machine string }
	all := map[key]*Series{}
	better := map[key]bool{}
	for _, e := range entries {
		for _, f := range e.Figures {
			level, ok := f.level()
			if !ok {
				continue
			}
			k := key{e.Scenario, f.Name, e.Machine}
			if f.Reference > 0 {
				k.machine = ""
			}
			if all[k] == nil {
				all[k] = &Series{Figure: f.Name, Unit: f.Unit, Scenario: e.Scenario, Machine: k.machine}
			}
			better[k] = f.MoreIsBetter
			all[k].Points = append(all[k].Points, Point{Entry: e, Value: f.Value, Level: level})
		}
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.scenario, b.scenario), cmp.Compare(a.figure, b.figure),
			cmp.Compare(a.machine, b.machine))
	})
	var series []Series
	for _, k := range keys {
		s := all[k]
		s.findChanges(better[k])
		series = append(series, *s)
	}
	return series
}

func (s *Series) findChanges(moreIsBetter bool) {
	levels := make([]float64, len(s.Points))
	for i, p := range s.Points {
		levels[i] = p.Level
	}
	for _, c := range changepoint.Find(levels, math.Log1p(SmallestChange)) {
		by := math.Expm1(c.After - c.Before)
		s.Changes = append(s.Changes, Change{Index: c.Index, By: by, Worse: (by > 0) != moreIsBetter, P: c.P})
	}
}

// Newest is the last change of a series; nil where there is none.
func (s *Series) Newest() *Change {
	if len(s.Changes) == 0 {
		return nil
	}
	return &s.Changes[len(s.Changes)-1]
}
