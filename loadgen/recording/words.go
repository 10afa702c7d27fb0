package recording

import "bytes"

// word is a word of a line, or a text in quotation marks.
type word struct {
	text   string
	quoted bool
}

// words takes a line apart at its blanks. A text in quotation marks, in which a backslash stands before some
// characters, is one word.
func words(line []byte) []word {
	var all []word
	for {
		line = bytes.TrimLeft(line, " \t")
		if len(line) == 0 {
			return all
		}
		if text, rest, ok := quoted(line); ok {
			all, line = append(all, word{text, true}), rest
			continue
		}
		end := bytes.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		all, line = append(all, word{string(line[:end]), false}), line[end:]
	}
}

// headersOfValues are headers of a log that has each in a place of its own, without those that it has not.
func headersOfValues(named ...header) []header {
	var all []header
	for _, h := range named {
		if h.value != "" && h.value != "-" {
			all = append(all, h)
		}
	}
	return all
}
