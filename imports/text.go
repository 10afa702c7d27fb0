package imports

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

// part is a piece of a text: literal characters, a hole {{name}}, a variable of the environment, or a text in base64.
type part struct {
	literal, hole, variable string
	base64                  *text
}

// text is what is sent somewhere, with what fills it at run time.
type text []part

func plain(s string) text {
	if s == "" {
		return nil
	}
	return text{{literal: s}}
}

func hole(name string) text { return text{{hole: name}} }

func variable(name string) text { return text{{variable: name}} }

// inBase64 is a text in base64. It stays a part of its own, so that its credentials can be read again.
func inBase64(t text) text {
	if len(t) == 0 {
		return nil
	}
	return text{{base64: &t}}
}

// joined is one text after the other.
func joined(all ...text) text { return text(nil).and(all...) }

// and is a text with others behind it. It may change t, which must be the caller's own.
func (t text) and(all ...text) text {
	for _, one := range all {
		for _, p := range one {
			if last := len(t) - 1; last >= 0 && p.literal != "" && t[last].literal != "" {
				t[last].literal += p.literal
			} else if p != (part{}) {
				t = append(t, p)
			}
		}
	}
	return t
}

// string is the text with a sign in place of each part that is no literal, as names and messages have it.
func (t text) string() string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case p.hole != "":
			b.WriteString("{{" + p.hole + "}}")
		case p.variable != "":
			b.WriteString("${" + p.variable + "}")
		case p.base64 != nil && p.base64.isLiteral():
			b.WriteString(base64.StdEncoding.EncodeToString([]byte(p.base64.string())))
		case p.base64 != nil:
			b.WriteString("base64 of " + p.base64.string())
		default:
			b.WriteString(p.literal)
		}
	}
	return b.String()
}

// isLonger reports whether a text has more bytes than most; each part counts as some, too.
func (t text) isLonger(most int) bool { return t.room(most) < 0 }

// room is what is left of so many bytes, and below 0 once there is nothing left.
func (t text) room(left int) int {
	const ofPart = 16
	for _, p := range t {
		left -= len(p.literal) + ofPart
		if p.base64 != nil && left >= 0 {
			left = p.base64.room(left)
		}
		if left < 0 {
			break
		}
	}
	return left
}

// isLiteral reports whether nothing of the text is filled in.
func (t text) isLiteral() bool {
	return !slices.ContainsFunc(t, func(p part) bool {
		return p.hole != "" || p.variable != "" || p.base64 != nil && !p.base64.isLiteral()
	})
}

// mark stands for a part that is no literal while a text is searched: a character for private use, which no text of
// the web has.
const mark = '\ue000'

// flat is the text with a mark in place of each part that is no literal.
func (t text) flat() (s string, parts []part) {
	var b strings.Builder
	for _, p := range t {
		if p.literal != "" || p == (part{}) {
			b.WriteString(strings.ReplaceAll(p.literal, string(mark), "\ufffd"))
			continue
		}
		b.WriteRune(mark)
		parts = append(parts, p)
	}
	return b.String(), parts
}

// unflat is what flat made s of; parts that s has no mark for any more are dropped by number.
func unflat(s string, parts []part) (t text) {
	for i, literal := range strings.Split(s, string(mark)) {
		if i > 0 && i <= len(parts) {
			t = append(t, parts[i-1])
		}
		t = t.and(plain(literal))
	}
	return t
}

// replaced replaces what the groups of an expression match, where replace gives something for it; name is the first
// group, value the second. A value with a part that is no literal stays.
func (t text) replaced(pattern *regexp.Regexp, replace func(name, value string) text) text {
	s, parts := t.flat()
	var out text
	last, seen := 0, 0
	take := func(to int) {
		marks := strings.Count(s[last:to], string(mark))
		out = out.and(unflat(s[last:to], parts[seen:seen+marks]))
		seen, last = seen+marks, to
	}
	for _, m := range pattern.FindAllStringSubmatchIndex(s, -1) {
		name, value := s[m[2]:m[3]], s[m[4]:m[5]]
		if strings.ContainsRune(value, mark) || value == "" {
			continue
		}
		with := replace(name, value)
		if with == nil {
			continue
		}
		take(m[4])
		out = out.and(with)
		last = m[5]
	}
	take(len(s))
	return out
}

// eachFilled calls do for what the groups of an expression match where something of the value is filled in.
func (t text) eachFilled(pattern *regexp.Regexp, do func(name string, value text)) {
	s, parts := t.flat()
	for _, m := range pattern.FindAllStringSubmatchIndex(s, -1) {
		before, within := strings.Count(s[:m[4]], string(mark)), strings.Count(s[m[4]:m[5]], string(mark))
		if within > 0 {
			do(s[m[2]:m[3]], unflat(s[m[4]:m[5]], parts[before:before+within]))
		}
	}
}

// split cuts a text at the first of some bytes in its literals; the rest begins with it.
func (t text) split(at string) (before, rest text) {
	for i, p := range t {
		if k := strings.IndexAny(p.literal, at); k >= 0 {
			before = joined(t[:i], plain(p.literal[:k]))
			return before, joined(plain(p.literal[k:]), t[i+1:])
		}
	}
	return t, nil
}
