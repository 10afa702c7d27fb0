package tuning

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// bench runs a controller over windows that a test describes.
type bench struct {
	*Controller
	t     *testing.T
	at    time.Time
	state State
	// Of each slice, with a little variation: waits for a connection and times of a request, in milliseconds.
	wait, took, rate float64
}

func newBench(t *testing.T, mode Mode) *bench {
	t.Helper()
	w, _ := well()
	return &bench{Controller: New(mode), t: t, at: start, state: w.State, wait: 20, took: 30, rate: 100}
}

func (b *bench) window() (Change, bool) {
	b.t.Helper()
	b.at = b.at.Add(time.Second)
	w := Window{At: b.at, Length: time.Second, State: b.state}
	for i := range Slices {
		vary := 1 + 0.02*float64(i-2)
		w.Slices = append(w.Slices, Counts{
			Requests: b.rate, RequestTime: b.rate * b.took * vary / 1000, Queries: b.rate, QueryTime: b.rate * 0.01,
			Acquires: b.rate, Waits: b.rate * b.wait * vary / 50, Waited: b.rate * b.wait * vary / 1000,
			L1Hits: b.rate, CPU: 0.1,
		})
	}
	return b.Step(w)
}

// until runs windows until a change is wanted, and returns how many that took.
func (b *bench) until(most int) (change Change, windows int) {
	b.t.Helper()
	for n := range most {
		change, wanted := b.window()
		if wanted {
			return change, n + 1
		}
	}
	b.t.Fatalf("nothing was wanted in %d windows: %+v", most, b.Actions())
	return Change{}, 0
}

func (b *bench) begin() {
	b.t.Helper()
	change, windows := b.until(2)
	if change != (Change{Knob: Pool, From: 8, To: 16}) || windows != 2 {
		b.t.Fatalf("after %d windows %+v is wanted", windows, change)
	}
	b.Made(b.at, nil)
	b.state.Pool = 16
}

func (b *bench) expect(outcome, note string) {
	b.t.Helper()
	all := b.Actions()
	last := all[len(all)-1]
	if last.Outcome != outcome || !strings.Contains(last.Note, note) || last.Before == nil || last.Reason == "" ||
		b.Totals()[Pool][outcome] == 0 {
		b.t.Errorf("the last action is %+v, want %s because %q", last, outcome, note)
	}
}

func TestTrialThatHelps(t *testing.T) {
	b := newBench(t, Act)
	b.begin()
	b.wait, b.took = 1, 11
	for range 2 {
		if change, wanted := b.window(); wanted {
			t.Errorf("%+v is wanted", change)
		}
	}
	b.expect(Kept, "it helped")
	if a := b.Actions()[0]; *a.Before != 0.4 || *a.After != 0.02 || *a.RequestBefore != 30 || *a.RequestAfter != 11 {
		t.Errorf("the figures are %g, %g, %g and %g", *a.Before, *a.After, *a.RequestBefore, *a.RequestAfter)
	}
}

// Clients that wait for answers send more when these come sooner: that is no reason to doubt it.
func TestTrialThatHelpsSoThatMoreIsAsked(t *testing.T) {
	b := newBench(t, Act)
	b.begin()
	b.took, b.rate = 11, 300
	for range 2 {
		change, wanted := b.window()
		if wanted {
			t.Errorf("%+v is wanted", change)
		}
	}
	b.expect(Kept, "it helped")
}

func TestTrialThatIsTakenBack(t *testing.T) {
	for name, test := range map[string]struct {
		wait, took, rate float64
		windows          int // from the change to its end
		note             string
	}{
		"it does nothing":                    {20, 30, 100, 2, "no difference"},
		"its own figure is worse":            {40, 30, 100, 2, "its own figure became worse"},
		"requests are slower":                {20, 60, 100, 2, "requests became slower"},
		"requests are slower, waits shorter": {5, 60, 100, 3, "requests became slower"},
		"it does nothing, under more load":   {20, 60, 300, 4, "the load has changed"},
		"requests are faster, of fewer":      {20, 11, 20, 4, "the load has changed"},
		"nobody asks any more":               {20, 30, 0, 4, "no difference"},
	} {
		b := newBench(t, Act)
		b.begin()
		b.wait, b.took, b.rate = test.wait, test.took, test.rate
		change, windows := b.until(10)
		if change != (Change{Knob: Pool, From: 16, To: 8}) || windows != test.windows {
			t.Errorf("%s: after %d windows %+v is wanted", name, windows, change)
		}
		b.Made(b.at, nil)
		b.expect(Reverted, test.note)
		// The same is asked for, and not tried again before a rest, which doubles.
		b.state.Pool, b.wait, b.took, b.rate = 8, 20, 30, 100
		_, windows = b.until(40)
		if windows != firstRest {
			t.Errorf("%s: it was tried again after %d windows, want %d", name, windows, firstRest)
		}
	}
}

func TestChangeThatFails(t *testing.T) {
	b := newBench(t, Act)
	if _, windows := b.until(2); windows != 2 {
		t.Fatal(windows)
	}
	b.Made(b.at, errors.New("no room"))
	b.expect(Failed, "no room")
}

// Where taking a change back fails, it is tried again, and then left to the administrator.
func TestRevertThatFails(t *testing.T) {
	for name, test := range map[string]struct {
		failures int
		outcome  string
		note     string
	}{
		"once":   {1, Reverted, "no difference"},
		"always": {revertTries, Failed, "still in force, because it could not be undone: no room"},
	} {
		b := newBench(t, Act)
		b.begin()
		back, _ := b.until(2)
		for n := range test.failures {
			b.Made(b.at, errors.New("no room"))
			change, wanted := b.window()
			if n+1 < revertTries && (!wanted || change != back) {
				t.Errorf("%s: after %d failures %+v is wanted", name, n+1, change)
			}
		}
		if test.outcome == Reverted {
			b.Made(b.at, nil)
		}
		b.expect(test.outcome, test.note)
		change, err := b.Undo(1)
		if test.outcome == Reverted {
			if err == nil {
				t.Errorf("%s: it can be undone though it was", name)
			}
			continue
		}
		if err != nil || change != back {
			t.Errorf("%s: it is undone by %+v, error %v", name, change, err)
		}
		b.Undid(1, b.at)
		b.expect(Undone, "administrator")
		_, err = b.Undo(1)
		if err == nil {
			t.Errorf("%s: it can be undone twice", name)
		}
	}
}

func TestAdvice(t *testing.T) {
	b := newBench(t, Advise)
	for range firstRest + 4 {
		if change, wanted := b.window(); wanted {
			t.Fatalf("%+v is wanted", change)
		}
	}
	b.expect(Advised, "")
	if n := b.Totals()[Pool][Advised]; n != 2 {
		t.Errorf("it was advised %d times in %d windows, want 2", n, firstRest+4)
	}
	if n := b.Totals()[Pool][Trying]; n != 0 {
		t.Errorf("%d trials are counted", n)
	}
}

func TestUndo(t *testing.T) {
	b := newBench(t, Act)
	b.begin()
	b.wait, b.took = 1, 11
	b.window()
	b.window()
	if _, err := b.Undo(7); err == nil {
		t.Error("an action that there is not can be undone")
	}
	change, err := b.Undo(1)
	if err != nil || change != (Change{Knob: Pool, From: 16, To: 8}) {
		t.Fatalf("it is undone by %+v, error %v", change, err)
	}
	b.Undid(1, b.at)
	b.expect(Undone, "administrator")
	if _, err := b.Undo(1); err == nil {
		t.Error("it can be undone twice")
	}
	b.state.Pool, b.wait, b.took = 8, 20, 30
	for range 20 {
		if change, wanted := b.window(); wanted {
			t.Fatalf("%+v is wanted after the administrator has undone it", change)
		}
	}
	if held := b.Held(); len(held) != 1 || held[0] != Pool {
		t.Errorf("%v are held", held)
	}
}

// An action that another one of its knob has built upon is undone after that one.
func TestUndoInOrder(t *testing.T) {
	b := newBench(t, Act)
	b.state.PoolBound = 32
	b.begin()
	b.wait = 12
	b.window()
	b.window()
	change, _ := b.until(3)
	if change.To != 32 {
		t.Fatalf("%+v is wanted", change)
	}
	b.Made(b.at, nil)
	if _, err := b.Undo(1); err == nil || !strings.Contains(err.Error(), "undo that one first") {
		t.Errorf("got %v", err)
	}
	_, err := b.Undo(2)
	if err != nil { // though its effect is not known yet
		t.Error(err)
	}
	b.Undid(2, b.at)
	if _, err := b.Undo(1); err != nil {
		t.Error(err)
	}
	if _, wanted := b.window(); wanted {
		t.Error("a trial went on that was undone")
	}
}

// What cannot be undone is kept, and says so.
func TestStatisticsAreKept(t *testing.T) {
	c := New(Act)
	w, _ := well()
	w.Tables[0].Never = true
	w.Statements[0].Kept = false
	step := func(slow float64) (Change, bool) {
		w.Slices = nil
		for range Slices {
			w.Slices = append(w.Slices, Counts{
				Requests: 100, RequestTime: 1 + slow, Queries: 100, QueryTime: 0.5 + slow, Slow: 20, SlowTime: slow,
			})
		}
		return c.Step(w)
	}
	step(5)
	change, wanted := step(5)
	if !wanted || change != (Change{Knob: Statistics, Subject: "resources", From: 0, To: 1}) {
		t.Fatalf("%+v is wanted", change)
	}
	c.Made(start, nil)
	w.Tables[0] = Table{Name: "resources", Rows: 1000, Times: 1}
	step(10)
	if change, wanted := step(10); wanted {
		t.Errorf("%+v is wanted", change)
	}
	a := c.Actions()[0]
	if a.Outcome != Kept || !strings.Contains(a.Note, "cannot be undone") {
		t.Errorf("the action is %+v", a)
	}
	if _, err := c.Undo(a.ID); err == nil {
		t.Error("an ANALYZE can be undone")
	}
}

// The replica is taken up again after a rest that doubles, so that it does not come and go.
func TestReplicaComesBackSlowly(t *testing.T) {
	c := New(Act)
	w, _ := well()
	var changes []int
	for n := range 200 {
		w.At = start.Add(time.Duration(n) * time.Second)
		w.Slices = nil
		for range Slices {
			slice := Counts{Requests: 100, RequestTime: 1, Queries: 100, QueryTime: 0.5}
			if w.ReplicaShared {
				slice.ReplicaChanges = 1
			}
			w.Slices = append(w.Slices, slice)
		}
		if change, wanted := c.Step(w); wanted {
			changes = append(changes, n)
			w.ReplicaShared = change.To == 1
			c.Made(w.At, nil)
		}
	}
	if len(changes) < 3 || len(changes) > 6 {
		t.Errorf("the replica was left out or taken up in the windows %v", changes)
	}
}

func TestCacheAdaptsByItself(t *testing.T) {
	c := New(Advise)
	for n := range keptActions + 3 {
		c.Note(Change{Knob: L1Size, From: 1 << 20, To: 2 << 20}, start, "it does")
		if n == 0 {
			if a := c.Actions()[0]; a.Outcome != Adapted || a.Text != "1 MiB → 2 MiB" {
				t.Errorf("the action is %+v", a)
			}
		}
	}
	if all := c.Actions(); len(all) != keptActions || all[0].ID != 4 {
		t.Errorf("%d actions are kept, from %d on", len(all), all[0].ID)
	}
}

// What the cache adapts does not push out what can still be undone.
func TestActionsInForceAreRemembered(t *testing.T) {
	b := newBench(t, Act)
	b.begin()
	b.wait, b.took = 1, 11
	b.window()
	b.window()
	b.expect(Kept, "it helped")
	for range 2 * keptActions {
		b.Note(Change{Knob: L1Size, From: 1 << 20, To: 2 << 20}, b.at, "it does")
	}
	change, err := b.Undo(1)
	if err != nil || change.To != 8 || len(b.Actions()) != keptActions {
		t.Errorf("among %d actions, it is undone by %+v, error %v", len(b.Actions()), change, err)
	}
	if n := b.Totals(); n[Pool][Trying] != 1 || n[L1Size][Trying] != 0 || n[L1Size][Adapted] != 2*keptActions {
		t.Errorf("the totals are %v", n)
	}
}
