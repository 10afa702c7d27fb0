package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// These keep a document within what jsonb and its parser take, with a wide margin.
const (
	maxDocumentDepth = 64
	maxNumberBytes   = 64
	maxExponent      = 1000
	// maxWrittenOut bounds the digits that exponents beyond usualExponent stand for, in all of a document: a megabyte
	// of numbers such as 1e999 would be 140 when it is read, and too long for the search where it is the description.
	maxWrittenOut = 100_000
	usualExponent = 32
)

// documentFault says why a document is not an object that Postgres takes as jsonb, or returns "". It is stricter than
// Postgres in its limits, and never laxer: what it passes does not fail a batch later, without an index.
func documentFault(document []byte) string {
	document = bytes.TrimSpace(document)
	switch {
	case len(document) == 0 || string(document) == "null":
		return ""
	case !json.Valid(document):
		return "is not valid JSON"
	case document[0] != '{':
		return "is not a JSON object"
	case !utf8.Valid(document):
		return "is not valid UTF-8"
	}
	depth, digits := 0, 0
	for i := 0; i < len(document); {
		switch c := document[i]; {
		case c == '"':
			end, fault := scanString(document, i)
			if fault != "" {
				return fault
			}
			i = end
		case c == '{' || c == '[':
			depth++
			if depth > maxDocumentDepth {
				return fmt.Sprintf("is nested deeper than %d levels", maxDocumentDepth)
			}
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case c == '-' || c >= '0' && c <= '9':
			end, exponent, fault := scanNumber(document, i)
			if exponent > usualExponent {
				digits += exponent
			}
			if fault == "" && digits > maxWrittenOut {
				fault = fmt.Sprintf("has numbers whose exponents stand for more than %d digits together", maxWrittenOut)
			}
			if fault != "" {
				return fault
			}
			i = end
		default:
			i++
		}
	}
	return ""
}

// scanString returns the index after the string that starts at i. Of the escapes that JSON allows, jsonb refuses
// \u0000 and half a surrogate pair.
func scanString(document []byte, i int) (end int, fault string) {
	for i++; document[i] != '"'; {
		if document[i] != '\\' {
			i++
			continue
		}
		if document[i+1] != 'u' {
			i += 2
			continue
		}
		unit := hexUnit(document[i+2:])
		i += 6
		switch {
		case unit == 0:
			return 0, `contains \u0000, which Postgres cannot store`
		case unit >= 0xdc00 && unit <= 0xdfff:
			return 0, `contains half a surrogate pair (\udc00 to \udfff)`
		case unit >= 0xd800 && unit <= 0xdbff:
			if document[i] != '\\' || document[i+1] != 'u' || hexUnit(document[i+2:])&0xfc00 != 0xdc00 {
				return 0, `contains half a surrogate pair (\ud800 to \udbff)`
			}
			i += 6
		}
	}
	return i + 1, ""
}

func hexUnit(digits []byte) uint64 {
	unit, _ := strconv.ParseUint(string(digits[:4]), 16, 16) // documentFault has seen to it that these are four digits
	return unit
}

// scanNumber returns the index after the number that starts at i, and its exponent without its sign: jsonb keeps every
// digit that it stands for.
func scanNumber(document []byte, i int) (end, exponent int, fault string) {
	start, exponentAt := i, 0
	for i < len(document) && isOfNumber(document[i]) {
		i++
		if document[i-1]|0x20 == 'e' {
			exponentAt = i
		}
	}
	number := document[start:i]
	if len(number) > maxNumberBytes {
		return i, 0, fmt.Sprintf("contains a number of more than %d characters", maxNumberBytes)
	}
	if exponentAt == 0 {
		return i, 0, ""
	}
	exponent, err := strconv.Atoi(string(document[exponentAt:i]))
	if err != nil || exponent > maxExponent || exponent < -maxExponent {
		return i, 0, fmt.Sprintf("contains the number %s, whose exponent is beyond %d", number, maxExponent)
	}
	return i, max(exponent, -exponent), ""
}

func isOfNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
