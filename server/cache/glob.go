package cache

import (
	"errors"
	"fmt"
	"strings"
)

// glob is a pattern as Redis has them: * any bytes, ? one byte, [abc], [a-c] and [^a] one of a class, \ takes the next
// byte as it is. (path.Match does not let * match a slash, and names have slashes in their queries.)
type glob struct {
	pattern string
	parts   []globPart
}

// globPart matches one byte, or, if star is set, any number of any bytes.
type globPart struct {
	star bool
	set  [256 / 64]uint64
}

func (p *globPart) add(low, high byte) {
	for c := int(low); c <= int(high); c++ {
		p.set[c>>6] |= 1 << (c & 63)
	}
}

func (p *globPart) has(c byte) bool { return p.set[c>>6]&(1<<(c&63)) != 0 }

// ErrPattern is returned by [Cache.InvalidatePattern] for what is no pattern.
var ErrPattern = errors.New("not a pattern")

// maxPattern bounds a pattern, in bytes.
const maxPattern = 1024

// compileGlob reads a pattern. What Redis would take though it makes no sense is an error here.
func compileGlob(pattern string) (*glob, error) {
	if pattern == "" || len(pattern) > maxPattern {
		return nil, fmt.Errorf("%w: a pattern has 1 to %d bytes, this one %d", ErrPattern, maxPattern, len(pattern))
	}
	g := &glob{pattern: pattern}
	for rest := pattern; rest != ""; {
		var part globPart
		var err error
		part, rest, err = nextGlobPart(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %.60q: %w", ErrPattern, pattern, err)
		}
		if !part.star || len(g.parts) == 0 || !g.parts[len(g.parts)-1].star {
			g.parts = append(g.parts, part)
		}
	}
	return g, nil
}

func nextGlobPart(s string) (part globPart, rest string, err error) {
	switch s[0] {
	case '*':
		return globPart{star: true}, s[1:], nil
	case '?':
		part.add(0, 255)
		return part, s[1:], nil
	case '[':
		return globClass(s[1:])
	case '\\':
		if s = s[1:]; s == "" {
			return part, "", errors.New(`it ends with \, which takes the next byte as it is`)
		}
	}
	part.add(s[0], s[0])
	return part, s[1:], nil
}

// globClass reads a class after its opening bracket.
func globClass(s string) (part globPart, rest string, err error) {
	s, not := strings.CutPrefix(s, "^")
	for {
		if s == "" {
			return part, "", errors.New("a [ has no ]")
		}
		if s[0] == ']' {
			break
		}
		var low byte
		if low, s, err = classByte(s); err != nil {
			return part, "", err
		}
		high := low
		if len(s) > 1 && s[0] == '-' && s[1] != ']' {
			if high, s, err = classByte(s[1:]); err != nil {
				return part, "", err
			}
		}
		part.add(min(low, high), max(low, high))
	}
	if not {
		for i := range part.set {
			part.set[i] = ^part.set[i]
		}
	}
	return part, s[1:], nil
}

func classByte(s string) (c byte, rest string, err error) {
	if s[0] == '\\' {
		s = s[1:]
	}
	if s == "" {
		return 0, "", errors.New("a [ has no ]")
	}
	return s[0], s[1:], nil
}

// matches takes a time of at most len(name) times the number of parts: only the last * is ever tried again.
func (g *glob) matches(name []byte) bool {
	part, at := 0, 0
	star, resume := -1, 0
	for at < len(name) {
		switch {
		case part < len(g.parts) && g.parts[part].star:
			star, resume = part, at
			part++
		case part < len(g.parts) && g.parts[part].has(name[at]):
			part++
			at++
		case star >= 0:
			resume++
			part, at = star+1, resume
		default:
			return false
		}
	}
	for part < len(g.parts) && g.parts[part].star {
		part++
	}
	return part == len(g.parts)
}

// prefix is what every match begins with.
func (g *glob) prefix() string {
	if i := strings.IndexAny(g.pattern, `*?[\`); i >= 0 {
		return g.pattern[:i]
	}
	return g.pattern
}
