package store

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is an error in an object from a client, or in the element at Index of a batch.
type Fault struct {
	Index   int    `json:"index"`
	Field   string `json:"field,omitempty"` // empty if not about one field
	Message string `json:"error"`
}

// ValidationError lists why a change was refused. No part of the change was made.
type ValidationError struct{ Faults []Fault }

// Error returns the number of faults and the first one.
func (e *ValidationError) Error() string {
	return fmt.Sprintf("%d faults, the first at index %d: %s", len(e.Faults), e.Faults[0].Index, e.Faults[0].Message)
}

// refusal is the [*ValidationError] for faults, or nil when there are none.
func refusal(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &ValidationError{Faults: faults}
}

// faultList collects the faults of one object.
type faultList []Fault

func (l *faultList) add(field, wrong string) { l.within(field, field+" "+wrong) }

// within adds a fault of a part of a field, which the message names.
func (l *faultList) within(field, message string) {
	*l = append(*l, Fault{Field: field, Message: message})
}

// text requires a text of the usual length.
func (l *faultList) text(field, value string) { l.textUpTo(maxText, field, value) }

func (l *faultList) textUpTo(limit int, field, value string) {
	if value == "" {
		l.add(field, "is missing")
	} else if wrong := textFault(value, limit); wrong != "" {
		l.add(field, wrong)
	}
}

func (l *faultList) oneOf(field, value string, known []string) {
	if !slices.Contains(known, value) {
		l.add(field, fmt.Sprintf("is %.40q; it must be one of %s", value, strings.Join(known, ", ")))
	}
}

// at says which element of a batch the faults are about.
func (l faultList) at(index int) []Fault {
	for i := range l {
		l[i].Index = index
	}
	return l
}
