package imports

import (
	"errors"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// curl reads the curl commands of a text, such as browsers copy ("Copy as cURL (bash)") or scripts have. Other commands
// are passed over (https://curl.se/docs/manpage.html).
func (d *draft) curl(content []byte) error {
	script := strings.ReplaceAll(string(content), "\r\n", "\n")
	var lines []string
	for line := range strings.SplitSeq(script, "\n") {
		lines = append(lines, strings.TrimPrefix(line, "$ ")) // of a terminal's prompt
	}
	reader := strings.NewReader(strings.Join(lines, "\n"))
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(reader, "")
	if err != nil {
		var fault syntax.ParseError
		if errors.As(err, &fault) {
			return d.fault(int(fault.Pos.Line()), int(fault.Pos.Col()), "it is no text for a shell: %s", fault.Text)
		}
		return d.fault(0, 0, "it is no text for a shell: %v", err)
	}
	s := &shell{d: d, set: map[string]text{}}
	var requests []*request
	syntax.Walk(parsed, func(node syntax.Node) bool {
		call, ok := node.(*syntax.CallExpr)
		if !ok {
			return true
		}
		if len(call.Args) == 0 {
			s.assign(call.Assigns)
			return true
		}
		name := call.Args[0].Lit()
		if name == "curl" || name == "curl.exe" || strings.HasSuffix(name, "/curl") {
			requests = append(requests, s.command(call)...)
		}
		return true
	})
	d.sequence("curl", requests, defaultLoad)
	for _, g := range d.groups {
		g.cookies = s.cookies
	}
	d.settleKeyPair()
	return nil
}

// shell knows the variables that a text for a shell has set.
type shell struct {
	d       *draft
	set     map[string]text
	cookies bool // a command keeps those that answers set
}

func (s *shell) assign(all []*syntax.Assign) {
	for _, a := range all {
		if a.Name != nil && a.Value != nil {
			s.set[a.Name.Value] = s.word(a.Value)
		}
	}
}

// word is a word of a command, without its quotes. A variable that the text does not set is one of the environment.
func (s *shell) word(w *syntax.Word) (t text) {
	for _, p := range w.Parts {
		if quotes, ok := p.(*syntax.DblQuoted); ok {
			for _, inner := range quotes.Parts {
				t = joined(t, s.part(inner, true))
			}
			continue
		}
		t = joined(t, s.part(p, false))
	}
	return t
}

func (s *shell) part(p syntax.WordPart, quoted bool) text {
	line, column := int(p.Pos().Line()), int(p.Pos().Col())
	switch p := p.(type) {
	case *syntax.Lit, *syntax.SglQuoted:
		if lit, ok := p.(*syntax.Lit); ok && !quoted {
			return plain(strings.ToValidUTF8(escapedSign.ReplaceAllString(lit.Value, "$1"), "\ufffd"))
		}
		if quoted {
			p = &syntax.DblQuoted{Parts: []syntax.WordPart{p}}
		}
		literal, err := expand.Literal(&expand.Config{}, &syntax.Word{Parts: []syntax.WordPart{p}})
		if err == nil {
			return plain(strings.ToValidUTF8(literal, "\ufffd"))
		}
	case *syntax.ParamExp:
		if p.Param != nil && isVariable(p.Param.Value) && p.Exp == nil {
			if known, ok := s.set[p.Param.Value]; ok {
				return known
			}
			return s.d.needs(p.Param.Value, "$"+p.Param.Value+" of the command", s.d.known.IsField(p.Param.Value))
		}
	}
	s.d.leaveOut(line, column, "what the shell puts in here, which is known only when it runs")
	return s.d.needs("SHELL_VALUE", "what a command of the shell gives", false)
}

// escapedSign is a sign of which a backslash takes the meaning, outside of quotes.
var escapedSign = regexp.MustCompile(`(?s)\\(.)`)

func isVariable(name string) bool {
	for i, c := range name {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
