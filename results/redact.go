package results

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// Redact takes the secrets out of every text of the run, and what would control a terminal: see [Printable]. Its
// figures stay as they are.
func (r *Run) Redact(secrets *scenarios.Redactor) {
	r.Scenario.redact(secrets)
	w := redaction{secrets, map[string]string{}}
	w.value(reflect.ValueOf(r).Elem())
}

// Redact takes the secrets out of every text of the experiment, and what would control a terminal: see [Printable]. Its
// figures stay as they are.
func (e *Experiment) Redact(secrets *scenarios.Redactor) {
	e.Scenario.redact(secrets)
	w := redaction{secrets, map[string]string{}}
	w.value(reflect.ValueOf(e).Elem())
}

// redact takes the secrets out of the overrides, each of which says what its value is of.
func (s *Scenario) redact(secrets *scenarios.Redactor) {
	for i, override := range s.Overrides {
		s.Overrides[i] = secrets.Override(override)
	}
}

// redaction walks over a structure. Few texts of a run differ, and the same ones stand in it for every second.
type redaction struct {
	secrets *scenarios.Redactor
	known   map[string]string
}

func (w redaction) text(s string) string {
	clean, known := w.known[s]
	if !known {
		clean = Printable(w.secrets.Text(s))
		w.known[s] = clean
	}
	return clean
}

func (w redaction) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != "" {
			if clean := w.text(s); clean != s {
				v.SetString(clean)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*Histogram]() {
			w.value(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.value(v.Field(i))
			}
		}
	case reflect.Map:
		w.mapping(v)
	}
}

// mapping redacts the values of a mapping, and its keys, which are names and classes of errors.
func (w redaction) mapping(v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		return
	}
	for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()),
		func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		w.value(value)
		v.SetMapIndex(key, reflect.Value{})
		clean := reflect.New(v.Type().Key()).Elem()
		clean.SetString(w.text(key.String()))
		for n := 2; v.MapIndex(clean).IsValid(); n++ { // two that differ in the secret alone stay two
			clean.SetString(fmt.Sprintf("%s-%d", w.text(key.String()), n))
		}
		v.SetMapIndex(clean, value)
	}
}
