package model

import "bytes"

// The scanners below read JSON that this server's store has made: it is valid, and has no space between its parts.

// Members finds members of the object with which b begins: values[i] becomes the value of names[i], where there is one.
// It returns the length of the object.
func Members(b []byte, names []string, values [][]byte) int {
	if len(b) < 2 || b[0] != '{' {
		return skip(b)
	}
	at := 1
	for at < len(b) && b[at] == '"' {
		end := at + skipText(b[at:])
		name := b[at+1 : end-1]
		at = end + 1 // the colon
		end = at + skip(b[at:])
		for i := range names {
			if string(name) == names[i] {
				values[i] = b[at:end]
			}
		}
		at = end + 1 // a comma, or the end
	}
	if at == 1 {
		return 2 // {}
	}
	return at
}

// Elements calls visit for each element of the array with which b begins, until it returns false.
func Elements(b []byte, visit func(value []byte) bool) {
	for at := 1; at < len(b) && b[at] != ']'; {
		end := at + skip(b[at:])
		if !visit(b[at:end]) || b[end] == ']' {
			return
		}
		at = end + 1
	}
}

// Member returns the value of a member; nil if there is none.
func Member(object []byte, name string) (value Raw) {
	for at := 1; at < len(object) && object[at] == '"'; {
		end := at + skipText(object[at:])
		found := string(object[at+1:end-1]) == name
		at = end + 1
		end = at + skip(object[at:])
		if found {
			return object[at:end]
		}
		at = end + 1
	}
	return nil
}

// skip returns the length of the value with which b begins.
func skip(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return skipText(b)
	case '{', '[':
		return skipNested(b)
	}
	for i, c := range b {
		if c == ',' || c == '}' || c == ']' {
			return i
		}
	}
	return len(b)
}

func skipText(b []byte) int {
	for at := 1; ; {
		next := bytes.IndexByte(b[at:], '"')
		if next < 0 {
			return len(b)
		}
		at += next + 1
		escapes := 0
		for i := at - 2; i > 0 && b[i] == '\\'; i-- {
			escapes++
		}
		if escapes%2 == 0 {
			return at
		}
	}
}

func skipNested(b []byte) int {
	depth := 0
	for at := 0; at < len(b); at++ {
		switch b[at] {
		case '"':
			at += skipText(b[at:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return at + 1
			}
		}
	}
	return len(b)
}
