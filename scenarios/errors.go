package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one fault of a scenario file or of an override.
type Error struct {
	File    string // as given to Read or Parse; for a fault of an override "--set key=value"
	Line    int    // from 1; 0 for a fault of an override
	Column  int    // from 1, in characters; 0 for a fault of an override
	Message string // what is wrong
	Hint    string // what to do; may be empty
}

// Error is the fault in one line: smoke.yaml:12:5: unknown key "ratee" in scenarios.warm; did you mean "rate"?
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Errors are all faults that were found: those of the file by line and column, then those of overrides.
type Errors []Error

// Error has one line for every fault.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, fault := range e {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns every fault as an error of its own.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, fault := range e {
		all[i] = fault
	}
	return all
}

// sorted puts the faults into the order of the file and drops repetitions: what an anchor holds is read once for every
// alias.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(
			cmp.Compare(min(b.Line, 1), min(a.Line, 1)), // overrides, which have line 0, come last
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		)
	})
	return slices.Compact(e)
}

// suggest says which word was probably meant. If none comes near, it lists the words that are known.
func suggest(word string, valid []string) string {
	if near := Nearest(word, valid); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	switch len(valid) {
	case 0:
		return ""
	case 1:
		return "only " + valid[0] + " is known here"
	}
	const most = 50 // that anybody reads
	if rest := len(valid) - most; rest > 0 {
		return fmt.Sprintf("known are %s and %d more", strings.Join(valid[:most], ", "), rest)
	}
	return "known are " + strings.Join(valid, ", ")
}

// suggester suggests words of lists that are as long as the file makes them.
type suggester struct{ compared int }

// maxCompared bounds how many words all of a file's typing errors are held against together.
const maxCompared = 100_000

// suggest is the function of this name until that many have been compared, and then nothing.
func (s *suggester) suggest(word string, valid []string) string {
	s.compared += len(valid)
	if s.compared > maxCompared {
		return ""
	}
	return suggest(word, valid)
}

// Nearest returns the valid word that differs from word in at most one letter or a third of its letters, or "".
func Nearest(word string, valid []string) string {
	const longest = 100 // no valid word is that long, and the distance of long words costs time
	if len(word) < 2 || len(word) > longest {
		return ""
	}
	best, bestDistance := "", max(1, len(word)/3)+1
	for _, v := range valid {
		if d := distance(strings.ToLower(word), strings.ToLower(v)); d < bestDistance {
			best, bestDistance = v, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours that turn a into b, where no
// part is edited twice: the "optimal string alignment" variant of F. J. Damerau, "A technique for computer detection
// and correction of spelling errors", Comm. ACM 7 (1964).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1) // the rows for a[:i-1] and a[:i]
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
