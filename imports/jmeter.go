package imports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// element is an element of a test plan with what stands in it, and below it in the tree of the plan.
type element struct {
	kind     string
	name     string // testname
	enabled  bool
	line     int
	column   int
	text     string
	inner    []*element          // as the file has them
	props    map[string]*element // of inner, by name
	children []*element          // of the hashTree that follows
}

// jmeter reads a test plan of JMeter (https://jmeter.apache.org/usermanual/component_reference.html). The file is a
// tree in which each element is followed by a hashTree with those below it.
func (d *draft) jmeter(content []byte) error {
	root, err := d.parseXML(content)
	if err != nil {
		return err
	}
	if root.kind != "jmeterTestPlan" {
		return d.fault(root.line, root.column, "it is no test plan of JMeter: it begins with %.40q", root.kind)
	}
	p := &plan{d: d, variables: map[string]string{}, top: tree(root)}
	for _, e := range p.top {
		p.collect(e)
	}
	p.walk(p.top, scope{})
	p.lost()
	if p.keepAlive == 0 && p.closed > 0 {
		d.connect(&d.http, "keepAlive", "false", 0, 0)
	} else if p.closed > 0 {
		d.leaveOut(0, 0, "that some requests close their connections: http.keepAlive is of all of them")
	}
	return nil
}

// parseXML reads a document.
func (d *draft) parseXML(content []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	// JMeter writes UTF-8, whatever a file says.
	decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	const deepest = 500
	var stack []*element
	for {
		line, column := decoder.InputPos()
		token, err := decoder.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil, d.fault(line, column, "it has no element")
			}
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return nil, d.fault(syntax.Line, 0, "it is not XML: %s", syntax.Msg)
			}
			return nil, d.fault(line, column, "it is not XML: %v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{kind: t.Name.Local, enabled: true, line: line, column: column, props: map[string]*element{}}
			if len(stack) > deepest {
				return nil, d.fault(line, column, "it is nested more than %d elements deep", deepest)
			}
			named := false
			for _, a := range t.Attr {
				switch a.Name.Local {
				case "name":
					e.name, named = a.Value, true
				case "testname": // elements of the plan have this one alone
					if !named {
						e.name = a.Value
					}
				case "enabled":
					e.enabled = a.Value != "false"
				}
			}
			if len(stack) > 0 {
				in := stack[len(stack)-1]
				in.inner = append(in.inner, e)
				if e.name != "" {
					in.props[e.name] = e
				}
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		case xml.EndElement:
			if len(stack) == 1 {
				return stack[0], nil
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// tree is what a document has, each element with those of the hashTree behind it.
func tree(in *element) (all []*element) {
	for _, e := range in.inner {
		if e.kind != "hashTree" {
			all = append(all, e)
			continue
		}
		if len(all) == 0 {
			return tree(e)
		}
		all[len(all)-1].children = tree(e)
	}
	return all
}

// prop is the text of a property.
func (e *element) prop(name string) string {
	if p := e.props[name]; p != nil {
		return strings.TrimSpace(p.text)
	}
	return ""
}
