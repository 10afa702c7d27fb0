package results

import (
	"encoding/json"
	"fmt"
	"time"
)

// TuningAction is a change that the reference server made in its own settings, or advised, with its effect. Figures are
// nil where nothing was measured.
type TuningAction struct {
	Instance string  `json:"instance,omitempty"`
	At       float64 `json:"at_seconds"` // since the start of the run; negative before
	Knob     string  `json:"knob"`
	Subject  string  `json:"subject,omitempty"` // a table, or the SQL of a statement
	Text     string  `json:"text"`              // the former value and the new one
	Reason   string  `json:"reason"`
	Figure   string  `json:"figure,omitempty"` // what it was meant to lower, with its unit

	Before *float64 `json:"before,omitempty"`
	After  *float64 `json:"after,omitempty"`
	// The mean times of all requests, in milliseconds.
	RequestBefore *float64 `json:"request_ms_before,omitempty"`
	RequestAfter  *float64 `json:"request_ms_after,omitempty"`

	Outcome string `json:"outcome"` // kept, reverted, failed, undone, advised, adapted; trying at the end of the run
	Note    string `json:"note,omitempty"`
}

// AddTuning adds the answer of an instance to /tuning, but for the actions that had ended before the run started. The
// server keeps the last 64.
func (e *Evidence) AddTuning(instance string, answer []byte, started time.Time) error {
	var in struct {
		Actions []struct {
			TuningAction
			At    time.Time `json:"at"`
			Ended time.Time `json:"ended"`
		} `json:"actions"`
	}
	err := json.Unmarshal(answer, &in)
	if err != nil {
		return fmt.Errorf("tuning: %w", err)
	}
	for _, one := range in.Actions {
		if !one.Ended.IsZero() && one.Ended.Before(started) {
			continue
		}
		a := one.TuningAction
		a.Instance, a.At = instance, one.At.Sub(started).Seconds()
		a.Subject = cut(a.Subject, maxStatementText)
		e.Tuning = append(e.Tuning, a)
	}
	return nil
}
