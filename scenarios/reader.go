package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// reader turns nodes that passed checkShape into a Plan and collects what is wrong with them. Its methods take a nil
// node for a key that is not there and a bad one for a key that was reported before; for both they return the fallback.
type reader struct {
	suggester
	file string
	errs Errors
	// vague is set when a fault may hide names or tags of requests: selectors cannot be held against them then.
	vague bool
	// feeders are those of the file, known before its values are read; fed are those that a value takes from.
	feeders      []Feeder
	feedersVague bool // a fault may hide some
	fed          map[string]bool

	shared shared

	// calling is set while a request is read that is a call of gRPC; callsOnly when the target's address says that it
	// takes nothing else.
	calling, callsOnly bool

	// regional is set when the environment has regions; regionNames are those that were read.
	regional    bool
	regionNames []string

	lookup       Lookup
	variables    map[string]string // those that values named
	hidden       map[string]bool   // those of them that are secrets
	secretValues map[string]bool   // values that stand in secrets, by name
	secrets      *Redactor
	masks        []mask
	saved        bool       // the file is that of a saved run, whose secrets are not there
	recorded     []Included // of a saved run: the files that it included
	expands      bool       // variables are replaced
	included     []Included // the files that were, in the order in which they were read
}

func (r *reader) faultAt(at place, hint, format string, args ...any) {
	for i, arg := range args { // before they are cut
		switch arg := arg.(type) {
		case string:
			args[i] = r.secrets.Text(arg)
		case error:
			args[i] = r.secrets.Text(arg.Error())
		}
	}
	fault := r.errorAt(at)
	fault.Message, fault.Hint = r.secrets.Text(fmt.Sprintf(format, args...)), r.secrets.Text(hint)
	r.errs = append(r.errs, fault)
}

// errorAt is an error at a place that says nothing yet.
func (r *reader) errorAt(at place) Error {
	switch {
	case at.override != "":
		return Error{File: "--set " + r.secrets.Override(at.override)}
	case at.file != "":
		return Error{File: at.file, Line: at.line, Column: at.column}
	}
	return Error{File: r.file, Line: at.line, Column: at.column}
}

func (r *reader) fault(n *node, hint, format string, args ...any) {
	r.faultAt(n.at, hint, format, args...)
}

// missing reports that a mapping lacks a key.
func (r *reader) missing(in *node, key, example string) {
	r.faultAt(in.keyAt, "for example "+example, "%s needs %s", orFile(in.path), key)
}

func given(n *node) bool { return n != nil && !n.bad }

func (r *reader) text(n *node, fallback string) string {
	if !given(n) {
		return fallback
	}
	return n.text
}

// longestName bounds names, in bytes: they become parts of names of files.
const longestName = 100

const namePattern = `[A-Za-z0-9_-]+`

var isName = regexp.MustCompile(`^` + namePattern + `$`).MatchString

// name checks the name of something: it becomes a tag's value and part of a file's name.
func (r *reader) name(at place, what, name string) bool {
	if isName(name) && len(name) <= longestName {
		return true
	}
	r.faultAt(at, fmt.Sprintf("use letters, digits, - and _, at most %d", longestName), "%s %.120q is not a name",
		what, name)
	return false
}

// word reads one of the valid words.
func (r *reader) word(n *node, fallback string, valid []string) string {
	if !given(n) {
		return fallback
	}
	for _, v := range valid {
		if n.text == v {
			return v
		}
	}
	r.fault(n, suggest(n.text, valid), "%s cannot be %.120q", n.path, n.text)
	return fallback
}

func (r *reader) flag(n *node) bool {
	return r.word(n, "false", []string{"true", "false"}) == "true"
}

// number reads a number from lowest to highest, whole numbers that are both included. ok is false when there was none
// or it was wrong.
func (r *reader) number(n *node, lowest, highest float64) (x float64, ok bool) {
	if !given(n) {
		return 0, false
	}
	x, err := strconv.ParseFloat(n.text, 64)
	switch {
	case err != nil || math.IsNaN(x) || math.IsInf(x, 0):
		r.fault(n, "", "%s must be a number, not %.120q", n.path, n.text)
	case x < lowest || x > highest:
		r.fault(n, "", "%s is %s; it must be from %s to %s", n.path, n.text, grouped(int64(lowest)),
			grouped(int64(highest)))
	default:
		return x, true
	}
	return 0, false
}

// positive reads a number above 0.
func (r *reader) positive(n *node, highest float64) (x float64, ok bool) {
	x, ok = r.number(n, 0, highest)
	if ok && x == 0 {
		r.fault(n, "", "%s must be greater than 0", n.path)
		return 0, false
	}
	return x, ok
}

func (r *reader) whole(n *node, fallback, lowest, highest int64) int64 {
	if !given(n) {
		return fallback
	}
	x, err := strconv.ParseInt(n.text, 10, 64)
	switch {
	case err != nil:
		r.fault(n, "", "%s must be a whole number from %s to %s, not %.120q",
			n.path, grouped(lowest), grouped(highest), n.text)
	case x < lowest || x > highest:
		r.fault(n, "", "%s is %d; it must be from %s to %s", n.path, x, grouped(lowest), grouped(highest))
	default:
		return x
	}
	return fallback
}

// longest bounds every duration in a file.
const longest = 24 * time.Hour

// duration reads a duration from 0 to a day.
func (r *reader) duration(n *node, fallback time.Duration) time.Duration {
	if !given(n) {
		return fallback
	}
	d, err := time.ParseDuration(n.text)
	switch {
	case err != nil:
		hint := `write it as "30s", "1m30s" or "500ms"`
		if _, err := strconv.ParseFloat(n.text, 64); err == nil {
			hint = "add a unit: " + n.text + "s or " + n.text + "ms"
		}
		r.fault(n, hint, "%s must be a duration, not %.120q", n.path, n.text)
	case d < 0 || d > longest:
		r.fault(n, "", "%s is %s; it must be from 0 to 24h", n.path, n.text)
	default:
		return d
	}
	return fallback
}

// positiveDuration reads a duration above 0. ok is false when there was none or it was wrong.
func (r *reader) positiveDuration(n *node) (d time.Duration, ok bool) {
	const wrong = -1
	d = r.duration(n, wrong)
	if d == 0 {
		r.fault(n, "", "%s must be greater than 0", n.path)
	}
	return max(d, 0), d > 0
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"B", 1},
	{"", 1},
}

// size reads a number of bytes above 0: 64MiB, 64MB or 67108864.
func (r *reader) size(n *node) int64 {
	if !given(n) {
		return 0
	}
	const most = 1 << 50
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(n.text, unit.suffix)
		if !found {
			continue
		}
		x, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil {
			break
		}
		if x <= 0 || x > most/unit.bytes {
			r.fault(n, "", "%s is %s; it must be from 1 byte to 1024 TiB", n.path, n.text)
			return 0
		}
		return x * unit.bytes
	}
	r.fault(n, "write 64MiB, 64MB or a number of bytes", "%s must be a size, not %.120q", n.path, n.text)
	return 0
}
