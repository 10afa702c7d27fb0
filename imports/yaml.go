package imports

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*( [A-Za-z0-9_./(-]+)*$`)
	reserved    = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// scalar is a text as a value in a block of YAML at an indentation.
func scalar(s string, indent int) string {
	if strings.Contains(s, "\n") && fitsBlock(s) {
		sign := "|-"
		body := s
		if strings.HasSuffix(s, "\n") {
			sign, body = "|", strings.TrimSuffix(s, "\n")
		}
		margin := "\n" + strings.Repeat("  ", indent+1)
		return sign + margin + strings.ReplaceAll(body, "\n", margin)
	}
	if plainScalar.MatchString(s) && !reserved.MatchString(s) && !strings.Contains(s, "//") {
		return s
	}
	return flowScalar(s)
}

// flowScalar is a text as a value in braces or brackets.
func flowScalar(s string) string {
	odd := strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) && c != ' ' })
	switch {
	case odd || !utf8.ValidString(s):
		return jsonText(s)
	case strings.ContainsAny(s, `"\`):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + s + `"`
}

// jsonText is a text in the double quotes of JSON, which YAML reads as such, with nothing that YAML may not have.
func jsonText(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '"' || c == '\\' || c < ' ':
			encoded, err := json.Marshal(string(c))
			if err != nil {
				panic(err) // a text can be encoded
			}
			b.Write(encoded[1 : len(encoded)-1])
		case c >= 0x7f && c <= 0xffff && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		case c > 0xffff && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return `"` + b.String() + `"`
}

// fitsBlock reports whether a text of several lines can be written as a block: none of its lines begins the block with
// a blank or ends with one, and all characters can be seen.
func fitsBlock(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if body == "" || strings.HasPrefix(body, " ") || strings.HasPrefix(body, "\n") || strings.HasSuffix(body, "\n") ||
		!utf8.ValidString(s) {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.TrimRight(line, " ") != line || line == "" ||
			strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) && c != ' ' }) {
			return false
		}
	}
	return true
}
