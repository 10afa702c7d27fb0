package request

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/recording"
	"github.com/policycortex/headroom/scenarios"
)

// Feeders are the rows of a plan's feeders, by name.
type Feeders map[string]*feeder

// feeder holds what the plan takes of a file's rows: the memory is that of these values and 16 bytes for each.
type feeder struct {
	plan    scenarios.Feeder
	rows    int
	columns map[string][]string // by the name of a CSV column or the path of a JSON lines field
	// of the file's text, decompressed, in hexadecimal digits, but for a mark at its beginning
	sha256 string
}

// maxRows bounds a feeder.
const maxRows = 10_000_000

// maxLine bounds a line of JSON lines, in bytes.
const maxLine = 1 << 20

// LoadFeeders reads the files of a plan's feeders; their names are relative to the scenario file. Errors begin with the
// file and, where there is one, the line; that of a file that cannot be opened is of type [scenarios.Errors].
func LoadFeeders(ctx context.Context, plan *scenarios.Plan) (Feeders, error) {
	feeders := Feeders{}
	var faults []error
	for _, f := range plan.Feeders {
		loaded, err := loadFeeder(ctx, f, besideScenario(plan, f.File), wantedOf(plan, f.Name))
		if cannotOpen(err) {
			faults = append(faults, faultAt(plan, f.Line, f.Column, err))
		} else if err != nil {
			faults = append(faults, fmt.Errorf("%w (feeder %s)", err, f.Name))
		}
		feeders[f.Name] = loaded
	}
	return feeders, errors.Join(faults...)
}

// Sums are the SHA-256 of the files, by the feeder's name; nil without feeders.
func (fs Feeders) Sums() map[string]string {
	if len(fs) == 0 {
		return nil
	}
	all := make(map[string]string, len(fs))
	for name, f := range fs {
		all[name] = f.sha256
	}
	return all
}

// wanted is a column or field that the plan takes.
type wanted struct {
	name   string
	path   scenarios.JSONPath // of a field
	header bool               // it goes into a header, where it cannot have control characters
}

func wantedOf(plan *scenarios.Plan, feeder string) []wanted {
	var all []wanted
	for r := range plan.AllRequests() {
		for _, v := range r.Values {
			keys, ok := v.Keys.(scenarios.FeederKeys)
			if !ok || keys.Feeder != feeder {
				continue
			}
			w := wanted{keys.Name(), keys.Field, inHeader(r, v.Name)}
			if k := slices.IndexFunc(all, func(other wanted) bool { return other.name == w.name }); k >= 0 {
				all[k].header = all[k].header || w.header
			} else {
				all = append(all, w)
			}
		}
	}
	return all
}

func inHeader(r *scenarios.Request, value string) bool {
	return slices.ContainsFunc(r.Headers, func(h scenarios.Header) bool {
		return slices.ContainsFunc(h.Value, func(p scenarios.Part) bool { return p.Value == value })
	})
}

func loadFeeder(ctx context.Context, plan scenarios.Feeder, path string, want []wanted) (*feeder, error) {
	file, err := recording.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f := &feeder{plan: plan, columns: map[string][]string{}}
	in, err := recording.Text(file)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", path, err)
	}
	hash := sha256.New()
	hashed := io.TeeReader(in, hash)
	if plan.Format == scenarios.CSV {
		err = f.readCSV(hashed, path, want)
	} else {
		err = f.readJSONLines(hashed, path, want)
	}
	f.sha256 = hex.EncodeToString(hash.Sum(nil))
	if err == nil && f.rows == 0 {
		err = fmt.Errorf("%s: it has no rows", path)
	}
	return f, err
}

func (f *feeder) readCSV(in io.Reader, path string, want []wanted) error {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: it is empty; its first line must name the columns", path)
	}
	if err != nil {
		return csvFault(path, err, 0)
	}
	if err := checkRow(head, path, r); err != nil {
		return err
	}
	head = slices.Clone(head)
	index := make([]int, len(want))
	for i, w := range want {
		index[i] = slices.Index(head, w.name)
		if index[i] < 0 && len(head) == 1 {
			return fmt.Errorf("%s:1: there is no column %q; there is one alone, %q: fields are separated by commas",
				path, w.name, head[0])
		}
		if index[i] < 0 {
			return fmt.Errorf("%s:1: there is no column %q; there are %s", path, w.name, strings.Join(head, ", "))
		}
		if slices.Index(head[index[i]+1:], w.name) >= 0 {
			return fmt.Errorf("%s:1: there are two columns %q", path, w.name)
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvFault(path, err, len(head))
		}
		if err := checkRow(row, path, r); err != nil {
			return err
		}
		for i, w := range want {
			line, _ := r.FieldPos(index[i])
			if err := f.add(w, row[index[i]], path, line); err != nil {
				return err
			}
		}
		f.rows++
		if f.rows > maxRows {
			return fmt.Errorf("%s: it has more than %d rows", path, maxRows)
		}
	}
}

// notUTF8 is what a line has that would be sent as other bytes than any service expects.
const notUTF8 = "the line has a byte that is not UTF-8: iconv -f ISO-8859-1 -t UTF-8 FILE, or from the encoding " +
	"that it has"

func checkRow(row []string, path string, r *csv.Reader) error {
	for i, field := range row {
		if !utf8.ValidString(field) {
			line, _ := r.FieldPos(i)
			return fmt.Errorf("%s:%d: %s", path, line, notUTF8)
		}
	}
	return nil
}

// csvFault says where a file is not CSV.
func csvFault(path string, err error, columns int) error {
	var fault *csv.ParseError
	if !errors.As(err, &fault) {
		return fmt.Errorf("%s: %w", path, err)
	}
	if errors.Is(fault.Err, csv.ErrFieldCount) {
		return fmt.Errorf("%s:%d: the row does not have the %d fields that the first line names", path, fault.StartLine,
			columns)
	}
	return fmt.Errorf("%s:%d:%d: %w", path, fault.Line, fault.Column, fault.Err)
}

func (f *feeder) readJSONLines(in io.Reader, path string, want []wanted) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() && lines.Err() == nil {
		number++
		line := lines.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			return fmt.Errorf("%s:%d: %s", path, number, notUTF8)
		}
		if !gjson.ValidBytes(line) {
			return fmt.Errorf("%s:%d: the line is not a JSON document%s", path, number, hintOf(line))
		}
		document := gjson.ParseBytes(line)
		for _, w := range want {
			v, found := lookUp(document, w.path)
			if !found {
				return fmt.Errorf("%s:%d: there is no %s%s", path, number, w.name, hintOf(line))
			}
			if !isPlain(v) {
				return fmt.Errorf("%s:%d: %s is %s and not a text, a number, true or false", path, number, w.name,
					kindOf(v))
			}
			if err := f.add(w, textOf(v), path, number); err != nil {
				return err
			}
		}
		f.rows++
		if f.rows > maxRows {
			return fmt.Errorf("%s: it has more than %d rows", path, maxRows)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", path, number+1, err)
	}
	return nil
}

// arrayHint is what to do with a file that is one JSON array.
const arrayHint = "; a row of a JSON array is to be a line of its own: jq -c '.[]' FILE"

// hintOf helps where a line is, or begins, the whole file's array.
func hintOf(line []byte) string {
	if bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")) {
		return arrayHint
	}
	return ""
}

// isPlain reports whether a JSON value can fill a hole.
func isPlain(v gjson.Result) bool { return v.Type != gjson.Null && v.Type != gjson.JSON }

func kindOf(v gjson.Result) string {
	switch {
	case v.IsArray():
		return "an array"
	case v.IsObject():
		return "an object"
	}
	return "null"
}

func (f *feeder) add(w wanted, value, path string, line int) error {
	if w.header && hasControl(value) {
		return fmt.Errorf("%s:%d: %s goes into a header, and has a line break or control character", path, line, w.name)
	}
	f.columns[w.name] = append(f.columns[w.name], strings.Clone(value)) // not the whole row with it
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// keys is the set of a column's values.
func (f *feeder) keys(column string) (KeySet, error) {
	values, ok := f.columns[column]
	if !ok {
		return KeySet{}, fmt.Errorf("feeder %s was loaded without %s", f.plan.Name, column)
	}
	return KeySet{len(values), func(dst []byte, i int) []byte { return append(dst, values[i]...) }}, nil
}

// rowChoice picks the row of a feeder for each iteration of a scenario. It depends on the seed, the scenario and the
// feeder alone, so that all values of an iteration are of one row.
type rowChoice struct {
	seed   uint64
	rows   int
	choice scenarios.Choice
	zipf   random.Zipf
}

func newRowChoice(seed uint64, f *feeder) *rowChoice {
	c := &rowChoice{seed: random.ScenarioSeed(seed, "feeder "+f.plan.Name), rows: f.rows, choice: f.plan.Choice}
	if c.choice == scenarios.Zipf {
		c.zipf = random.NewZipf(f.rows, f.plan.Exponent)
	}
	return c
}

func (c *rowChoice) row(n int64) int {
	if c.choice == scenarios.Sequential {
		return int(n % int64(c.rows))
	}
	r := random.ForIteration(c.seed, n)
	if c.choice == scenarios.Zipf {
		return c.zipf.Rank(&r) - 1
	}
	return r.Below(c.rows)
}
