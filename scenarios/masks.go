package scenarios

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// mask is a value of a source that is secret, however short or common its text is.
type mask struct {
	n  *node
	of func(value string) string // without its secrets
}

// maskedHeader masks the value of a header, except for its scheme, holes and variables.
func maskedHeader(name string) func(value string) string {
	return func(value string) string {
		scheme, secret := splitScheme(name, value)
		return scheme + maskedText(secret)
	}
}

// mask hides a value in what is shown of its source.
func (r *reader) mask(n *node, of func(value string) string) {
	if n.kind == scalar && !n.null {
		r.masks = append(r.masks, mask{n, of})
	}
}

// maskSource tells the redactor how to show a source in which values were masked: that of the file or override of a
// place. before is what stands before the source in the text that is shown: the key of an override.
func (r *reader) maskSource(of place, before, src string) {
	starts := []int{0, 0} // of the lines, which are counted from 1
	for i := range len(src) {
		if src[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	type part struct {
		from, to int
		text     string
	}
	var parts []part
	for _, m := range r.masks {
		if m.n.at.override != of.override || m.n.at.file != of.file || m.n.at.line >= len(starts) {
			continue
		}
		at := starts[m.n.at.line]
		for range m.n.at.column - 1 {
			_, size := utf8.DecodeRuneInString(src[at:])
			at += size
		}
		if from, to := scalarAt(src, at, m.n); from < to {
			parts = append(parts, part{from, to, maskedLines(src[from:to], m.of)})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	last := 0
	for _, p := range parts {
		if p.from >= last { // else it was read twice
			b.WriteString(src[last:p.from] + p.text)
			last = p.to
		}
	}
	if last > 0 {
		r.secrets.maskText(before+src, before+b.String()+src[last:])
	}
}

// maskedLines masks a text line by line, each with its indentation.
func maskedLines(text string, of func(string) string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		value := strings.TrimSpace(line)
		at := strings.Index(line, value)
		b.WriteString(line[:at] + of(value) + line[at+len(value):])
		of = maskedText // the scheme of a header is in its first line
	}
	return b.String()
}

// scalarAt is where the text of a single value stands that begins at a byte, without its quotes; nowhere when it is not
// there.
func scalarAt(src string, at int, n *node) (from, to int) {
	if at >= len(src) {
		return 0, 0
	}
	rest := src[at:]
	switch c := rest[0]; c {
	case '"', '\'':
		return at + 1, at + quotedEnd(rest)
	case '|', '>':
		return blockAt(src, at)
	}
	if text := cmp.Or(n.raw, n.written, n.text); strings.HasPrefix(rest, text) {
		return at, at + len(text)
	}
	return 0, 0
}

// quotedEnd is the index of the quote that ends a text in quotes.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\', s[0] == '\'' && strings.HasPrefix(s[i:], "''"):
			i++
		case s[i] == s[0]:
			return i
		}
	}
	return len(s)
}

// blockAt is where the lines of a block stand whose sign is at a byte: those that are indented as the first one is.
func blockAt(src string, at int) (from, to int) {
	line := func(i int) int { // the end of the line of i
		if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
			return i + n + 1
		}
		return len(src)
	}
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	least := -1
	for i := line(at); i < len(src); i = line(i) {
		s := strings.TrimRight(src[i:line(i)], "\r\n")
		if strings.TrimSpace(s) == "" {
			continue
		}
		if least < 0 {
			least, from = indent(s), i+indent(s)
		}
		if indent(s) < least {
			break
		}
		to = i + len(s)
	}
	return from, to
}
