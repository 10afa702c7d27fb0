package graphql

import (
	"bytes"
	"strconv"

	"github.com/policycortex/headroom/server/graphql/model"
)

// appendPlanned appends "data":{…}: what a plan selects of the body of a value, or null without one.
func appendPlanned(dst []byte, p *plan, body []byte, at *page) []byte {
	dst = append(dst, p.key...)
	if body == nil {
		return append(dst, "null}"...)
	}
	dst, _ = p.selection.append(dst, body, at)
	return append(dst, '}')
}

// append appends what is selected of the object with which b begins, and returns the length of that. It stops when the
// answer has become too long.
func (s *selection) append(dst, b []byte, at *page) ([]byte, int) {
	var values [maxPlanned][]byte
	length := 0
	if at == nil { // a page is read as its list
		length = model.Members(b, s.names, values[:len(s.names)])
	}
	dst = append(dst, '{')
	for i := range s.fields {
		if len(dst) > s.most {
			break
		}
		f := &s.fields[i]
		dst = append(dst, f.key...)
		switch f.make {
		case makeValue:
			dst = appendValue(dst, values[i])
		case makeID:
			dst = append(dst, model.AsText(values[i])...)
		case makeLiteral:
			dst = append(dst, f.literal...)
		case makeObject:
			dst = f.appendObject(dst, values[i])
		case makeList:
			dst = f.appendList(dst, values[i], nil)
		default:
			dst = at.append(dst, f)
		}
	}
	return append(dst, '}'), length
}

func appendValue(dst, value []byte) []byte {
	if value == nil {
		return append(dst, "null"...)
	}
	return append(dst, value...)
}

func (f *field) appendObject(dst, value []byte) []byte {
	if len(value) == 0 || value[0] != '{' {
		return append(dst, "null"...)
	}
	dst, _ = f.selection.append(dst, value, nil)
	return dst
}

// appendList appends what is selected of each element of the list with which b begins: of the element itself or, with
// a page, of its edge.
func (f *field) appendList(dst, b []byte, edges *page) []byte {
	dst = append(dst, '[')
	for at := 1; at < len(b) && b[at] == '{' && len(dst) <= f.selection.most; {
		if at > 1 {
			dst = append(dst, ',')
		}
		length := 0
		if edges == nil {
			dst, length = f.selection.append(dst, b[at:], nil)
		} else {
			dst, length = edges.appendEdge(dst, &f.selection, b[at:])
		}
		at += length + 1 // a comma, or the end
	}
	return append(dst, ']')
}

// page is a page of a list.
type page struct {
	body   []byte
	after  bool // it was reached by a cursor
	cursor func(dst []byte, field func(name string) string) []byte
}

// Parts of pages of lists, and of events.
const listStart = `{"data":`

var (
	goOn      = [][]byte{[]byte(`"has_next_page":true`), []byte(`"has_more":true`)}
	endMember = [][]byte{[]byte(`"next_cursor":"`), []byte(`"next_after":"`)}
	total     = []byte(`"total_items":`)
)

func (p *page) list() []byte { return p.body[len(listStart):] }

// rest is what follows the list.
func (p *page) rest() []byte { return p.body[bytes.LastIndexByte(p.body, ']'):] }

func (p *page) append(dst []byte, f *field) []byte {
	switch f.make {
	case makeNodes:
		return f.appendList(dst, p.list(), nil)
	case makeEdges:
		return f.appendList(dst, p.list(), p)
	case makePageInfo:
		return p.appendInfo(dst, f)
	case makeTotal:
		return append(dst, p.total()...)
	}
	return append(dst, "null"...)
}

func (p *page) appendEdge(dst []byte, s *selection, element []byte) ([]byte, int) {
	length := 0
	dst = append(dst, '{')
	for i := range s.fields {
		f := &s.fields[i]
		dst = append(dst, f.key...)
		switch f.make {
		case makeNode:
			dst, length = f.selection.append(dst, element, nil)
		case makeCursor:
			dst = p.appendCursor(dst, element)
		default:
			dst = append(dst, f.literal...)
		}
	}
	if length == 0 {
		length = model.Members(element, nil, nil)
	}
	return append(dst, '}'), length
}

func (p *page) appendCursor(dst, element []byte) []byte {
	dst = append(dst, '"')
	dst = p.cursor(dst, func(name string) string {
		value := model.Member(element, name)
		if len(value) > 0 && value[0] == '"' {
			return value.Text()
		}
		return string(value)
	})
	return append(dst, '"')
}

func (p *page) appendInfo(dst []byte, f *field) []byte {
	dst = append(dst, '{')
	for i := range f.selection.fields {
		f := &f.selection.fields[i]
		dst = append(dst, f.key...)
		switch f.make {
		case makeHasNext:
			dst = strconv.AppendBool(dst, p.goesOn())
		case makeHasPrevious:
			dst = strconv.AppendBool(dst, p.after)
		case makeStartCursor:
			dst = p.appendEnd(dst, true)
		case makeEndCursor:
			dst = p.appendEnd(dst, false)
		default:
			dst = append(dst, f.literal...)
		}
	}
	return append(dst, '}')
}

func (p *page) goesOn() bool {
	rest := p.rest()
	return bytes.Contains(rest, goOn[0]) || bytes.Contains(rest, goOn[1])
}

// total is how many elements the list has: part of the body only if that was asked for.
func (p *page) total() []byte {
	_, rest, _ := bytes.Cut(p.rest(), total)
	return rest[:max(bytes.IndexAny(rest, ",}"), 0)]
}

// appendEnd appends the cursor of the first or the last element; null if there is none. The body has that of the last
// one where the list goes on.
func (p *page) appendEnd(dst []byte, first bool) []byte {
	for i := range endMember {
		_, end, ok := bytes.Cut(p.rest(), endMember[i])
		if ok && !first {
			return append(append(append(dst, '"'), end[:bytes.IndexByte(end, '"')]...), '"')
		}
	}
	var found []byte
	model.Elements(p.list(), func(element []byte) bool {
		found = element
		return !first
	})
	if found == nil {
		return append(dst, "null"...)
	}
	return p.appendCursor(dst, found)
}
