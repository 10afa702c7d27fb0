package request

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Texts are what the steps of a flow under way have extracted, by slot. Their memory is used again by the next flow.
type Texts [][]byte

func (t *Texts) put(slot int, text []byte) {
	for len(*t) <= slot {
		*t = append(*t, nil)
	}
	(*t)[slot] = append((*t)[slot][:0], text...)
}

// at is the text of a slot; it is empty where nothing was extracted.
func (t *Texts) at(slot int) []byte {
	if slot >= len(*t) {
		return nil
	}
	return (*t)[slot]
}

// forget empties all texts.
func (t *Texts) forget() {
	for i := range *t {
		(*t)[i] = (*t)[i][:0]
	}
}

// extraction is an extraction of the plan, ready to be carried out.
type extraction struct {
	scenarios.Extraction
	slot       int
	header     int // index of what is kept of headers
	cookies    bool
	expression *regexp.Regexp
	class      string // of the failure
}

func newExtraction(plan scenarios.Extraction, slot int) (extraction, error) {
	x := extraction{Extraction: plan, slot: slot, class: "extraction failed: " + plan.Name}
	if plan.Regex == "" {
		return x, nil
	}
	var err error
	x.expression, err = regexp.Compile(plan.Regex)
	if err != nil {
		return x, fmt.Errorf("extraction %s: %w", plan.Name, err)
	}
	return x, nil
}

// extract puts what the plan wants of the answer into the flow's texts. class is that of the failure, and empty when
// there was none.
func (a *Answer) extract(into *Texts) (class, why string) {
	for i := range a.want.extractions {
		x := &a.want.extractions[i]
		text, why := a.find(x)
		if x.HTML {
			text = []byte(html.UnescapeString(string(text)))
		}
		if why == "" && hasControl(string(text)) {
			why = "it has a line break or control character"
		}
		if why != "" && x.Default != nil {
			text, why = []byte(*x.Default), ""
		}
		if why != "" {
			return x.class, why
		}
		into.put(x.slot, text)
	}
	return "", ""
}

// find looks for what an extraction takes. why says why there is none.
func (a *Answer) find(x *extraction) (text []byte, why string) {
	switch {
	case x.cookies:
		return a.findCookie(x)
	case x.header >= 0:
		if !a.headers[x.header].given {
			return nil, "the answer has no header " + x.Header
		}
		text = a.headers[x.header].value
	case x.JSON != nil:
		document, err := a.json()
		if err != nil {
			return nil, err.Error()
		}
		v, found := lookUp(document, x.JSON)
		if !found {
			return nil, "the body has no " + x.JSON.String()
		}
		if !isPlain(v) {
			return nil, x.JSON.String() + " is " + kindOf(v) + " and not a text, a number, true or false"
		}
		text = []byte(textOf(v))
	default:
		body, err := a.text()
		if err != nil {
			return nil, err.Error()
		}
		text = body
	}
	return x.taken(text)
}

// taken is what the expression takes of a text; without one it is all of it.
func (x *extraction) taken(text []byte) (part []byte, why string) {
	if x.expression == nil {
		return text, ""
	}
	found := x.expression.FindSubmatchIndex(text)
	if found == nil || found[2] < 0 {
		return nil, "nothing matches " + x.Regex
	}
	return text[found[2]:found[3]], ""
}

// findCookie looks at all Set-Cookie: for the first that an extraction takes something of, or for the last that sets
// its cookie, which is the one that counts.
func (a *Answer) findCookie(x *extraction) (text []byte, why string) {
	if x.Cookie == "" {
		why = "the answer has no header " + x.Header
		for _, line := range a.cookies {
			text, why = x.taken(line)
			if why == "" {
				return text, ""
			}
		}
		return nil, why
	}
	for _, line := range slices.Backward(a.cookies) {
		pair, _, _ := bytes.Cut(line, []byte(";"))
		name, value, ok := bytes.Cut(pair, []byte("="))
		if ok && string(bytes.TrimSpace(name)) == x.Cookie {
			return x.taken(bytes.TrimSpace(value))
		}
	}
	return nil, "the answer sets no cookie " + x.Cookie
}
