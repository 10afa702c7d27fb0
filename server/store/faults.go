package store

import (
	"fmt"
	"slices"
	"strings"
)

// faultList collects what is wrong with the fields of one thing.
type faultList []Fault

func (l *faultList) add(field, wrong string) {
	*l = append(*l, Fault{Field: field, Message: field + " " + wrong})
}

// text demands a text of the usual length.
func (l *faultList) text(field, value string) {
	if value == "" {
		l.add(field, "is missing")
	} else if wrong := textFault(value, maxText); wrong != "" {
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
