package tuning

import (
	"slices"
	"time"
)

const (
	// confirmations is how many windows in a row must ask for a change.
	confirmations = 2
	// settling is how many windows pass after a change before its effect is measured.
	settling = 1
	// A knob rests for afterKept windows after a change that helped, and for firstRest after one that did not; that
	// doubles each time, up to longestRest.
	afterKept   = 1
	firstRest   = 8
	longestRest = 512
	// loadChange is the factor between the rates of requests before and after, beyond which mean times of requests are
	// not compared: the effect is measured anew, at most remeasured times.
	loadChange = 1.5
	remeasured = 2
	// An effect that would matter and is within the noise is measured over this many windows.
	longestTrial = 4
	// remembered is how many slices of the time before are compared with.
	remembered = 4 * Slices
	// revertTries is how often a change is taken back, in a window each, before it is left to the administrator.
	revertTries = 5
	// keptActions is how many actions are remembered.
	keptActions = 64
)

// Controller decides. It is not safe for concurrent use.
type Controller struct {
	mode  Mode
	knobs map[Knob]*knobState
	last  []Counts // slices of the windows before, without a trial in them
	trial *trial

	actions []*Action // the latest, oldest first
	number  int64
	totals  map[Knob]map[string]int64 // actions by knob and outcome
}

type knobState struct {
	asked   int // windows in a row
	resting int // windows
	rest    int // the next rest after a failure
	held    bool
	failed  map[string]bool // subjects
}

// trial is a change whose effect is not known yet.
type trial struct {
	proposal
	action   *Action
	before   []Counts
	settling int
	after    []Counts
	windows  int // measured
	failures int // to take it back
}

// New makes a controller.
func New(mode Mode) *Controller {
	c := &Controller{mode: mode, knobs: map[Knob]*knobState{}, totals: map[Knob]map[string]int64{}}
	for _, k := range Knobs {
		c.knobs[k] = &knobState{rest: firstRest, failed: map[string]bool{}}
		c.totals[k] = map[string]int64{}
	}
	return c
}

// Step takes a window and returns the change to make now, if any; then [Controller.Made] must be called.
func (c *Controller) Step(w Window) (change Change, wanted bool) {
	total := w.total()
	asking := c.ask(&w, total)
	fresh := w.Slices // that are not among the last yet
	if t := c.trial; t != nil {
		if t.failures > 0 {
			return t.back(), true
		}
		if t.settling > 0 {
			t.settling--
			return Change{}, false
		}
		t.after, t.windows = append(t.after, w.Slices...), t.windows+1
		judged, back := c.judge(w.At)
		if back {
			return t.back(), true
		}
		if !judged {
			return Change{}, false
		}
		fresh = nil
	}
	c.remember(fresh)
	if asking == nil {
		return Change{}, false
	}
	return c.begin(*asking, w)
}

// ask lets every rule look at a window and returns the first proposal that may be followed.
func (c *Controller) ask(w *Window, total Counts) (first *proposal) {
	w.Statements = slices.DeleteFunc(slices.Clone(w.Statements),
		func(s Statement) bool { return c.knobs[PlanKind].failed[s.SQL] && !s.Anew })
	for _, k := range Knobs {
		state := c.knobs[k]
		state.resting = max(state.resting-1, 0)
		p := rules[k](w, total)
		if p == nil {
			state.asked = 0
			continue
		}
		state.asked++
		if first == nil && state.asked >= confirmations && state.resting == 0 && !state.held &&
			(c.trial == nil || c.trial.Knob != k) {
			first = p
		}
	}
	return first
}

// begin starts a trial, or tells of it where nothing may be done.
func (c *Controller) begin(p proposal, w Window) (change Change, wanted bool) {
	before := slices.Clone(c.last)
	a := c.add(p.Change, w.At, p.reason)
	a.Figure = p.figure.name
	a.Before, a.RequestBefore = p.figure.meanOf(before), requestTime.meanOf(before)
	if c.mode != Act {
		c.end(a, w.At, Advised, "")
		c.rest(p.Knob)
		return Change{}, false
	}
	c.totals[p.Knob][Trying]++
	c.trial = &trial{proposal: p, action: a, before: before, settling: settling + int(p.takes/max(w.Length,
		time.Millisecond))}
	return p.Change, true
}

// judge decides about the trial: judged is false while that needs another window, back asks to undo it.
func (c *Controller) judge(at time.Time) (judged, back bool) {
	t := c.trial
	a := t.action
	a.After, a.RequestAfter = t.figure.meanOf(t.after), requestTime.meanOf(t.after)
	requests := requestTime.compare(t.before, t.after)
	own := t.figure.compare(t.before, t.after)
	switch more, fewer := loadChanged(t.before, t.after); {
	case more && requests == better: // more load has not made requests faster
	case (more || fewer) && t.windows <= remeasured:
		t.after = nil
		return false, false
	case more || fewer:
		requests = same
		a.Note = "the load has changed, so that only its own figure counts; "
	}
	switch {
	case requests == worse && own == better && t.windows == 1: // they contradict each other
		return false, false
	case own == undecided && requests != worse && t.windows < longestTrial:
		return false, false
	case own == unknown && t.windows <= remeasured: // hardly anything happened meanwhile
		return false, false
	case requests == worse:
		return true, c.takeBack(at, "requests became slower")
	case own == better, requests == better:
		c.finish(at, Kept, "it helped")
	case own == worse:
		return true, c.takeBack(at, "its own figure became worse")
	case t.free:
		c.finish(at, Kept, "it made no difference beyond the noise, and costs nothing")
	default:
		return true, c.takeBack(at, "it made no difference beyond the noise")
	}
	return true, false
}

// takeBack reports whether the change of the trial is to be undone; one that cannot be stays.
func (c *Controller) takeBack(at time.Time, why string) bool {
	c.trial.action.Note += why
	if c.trial.Undoable() {
		return true
	}
	c.finish(at, Kept, "; it cannot be undone")
	return false
}

// loadChanged reports whether so many more or fewer requests came that their times are of another load.
func loadChanged(before, after []Counts) (more, fewer bool) {
	rate := func(all []Counts) float64 {
		sum := 0.0
		for _, s := range all {
			sum += s.Requests
		}
		return sum / float64(max(len(all), 1))
	}
	b, a := rate(before), rate(after)
	return a > loadChange*b, b > loadChange*a
}

// Made says what became of the change that Step returned: err is nil when it was made. Where taking
// a change back fails, the next windows try again: the cause may pass, such as too few free connections of Postgres.
func (c *Controller) Made(at time.Time, err error) {
	t := c.trial
	switch {
	case t == nil:
	case err != nil && t.windows > 0:
		t.failures++
		if t.failures == revertTries {
			t.action.stuck = true
			c.finish(at, Failed, "; it is still in force, because it could not be undone: "+err.Error())
		}
	case err != nil:
		c.finish(at, Failed, err.Error())
	case t.windows > 0: // it was taken back
		c.finish(at, Reverted, "")
	}
}

// finish ends the trial.
func (c *Controller) finish(at time.Time, outcome, note string) {
	t := c.trial
	c.trial, c.last = nil, t.before
	if outcome == Kept || t.action.stuck { // the slices before it are of another server
		c.last = t.after
	}
	switch {
	case outcome != Kept || t.Knob == Replica: // which would otherwise come and go
		c.rest(t.Knob)
	default:
		state := c.knobs[t.Knob]
		state.rest, state.resting, state.asked = firstRest, afterKept, 0
	}
	if outcome != Kept {
		c.knobs[t.Knob].failed[t.Subject] = true
	}
	c.end(t.action, at, outcome, t.action.Note+note)
}

// rest keeps a knob from being turned for a while, and longer the next time.
func (c *Controller) rest(k Knob) {
	state := c.knobs[k]
	state.resting, state.asked = state.rest, 0
	state.rest = min(2*state.rest, longestRest)
}

// remember keeps the slices of the last windows for the comparison.
func (c *Controller) remember(slices []Counts) {
	c.last = append(c.last, slices...)
	if over := len(c.last) - remembered; over > 0 {
		c.last = c.last[over:]
	}
}
