package scenarios

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSONPath leads from the top of a JSON document to one value of it.
type JSONPath []JSONStep

// JSONStep goes into a member of an object or, when IsIndex is true, an element of an array.
type JSONStep struct {
	Key     string
	Index   int // from 0; a negative one counts from the end: -1 is the last
	IsIndex bool
}

// maxJSONSteps bounds the depth of a path.
const maxJSONSteps = 32

// String writes the path such that it reads as the same again: $.items[0]['a b'].
func (p JSONPath) String() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, step := range p {
		switch {
		case step.IsIndex:
			b.WriteString("[" + strconv.Itoa(step.Index) + "]")
		case isMemberName(step.Key):
			b.WriteString("." + step.Key)
		default:
			b.WriteString("['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(step.Key) + "']")
		}
	}
	return b.String()
}

// parseJSONPath reads the part of JSONPath (RFC 9535) that leads to at most one value:
//
//	path    = "$" , { segment } ;
//	segment = "." , name | "[" , ( index | quoted ) , "]" ;
//	name    = ( letter | "_" ) , { letter | "_" | digit } ;
//	index   = [ "-" ] , digit , { digit } ;
//	quoted  = "'" , { character } , "'" | '"' , { character } , '"' ;
//
// where a letter is also every character beyond ASCII, and within quotes a backslash makes the character after it an
// ordinary one.
func parseJSONPath(s string) (JSONPath, error) {
	rest, found := strings.CutPrefix(s, "$")
	if !found {
		return nil, &syntaxError{"a JSON path begins with $", "write it as $.items[0].id"}
	}
	path := JSONPath{}
	for rest != "" {
		if len(path) == maxJSONSteps {
			return nil, &syntaxError{"the JSON path has more than " + strconv.Itoa(maxJSONSteps) + " steps", ""}
		}
		var step JSONStep
		var err error
		if rest[0] == '.' {
			step, rest, err = cutMember(path, rest[1:])
		} else if rest[0] == '[' {
			step, rest, err = cutBracket(rest[1:])
		} else {
			err = &syntaxError{
				"the JSON path goes on with neither . nor [ at " + strconv.Quote(shortened(rest)),
				bracketed(path, rest),
			}
		}
		if err != nil {
			return nil, err
		}
		path = append(path, step)
	}
	return path, nil
}

// bracketed says how a path is written whose last name, a member's, goes on with what no name has.
func bracketed(path JSONPath, rest string) string {
	end := strings.IndexAny(rest+".", ".[")
	const longest = 200 // that anybody wrote
	if len(path) == 0 || path[len(path)-1].IsIndex || len(rest) > longest {
		return "write it as $.items[0].id"
	}
	path = slices.Clone(path)
	path[len(path)-1].Key += rest[:end]
	for rest = rest[end:]; rest != "" && rest[0] == '.'; rest = rest[end:] { // the names behind it
		end = 1 + strings.IndexAny(rest[1:]+".", ".[")
		path = append(path, JSONStep{Key: rest[1:end]})
	}
	return "write it as " + path.String() + rest
}

const oneValue = "a path leads to one value: .name, ['name'] or [0]; there are no wildcards, filters, slices or .."

func cutMember(path JSONPath, s string) (JSONStep, string, error) {
	end := 0
	for end < len(s) {
		c, size := utf8.DecodeRuneInString(s[end:])
		if !isMemberChar(c, end == 0) {
			break
		}
		end += size
	}
	if end == 0 {
		hint := oneValue
		if s != "" && '0' <= s[0] && s[0] <= '9' {
			hint = bracketed(append(path, JSONStep{}), s)
		}
		return JSONStep{}, "", &syntaxError{"the JSON path has no name after the point at " +
			strconv.Quote(shortened(s)), hint}
	}
	return JSONStep{Key: s[:end]}, s[end:], nil
}

func isMemberChar(c rune, first bool) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf && c != utf8.RuneError ||
		!first && '0' <= c && c <= '9'
}

func isMemberName(s string) bool {
	for i, c := range s {
		if !isMemberChar(c, i == 0) {
			return false
		}
	}
	return s != ""
}

func cutBracket(s string) (JSONStep, string, error) {
	if s != "" && (s[0] == '\'' || s[0] == '"') {
		return cutQuoted(s[1:], s[0])
	}
	inner, rest, closed := strings.Cut(s, "]")
	index, err := strconv.Atoi(inner)
	const farthest = 1_000_000
	if !closed || err != nil || index > farthest || index < -farthest || strings.HasPrefix(inner, "+") {
		return JSONStep{}, "", &syntaxError{"[" + shortened(s) + " is not an index of a JSON path", oneValue}
	}
	return JSONStep{Index: index, IsIndex: true}, rest, nil
}

func cutQuoted(s string, quote byte) (JSONStep, string, error) {
	var key strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i < len(s) {
				key.WriteByte(s[i])
			}
		case quote:
			if rest, closed := strings.CutPrefix(s[i+1:], "]"); closed {
				return JSONStep{Key: key.String()}, rest, nil
			}
			return JSONStep{}, "", &syntaxError{"a name in brackets is not closed by ] in the JSON path", oneValue}
		default:
			key.WriteByte(s[i])
		}
	}
	return JSONStep{}, "", &syntaxError{"a quote is not closed in the JSON path", oneValue}
}

func shortened(s string) string {
	const longest = 40
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}
