package recording

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

var errNoURLLine = errors.New("the line is neither a URL nor a path, as in http://127.0.0.1:8080/items or /items, " +
	"and a method such as GET may stand before it")

// urlLine takes a line of a list of URLs, or of paths. A line that begins with "#" is a comment.
func (b *builder) urlLine(line []byte) error {
	if line[0] == '#' {
		return nil
	}
	if !isURLLine(line) {
		return errNoURLLine
	}
	method, address, both := strings.Cut(string(line), " ")
	if !both {
		method, address = "GET", method
	}
	return b.add(&request{method: method, url: strings.TrimSpace(address)})
}

// isURLLine reports whether a line has a URL of HTTP, or a path, and maybe a method before it.
func isURLLine(line []byte) bool {
	parts := bytes.Fields(line)
	if len(parts) == 2 && slices.Contains(methods, string(parts[0])) {
		parts = parts[1:]
	}
	if len(parts) != 1 {
		return false
	}
	address := strings.ToLower(string(parts[0][:min(len(parts[0]), len("https://"))]))
	return strings.HasPrefix(address, "/") || strings.HasPrefix(address, "http://") ||
		strings.HasPrefix(address, "https://")
}

// firstURLLine is the first line of a text that is no comment.
func firstURLLine(text []byte) []byte {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return line
		}
	}
	return nil
}
