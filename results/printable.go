package results

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable makes a text of unknown origin safe to show: what would control a terminal, or change the direction of what
// follows, stands in it as in a JSON string: \u001b. Line breaks, those of Windows too, and tabs stay. A JSON document
// says the same as before.
func Printable(s string) string {
	if strings.IndexFunc(s, controls) < 0 {
		return strings.ToValidUTF8(s, "�")
	}
	var b strings.Builder
	for i, c := range s { // a byte that is not UTF-8 comes as U+FFFD
		if controls(c) && !strings.HasPrefix(s[i:], "\r\n") {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// controls reports whether a character does something else than to stand for itself: the controls of ASCII and Unicode
// but for line break and tab, separators that terminals take for line breaks, and marks that override or embed a
// direction.
func controls(c rune) bool {
	return c != '\n' && c != '\t' && unicode.IsControl(c) || c >= '\u2028' && c <= '\u202e' || c >= '\u2066' &&
		c <= '\u2069' ||
		c == '\u061c' || c == '\u200e' || c == '\u200f'
}
