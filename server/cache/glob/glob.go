// Package glob matches names against Redis patterns: * matches any bytes, ? one byte, [abc], [a-c] and [^a] one byte of
// a class, and \ takes the next byte literally. (path.Match does not fit: its * stops at a slash, and the queries in
// the names of cache keys contain slashes.)
package glob

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLength is the longest pattern that [Compile] accepts, in bytes.
const MaxLength = 1024

// ErrPattern is returned by [Compile] when its argument is not a pattern.
var ErrPattern = errors.New("not a pattern")

// Pattern is a compiled pattern. It is safe for concurrent use.
type Pattern struct {
	text     string
	elements []element
}

// element matches one byte, or, if star is set, any number of any bytes.
type element struct {
	star bool
	set  [256 / 64]uint64
}

func (e *element) add(low, high byte) {
	for c := int(low); c <= int(high); c++ {
		e.set[c>>6] |= 1 << (c & 63)
	}
}

func (e *element) has(c byte) bool { return e.set[c>>6]&(1<<(c&63)) != 0 }

// Compile parses a pattern of 1 to [MaxLength] bytes. It returns [ErrPattern], wrapped in what is wrong, also for
// malformed patterns that Redis accepts, such as a class without an end.
func Compile(pattern string) (*Pattern, error) {
	if pattern == "" || len(pattern) > MaxLength {
		return nil, fmt.Errorf("%w: a pattern has 1 to %d bytes, this one has %d", ErrPattern, MaxLength, len(pattern))
	}
	p := &Pattern{text: pattern}
	for rest := pattern; rest != ""; {
		var next element
		var err error
		next, rest, err = nextElement(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %.60q: %w", ErrPattern, pattern, err)
		}
		if !next.star || len(p.elements) == 0 || !p.elements[len(p.elements)-1].star {
			p.elements = append(p.elements, next)
		}
	}
	return p, nil
}

func nextElement(s string) (e element, rest string, err error) {
	switch s[0] {
	case '*':
		return element{star: true}, s[1:], nil
	case '?':
		e.add(0, 255)
		return e, s[1:], nil
	case '[':
		return class(s[1:])
	case '\\':
		s = s[1:]
		if s == "" {
			return e, "", errors.New(`it ends with \, which takes the next byte literally`)
		}
	}
	e.add(s[0], s[0])
	return e, s[1:], nil
}

var errOpenClass = errors.New("a [ has no ]")

// class parses a class after its opening bracket.
func class(s string) (e element, rest string, err error) {
	s, not := strings.CutPrefix(s, "^")
	for {
		if s == "" {
			return e, "", errOpenClass
		}
		if s[0] == ']' {
			break
		}
		var low, high byte
		low, s, err = classByte(s)
		high = low
		if err == nil && len(s) > 1 && s[0] == '-' && s[1] != ']' {
			high, s, err = classByte(s[1:])
		}
		if err != nil {
			return e, "", err
		}
		e.add(min(low, high), max(low, high))
	}
	if not {
		for i := range e.set {
			e.set[i] = ^e.set[i]
		}
	}
	return e, s[1:], nil
}

func classByte(s string) (c byte, rest string, err error) {
	if s[0] == '\\' {
		s = s[1:]
	}
	if s == "" {
		return 0, "", errOpenClass
	}
	return s[0], s[1:], nil
}

// Match reports whether the whole name matches. It takes time proportional to len(name) times the length of the pattern
// at most: only the last * is ever retried.
func (p *Pattern) Match(name []byte) bool {
	element, at := 0, 0
	star, resume := -1, 0
	for at < len(name) {
		switch {
		case element < len(p.elements) && p.elements[element].star:
			star, resume = element, at
			element++
		case element < len(p.elements) && p.elements[element].has(name[at]):
			element++
			at++
		case star >= 0:
			resume++
			element, at = star+1, resume
		default:
			return false
		}
	}
	for element < len(p.elements) && p.elements[element].star {
		element++
	}
	return element == len(p.elements)
}

// Prefix returns the literal bytes that every match begins with.
func (p *Pattern) Prefix() string {
	if i := strings.IndexAny(p.text, `*?[\`); i >= 0 {
		return p.text[:i]
	}
	return p.text
}

// String returns the pattern as it was compiled.
func (p *Pattern) String() string { return p.text }
