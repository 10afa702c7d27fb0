package recording

import (
	"bytes"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Bounds of the names of a recording's requests.
const (
	maxNames      = 100    // with Other
	maxCandidates = 10_000 // the names among which the most frequent are chosen
	maxNameLength = 100
)

// Other is the name of the requests whose own is not among the most frequent ones, and Several the method of requests
// of one name that have different ones.
const (
	Other   = "other"
	Several = "several"
)

// names gives requests their names: the method and the path, in which ids are ":id" (see isID): "GET
// /users/:id/orders". Of more than 100 names the 99 most frequent are kept, and the others are "other".
type names struct {
	single     string // of all requests; may be empty
	index      map[string]uint16
	candidates []candidate // by index; the first is of the requests for which there was no place
	scratch    []byte
}

type candidate struct {
	name  string
	count int
}

func newNames(single string) names {
	return names{single: single, index: map[string]uint16{}, candidates: []candidate{{name: Other}}}
}

// of returns the number of the candidate that is the name of a request to a path with its query.
func (n *names) of(method string, target []byte) uint16 {
	if n.single != "" {
		return 0
	}
	n.scratch = appendName(n.scratch[:0], method, target)
	i, known := n.index[string(n.scratch)]
	if !known {
		if len(n.candidates) == maxCandidates {
			return 0
		}
		i = uint16(len(n.candidates))
		name := string(n.scratch)
		n.index[name] = i
		n.candidates = append(n.candidates, candidate{name: name})
	}
	return i
}

// settle chooses the names, and puts their indexes in place of the candidates' numbers.
func (n *names) settle(entries []entry) []scenarios.RecordedName {
	for i := range entries {
		n.candidates[entries[i].name].count++
	}
	order := make([]int, 0, len(n.candidates))
	for i := range n.candidates {
		if i > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return n.candidates[b].count - n.candidates[a].count })
	rest := n.candidates[0].count > 0
	if rest || len(order) > maxNames {
		order, rest = order[:min(len(order), maxNames-1)], true
	}
	var all []scenarios.RecordedName
	index := make([]uint16, len(n.candidates)) // those that are not chosen are the last
	for i := range index {
		index[i] = uint16(len(order))
	}
	for _, c := range order {
		index[c] = uint16(len(all))
		all = append(all, scenarios.RecordedName{Name: n.candidates[c].name})
	}
	if rest {
		name := Other
		if n.single != "" {
			name = n.single
		}
		all = append(all, scenarios.RecordedName{Name: name})
	}
	for i := range entries {
		e := &entries[i]
		e.name = index[e.name]
		switch name := &all[e.name]; name.Method {
		case "":
			name.Method = methods[e.method]
		case methods[e.method]:
		default:
			name.Method = Several
		}
	}
	return all
}

// appendName appends the name of a request: selectors can have it, as it has neither commas nor braces.
func appendName(dst []byte, method string, target []byte) []byte {
	path, _, _ := bytes.Cut(target, []byte("?"))
	dst = append(append(dst, method...), ' ')
	for segment := range bytes.SplitSeq(path[1:], []byte("/")) {
		dst = append(dst, '/')
		if isID(segment) {
			dst = append(dst, ":id"...)
			continue
		}
		for _, c := range segment {
			if c == ',' {
				dst = append(dst, "%2C"...)
			} else {
				dst = append(dst, c)
			}
		}
	}
	if len(dst) > maxNameLength {
		dst = append(dst[:maxNameLength-3], "..."...)
	}
	return dst
}

// isID reports whether a segment of a path stands for one of many things: a number or date (digits with signs between
// them), a UUID, eight or more hexadecimal digits, or twenty or more characters; all but the first have a decimal
// digit.
func isID(segment []byte) bool {
	digits, hex, signs := 0, 0, 0
	for _, c := range segment {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case isHex(c):
			hex++
		case c == '-' || c == '.' || c == '_' || c == ':':
			signs++
		}
	}
	switch n := len(segment); {
	case digits == 0:
		return false
	case digits+signs == n:
		return true
	case n >= 8 && digits+hex == n:
		return true
	}
	const uuid, token = 36, 20
	return len(segment) == uuid && digits+hex == 32 && signs == 4 || len(segment) >= token
}
