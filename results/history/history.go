// Package history keeps the figures of many revisions in one file, a line of JSON each, and finds where they changed.
package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/policycortex/headroom/results/changepoint"
)

// Entry is what one run or experiment says of a revision.
type Entry struct {
	Time     time.Time `json:"time"`
	Revision string    `json:"revision"`          // of the service under load, as git names it
	Subject  string    `json:"subject,omitempty"` // of the commit
	Dirty    bool      `json:"dirty,omitempty"`   // there were changes beyond the revision
	Scenario string    `json:"scenario"`          // the plan's name
	File     string    `json:"file,omitempty"`    // the scenario's file
	// Machine and Environment are what must be the same for figures to be comparable. A figure with a reference may be
	// of another machine.
	Machine     string   `json:"machine"`
	Environment string   `json:"environment,omitempty"`
	Reference   string   `json:"reference,omitempty"` // what the references of the figures are of; empty: there are none
	Outcome     string   `json:"outcome,omitempty"`   // PASS, FAIL, ...
	Source      string   `json:"source,omitempty"`    // the directory of the run
	Figures     []Figure `json:"figures"`
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
	err = cutTorn(f)
	if err != nil {
		return errors.Join(fmt.Errorf("add to the history: %w", err), f.Close())
	}
	_, err = f.Write(line)
	err = errors.Join(err, f.Close())
	if err != nil {
		return fmt.Errorf("add to the history: %w", err)
	}
	return nil
}

// cutTorn cuts off a last line that was not written to its end, because somebody was killed: no reader counts it, and
// in the middle of the file it would be an error.
func cutTorn(f *os.File) error {
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return f.Truncate(int64(bytes.LastIndexByte(text, '\n') + 1))
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
			return nil, fmt.Errorf("%d: %w; repair or remove that line", number, err)
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	return entries, nil
}

// Series is one figure over the revisions in one environment, on one machine unless it has a reference.
type Series struct {
	Figure       string
	Unit         string
	MoreIsBetter bool
	Scenario     string
	Environment  string
	Machine      string // empty where the figure is relative to a reference
	Reference    string // empty where it is not
	Points       []Point
	Changes      []Change
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
	// New is true of a change that is found for the first time: neither without the points of the newest revision, nor
	// in the points up to any revision before it.
	New bool
}

// SmallestChange is the least change that is reported.
const SmallestChange = 0.03

// MostPoints is how many points of a series are looked at, the newest: the time that a search takes grows with their
// square.
const MostPoints = 100

// Follow returns the series of the entries, with their changes, in the order of scenario, figure, environment, machine
// and reference. Figures that are 0 or less have no logarithm and are left out.
func Follow(entries []Entry) []Series {
	type key struct{ scenario, figure, environment, machine, reference string }
	all := map[key]*Series{}
	for _, e := range entries {
		for _, f := range e.Figures {
			level, ok := f.level()
			if !ok {
				continue
			}
			k := key{scenario: e.Scenario, figure: f.Name, environment: e.Environment, machine: e.Machine}
			if f.Reference > 0 {
				k.machine, k.reference = "", e.Reference
			}
			if all[k] == nil {
				all[k] = &Series{
					Figure: f.Name, Unit: f.Unit, Scenario: k.scenario, Environment: k.environment, Machine: k.machine,
					Reference: k.reference,
				}
			}
			all[k].MoreIsBetter = f.MoreIsBetter
			all[k].Points = append(all[k].Points, Point{Entry: e, Value: f.Value, Level: level})
		}
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.scenario, b.scenario), cmp.Compare(a.figure, b.figure),
			cmp.Compare(a.environment, b.environment), cmp.Compare(a.machine, b.machine),
			cmp.Compare(a.reference, b.reference))
	})
	series := make([]Series, len(keys))
	var searches sync.WaitGroup
	for i, k := range keys {
		s := *all[k]
		s.Points = s.Points[max(0, len(s.Points)-MostPoints):]
		searches.Go(func() {
			s.findChanges()
			series[i] = s
		})
	}
	searches.Wait()
	return series
}

// findChanges finds the changes, and which of them are new. A change whose significance is near the level is found with
// some of the later points and not with others, so that those found without the newest revision are not all that were
// found before.
func (s *Series) findChanges() {
	s.Changes = s.changesOf(s.Points)
	for i := range s.Changes {
		s.Changes[i].New = true
	}
	for end := s.withoutNewest(len(s.Points)); end > 0; end = s.withoutNewest(end) {
		open := slices.ContainsFunc(s.Changes, func(c Change) bool { return c.New && c.Index < end })
		if !open {
			return
		}
		earlier := s.changesOf(s.Points[:end])
		for i, c := range s.Changes {
			s.Changes[i].New = c.New && !slices.ContainsFunc(earlier, c.resembles)
		}
	}
}

// withoutNewest is the number of points, of so many, before those of the newest revision among them.
func (s *Series) withoutNewest(known int) int {
	newest := s.Points[known-1].Entry.Revision
	for known > 0 && s.Points[known-1].Entry.Revision == newest {
		known--
	}
	return known
}

func (s *Series) changesOf(points []Point) []Change {
	levels := make([]float64, len(points))
	for i, p := range points {
		levels[i] = p.Level
	}
	var changes []Change
	for _, c := range changepoint.Find(levels, math.Log1p(SmallestChange)) {
		by := math.Expm1(c.After - c.Before)
		changes = append(changes, Change{Index: c.Index, By: by, Worse: (by > 0) != s.MoreIsBetter, P: c.P})
	}
	return changes
}

// alikeWithin is by how many points the place of a change may move when more points are known.
const alikeWithin = 2

// resembles says that another change is about the same one, found with other points.
func (c Change) resembles(other Change) bool {
	return c.Worse == other.Worse && max(c.Index-other.Index, other.Index-c.Index) <= alikeWithin
}

// Newest is the last change of a series; nil where there is none.
func (s *Series) Newest() *Change {
	if len(s.Changes) == 0 {
		return nil
	}
	return &s.Changes[len(s.Changes)-1]
}

// FewestPoints is how many points a series needs before any change can be found in it: with fewer, none of the orders
// of the points is rare enough.
const FewestPoints = 11

// Decides says whether a change of the series is an alarm: of P95 of a whole run or scenario, and of the CPU time per
// request. A run has many other figures, which would each have false alarms of their own; they are shown.
func (s *Series) Decides() bool {
	metric, statistic, _ := strings.Cut(s.Figure, " ")
	metric, selector, _ := strings.Cut(metric, "{")
	ofWhole := selector == "" || strings.HasPrefix(selector, "scenario:") && !strings.Contains(selector, ",")
	return ofWhole && (metric == "http_req_duration" && statistic == "p(95)" || metric == "cpu_per_request")
}

// Alarm is the newest new change for the worse of the series, where it decides; else nil.
func (s *Series) Alarm() *Change {
	for i := len(s.Changes) - 1; i >= 0 && s.Decides(); i-- {
		if c := &s.Changes[i]; c.New && c.Worse {
			return c
		}
	}
	return nil
}

// Around are the revisions between which a change happened: of the last point before it and of the first after it.
func (s *Series) Around(c Change) (before, after Entry) {
	return s.Points[c.Index-1].Entry, s.Points[c.Index].Entry
}

// Shown is the value of a point as it is followed: relative to the reference where the series has one.
func (p Point) Shown() float64 { return math.Exp(p.Level) }
