package scenarios

import (
	"slices"
	"strings"
)

// Feeder is a file of rows that values are taken from. All values of one iteration come from the same row.
type Feeder struct {
	Name     string
	Format   FeederFormat
	File     string // as written: relative to the scenario file
	Choice   Choice
	Exponent float64 // of Zipf

	Line, Column int // of its key csv or jsonl; 0 when an override or an included file gave it
}

// FeederFormat is how a feeder's file is written.
type FeederFormat string

// The formats of feeders.
const (
	CSV       FeederFormat = "csv"   // RFC 4180; the first line names the columns
	JSONLines FeederFormat = "jsonl" // a JSON document a line
)

var feederShape = &shape{
	keys:    []key{{"csv", value}, {"jsonl", value}, {"choice", value}, {"exponent", value}},
	foreign: map[string]string{"file": "use csv or jsonl", "json": "use jsonl: a JSON document a line"},
}

// readFeeders reads the section feeders.
func (r *reader) readFeeders(n *node) []Feeder {
	if n == nil {
		return nil
	}
	r.feedersVague = n.bad
	for _, e := range n.entries {
		r.name(e.at, "the feeder", e.key)
		f := Feeder{Name: e.key}
		if e.value.bad {
			r.feeders = append(r.feeders, f)
			continue
		}
		f.Choice, f.Exponent = r.choice(e.value)
		csv, jsonl := e.value.get("csv"), e.value.get("jsonl")
		if (csv == nil) == (jsonl == nil) {
			r.faultAt(e.value.keyAt, "for example csv: users.csv", "%s needs exactly one of csv and jsonl",
				e.value.path)
		}
		f.Format = CSV
		file := csv
		if csv == nil {
			f.Format, file = JSONLines, jsonl
		}
		if given(file) {
			f.File = r.beside(file)
			if file.keyAt.override == "" && file.keyAt.file == "" {
				f.Line, f.Column = file.keyAt.line, file.keyAt.column
			}
			if strings.TrimSpace(file.text) == "" {
				r.fault(file, "", "%s names no file", file.path)
			}
		}
		r.feeders = append(r.feeders, f)
	}
	return r.feeders
}

// feederKeys reads a value that takes a column of a feeder's rows.
func (r *reader) feederKeys(n, source *node) FeederKeys {
	for _, key := range []string{"choice", "exponent"} {
		if c := n.get(key); c != nil {
			r.faultAt(c.keyAt, "write it there: all values of an iteration come from the same row",
				"%s belongs to the feeder", c.path)
		}
	}
	keys := FeederKeys{Feeder: source.text}
	i := slices.IndexFunc(r.feeders, func(f Feeder) bool { return f.Name == source.text })
	if i < 0 {
		var names []string
		for _, f := range r.feeders {
			names = append(names, f.Name)
		}
		if !r.feedersVague {
			r.fault(source, r.suggest(source.text, names), "%s: there is no feeder %.120q under feeders", source.path,
				source.text)
		}
		return keys
	}
	if r.fed == nil {
		r.fed = map[string]bool{}
	}
	r.fed[source.text] = true
	column, field := n.get("column"), n.get("field")
	switch {
	case column != nil && field != nil || column == nil && field == nil:
		r.faultAt(n.keyAt, "column names one of a csv file, field one of jsonl",
			"%s needs either column or field", n.path)
	case column != nil && r.feeders[i].Format == JSONLines && r.feeders[i].File != "":
		r.faultAt(column.keyAt, "use field with a JSON path: field: $.id",
			"%s: the feeder %s is JSON lines, which have no columns", column.path, source.text)
	case field != nil && r.feeders[i].Format == CSV:
		r.faultAt(field.keyAt, "use column", "%s: the feeder %s is CSV, which has columns", field.path, source.text)
	case column != nil:
		keys.Column = column.text
		if given(column) && column.text == "" {
			r.fault(column, "", "%s is empty", column.path)
		}
	default:
		keys.Field = r.jsonPath(field)
	}
	return keys
}

// unusedFeeders reports feeders that no value takes anything from.
func (r *reader) unusedFeeders(n *node) {
	if n == nil || r.vague || len(r.errs) > 0 {
		return
	}
	for _, e := range n.entries {
		if !r.fed[e.key] {
			r.faultAt(e.at, "remove it, or take a value from it: {feeder: "+e.key+", column: …}",
				"the feeder %s is used nowhere", e.key)
		}
	}
}
