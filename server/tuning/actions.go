package tuning

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// add begins an action.
func (c *Controller) add(change Change, at time.Time, reason string) *Action {
	c.number++
	a := &Action{
		ID: c.number, At: at.UTC(), Knob: change.Knob, Subject: change.Subject, From: change.From, To: change.To,
		Text: change.Knob.Text(change.From) + " → " + change.Knob.Text(change.To), Reason: reason, Outcome: Trying,
	}
	if len(c.actions) == keptActions {
		// One that is in force can be undone only while it is remembered.
		oldest := max(slices.IndexFunc(c.actions, func(a *Action) bool { return !a.inForce() }), 0)
		c.actions = slices.Delete(c.actions, oldest, oldest+1)
	}
	c.actions = append(c.actions, a)
	return a
}

// end gives an action its outcome.
func (c *Controller) end(a *Action, at time.Time, outcome, note string) {
	a.Outcome, a.Ended, a.Note = outcome, at.UTC(), note
	c.totals[a.Knob][outcome]++
}

// Note adds an action of somebody else: the cache, which adapts by itself.
func (c *Controller) Note(change Change, at time.Time, reason string) {
	c.end(c.add(change, at, reason), at, Adapted, "")
}

// Undo returns the change that undoes an action. It must be the last of its knob and subject that is in force. From
// then on the knob is left alone. [Controller.Undid] must be called when the change is made.
func (c *Controller) Undo(id int64) (Change, error) {
	at := slices.IndexFunc(c.actions, func(a *Action) bool { return a.ID == id })
	if at < 0 {
		return Change{}, fmt.Errorf("there is no action %d among the %d that are remembered", id, len(c.actions))
	}
	a := c.actions[at]
	switch {
	case !a.inForce():
		return Change{}, fmt.Errorf("action %d is not in force: it is %s", id, a.Outcome)
	case !a.Change().Undoable():
		return Change{}, fmt.Errorf("action %d, an ANALYZE, cannot be undone", id)
	}
	for _, later := range c.actions[at+1:] {
		if later.Knob == a.Knob && later.Subject == a.Subject && later.inForce() {
			return Change{}, fmt.Errorf("action %d has changed %s again: undo that one first", later.ID, a.Knob)
		}
	}
	return a.Change().back(), nil
}

// Undid says that the change of Undo was made.
func (c *Controller) Undid(id int64, at time.Time) {
	for _, a := range c.actions {
		if a.ID != id {
			continue
		}
		if c.trial != nil && c.trial.action == a {
			c.trial, c.last = nil, nil
		}
		c.knobs[a.Knob].held, a.stuck = true, false
		c.end(a, at, Undone, "by the administrator; the knob is left alone from now on")
	}
}

// Actions returns the last actions, oldest first.
func (c *Controller) Actions() []Action {
	all := make([]Action, len(c.actions))
	for i, a := range c.actions {
		all[i] = *a
	}
	return all
}

// Totals returns how many actions had each outcome since the start, by knob. One that was kept and then undone counts
// for both, and every one that was tried in mode act counts as trying too.
func (c *Controller) Totals() map[Knob]map[string]int64 {
	all := map[Knob]map[string]int64{}
	for k, n := range c.totals {
		all[k] = maps.Clone(n)
	}
	return all
}

// Held returns the knobs that are left alone.
func (c *Controller) Held() []Knob {
	held := []Knob{}
	for _, k := range Knobs {
		if c.knobs[k].held {
			held = append(held, k)
		}
	}
	return held
}
