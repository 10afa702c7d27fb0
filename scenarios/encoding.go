package scenarios

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// Encoding is how a value is written into the text that has a hole for it.
type Encoding uint8

// The encodings.
const (
	ByPlace Encoding = iota // in a path ForURL, elsewhere Raw
	Raw                     // as it is; in a path, what no URL may have is percent-encoded nevertheless
	ForURL                  // percent-encoded but for the unreserved characters of RFC 3986
	ForForm                 // as application/x-www-form-urlencoded has it, a blank as "+"
	ForJSON                 // as the content of a string of JSON (RFC 8259, section 7)
)

// filters are the words of a hole that choose how its value is written: {{name|raw}}.
var filters = map[string]Encoding{"raw": Raw, "url": ForURL, "form": ForForm, "json": ForJSON}

// base64Filter turns a value into base64, which is then written as any value is.
const base64Filter = "base64"

// kept are the bytes that an encoding leaves as they are.
var kept = func() (table [ForJSON + 1][256]bool) {
	for c := range 256 {
		unreserved := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-._~", byte(c)) >= 0
		table[ByPlace][c], table[Raw][c] = true, true
		table[ForURL][c], table[ForForm][c] = unreserved, unreserved
		table[ForJSON][c] = c >= ' ' && c != '"' && c != '\\'
	}
	return table
}()

// Keeps reports whether a text is written as it is.
func (e Encoding) Keeps(text []byte) bool {
	for _, c := range text {
		if !kept[e][c] {
			return false
		}
	}
	return true
}

const upperHex = "0123456789ABCDEF"

// Append appends a text to dst as the encoding writes it.
func (e Encoding) Append(dst, text []byte) []byte {
	for _, c := range text {
		switch {
		case kept[e][c]:
			dst = append(dst, c)
		case e == ForJSON:
			dst = appendEscaped(dst, c)
		case e == ForForm && c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendEscaped appends a byte that no string of JSON has as it is.
func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
}

func (e Encoding) text(s string) string { return string(e.Append(nil, []byte(s))) }

// writing is how a template is written: its own text, and what fills its holes.
type writing struct {
	text, holes Encoding
	inURL       bool // ByPlace means ForURL
	json        bool // the text is JSON, and holes is of those within its strings: what fills the others stays as it is
}

// The writings of the places that have only one.
var (
	plainly  = writing{}
	inPath   = writing{inURL: true}
	inField  = writing{text: ForForm, holes: ForForm} // of a form
	inString = writing{text: ForJSON, holes: ForJSON} // of JSON, between its quotes
	asForm   = writing{holes: ForForm}                // as a whole
	asJSON   = writing{holes: ForJSON, json: true}    // likewise
)

// secret is what stands for a hole that a secret fills.
func (w writing) secret(p Part, text string) string {
	if p.Base64 {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	if p.Encoding == ByPlace && w.inURL {
		return ForURL.text(text)
	}
	return p.Encoding.text(text)
}

// encodingWords are those of filters that choose an encoding, filterWords all.
var (
	encodingWords = slices.Sorted(maps.Keys(filters))
	filterWords   = append([]string{base64Filter}, encodingWords...)
)

// part reads what stands between the braces of a hole: the name of a value, and filters.
func (h *holes) part(n *node, text string) Part {
	name, rest, filtered := strings.Cut(text, "|")
	p := Part{Value: strings.TrimSpace(name)}
	for filtered {
		var word string
		word, rest, filtered = strings.Cut(rest, "|")
		word = strings.TrimSpace(word)
		encoding, known := filters[word]
		switch {
		case word == base64Filter && !p.Base64 && p.Encoding == ByPlace:
			p.Base64 = true
		case known && p.Encoding == ByPlace:
			p.Encoding = encoding
		case known || word == base64Filter:
			h.fault(n, "write one of "+strings.Join(encodingWords, ", ")+", with base64 before it or without",
				"%s: %.60q has too many filters", n.path, "{{"+text+"}}")
		default:
			h.fault(n, suggest(word, filterWords), "%s: there is no filter %.60q", n.path, word)
		}
	}
	return p
}

// stringsOfJSON follows a text of JSON, to tell where it is within a string.
type stringsOfJSON struct{ within, escaped bool }

func (s *stringsOfJSON) pass(text string) {
	for i := range len(text) {
		switch c := text[i]; {
		case s.escaped:
			s.escaped = false
		case s.within && c == '\\':
			s.escaped = true
		case c == '"':
			s.within = !s.within
		}
	}
}

// text appends a literal text to a template.
func (t *Template) text(text string) {
	if last := len(*t) - 1; last >= 0 && (*t)[last].Value == "" {
		(*t)[last].Literal += text
	} else if text != "" {
		*t = append(*t, Part{Literal: text})
	}
}

// add appends a template to another.
func (t *Template) add(other Template) {
	for _, p := range other {
		if p.Value == "" {
			t.text(p.Literal)
		} else {
			*t = append(*t, p)
		}
	}
}
