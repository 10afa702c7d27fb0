package scenarios

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// kind is the form of a node.
type kind string

const (
	scalar   kind = "a single value"
	sequence kind = "a list"
	mapping  kind = "a mapping"
)

// place is where something was written: in the file, in one that it includes, or in an override.
type place struct {
	line, column int
	override     string // "key=value"; "" for a file
	file         string // that is included; "" for the scenario file itself
}

// node is YAML reduced to what a scenario file needs: every value with its place, aliases and merge keys resolved.
type node struct {
	kind    kind
	at      place
	keyAt   place  // of the key that the node is the value of; of the node itself when it has none
	path    string // scenarios.warm.rate; set by checkShape
	text    string // of a scalar
	raw     string // likewise, as the source has it where that differs
	written string // likewise, before variables were put in; "" when it has none
	literal bool   // likewise: braces in it open no hole
	binary  bool   // likewise: it was written in base64, as !!binary; then it is literal as well
	plain   bool   // likewise: it stands in no quotes and no block
	typed   bool   // likewise: to YAML it is a number, true or false
	null    bool   // a scalar that was not given
	bad     bool   // reported already, and not to be read
	entries []entry
	items   []*node
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    place
	value *node
}

// get returns the value of a key of a mapping; nil when the key, or the mapping itself, is missing.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return n.entries[i].value
		}
	}
	return nil
}

// Bounds of what is read. They are far above any real file and keep a hostile one from taking all memory.
const (
	maxSource = 1 << 20
	maxNodes  = 100_000
	maxDepth  = 100
)

// byteOrderMark is what editors of Windows begin a text with.
var byteOrderMark = []byte("\ufeff")

// builder makes nodes from the library's syntax tree.
type builder struct {
	src      string
	offsets  [][]int // of the characters of src, by line; nil until they are needed
	override string
	faults   func(at place, hint, format string, args ...any)
	anchors  map[string]ast.Node
	open     map[string]bool // anchors whose content is being built
	nodes    int
	depth    int
	overflow bool // the bounds were passed, and faults has been told
}

// build parses one YAML document. It returns nil when the source is empty or not YAML; in the second case it has told
// faults. override names the override that src is the value of, "" for a file.
func build(src []byte, override string, faults func(at place, hint, format string, args ...any)) *node {
	b := &builder{
		src: string(bytes.TrimPrefix(src, byteOrderMark)), override: override, faults: faults,
		anchors: map[string]ast.Node{}, open: map[string]bool{},
	}
	start := place{line: 1, column: 1, override: override}
	if len(src) > maxSource {
		faults(start, "", "the file has %d bytes; at most %d are read", len(src), maxSource)
		return nil
	}
	if at, bad := invalidText(src); bad {
		at.override = override
		faults(at, "save it as plain UTF-8 text", "a byte that is not UTF-8 text")
		return nil
	}
	if at, bad := tooDeep(src); bad {
		at.override = override
		faults(at, "", "more than %d brackets are open", maxBrackets)
		return nil
	}
	file, err := parseYAML(bytes.TrimPrefix(src, byteOrderMark))
	if err != nil {
		b.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			faults(b.placeOf(doc.Body.GetToken()), "keep one and remove the line ---", "a second YAML document")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		return nil
	}
	return b.node(body)
}

// maxBrackets bounds the brackets that are open at once: the library's time grows with their square.
const maxBrackets = 1000

// tooDeep says where more brackets are open than the library is given, those in texts included.
func tooDeep(src []byte) (at place, bad bool) {
	open, line, begin := 0, 1, 0
	for i, c := range src {
		switch c {
		case '\n':
			line, begin = line+1, i+1
		case '[', '{':
			open++
			if open > maxBrackets {
				return place{line: line, column: i - begin + 1}, true
			}
		case ']', '}':
			open = max(open-1, 0)
		}
	}
	return place{}, false
}

// parseYAML turns a panic of the library into an error: a scenario file must not be able to end the program. A tag
// after a %TAG directive is one that does.
func parseYAML(src []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this is not understood as YAML: leave out directives (%) and tags (!)")
		}
	}()
	return parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
}

func invalidText(src []byte) (place, bool) {
	at := place{line: 1, column: 1}
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if r == utf8.RuneError && size == 1 || r == 0 {
			return at, true
		}
		at.column++
		if r == '\n' {
			at.line, at.column = at.line+1, 1
		}
		src = src[size:]
	}
	return at, false
}

func (b *builder) syntax(err error) {
	at := place{line: 1, column: 1, override: b.override}
	message := err.Error()
	var known yaml.Error
	if errors.As(err, &known) {
		at = b.placeOf(known.GetToken())
		message = known.GetMessage()
	}
	b.faults(at, "", "%s", strings.TrimSpace(message))
}

func (b *builder) placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{line: 1, column: 1, override: b.override}
	}
	return place{line: max(t.Position.Line, 1), column: max(t.Position.Column, 1), override: b.override}
}

// node builds a node and all below it. It never returns nil; what it has reported comes back marked bad.
func (b *builder) node(n ast.Node) *node {
	if n == nil {
		return &node{kind: scalar, null: true, at: place{line: 1, column: 1, override: b.override}}
	}
	at := b.placeOf(n.GetToken())
	b.nodes++
	b.depth++
	defer func() { b.depth-- }()
	if b.nodes > maxNodes || b.depth > maxDepth {
		if !b.overflow {
			b.faults(at, "", "too much: at most %d values in %d levels are read", maxNodes, maxDepth)
		}
		b.overflow = true
		return &node{kind: scalar, bad: true, at: at}
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return b.mapping(n.Values, at)
	case *ast.MappingValueNode:
		return b.mapping([]*ast.MappingValueNode{n}, at)
	case *ast.SequenceNode:
		out := &node{kind: sequence, at: at}
		for _, v := range n.Values {
			item := b.node(v)
			item.keyAt = item.at
			out.items = append(out.items, item)
		}
		return out
	case *ast.AnchorNode:
		name := nameOf(n.Name)
		b.anchors[name] = n.Value
		b.open[name] = true
		defer delete(b.open, name)
		return b.node(n.Value)
	case *ast.AliasNode:
		return b.alias(n, at)
	case *ast.TagNode:
		if n.Start.Value == binaryTag {
			return b.binary(n.Value, at)
		}
		return b.bad(at, "leave it out", "the YAML tag %s means nothing here", n.Start.Value)
	}
	return b.scalar(n, at)
}

func (b *builder) bad(at place, hint, format string, args ...any) *node {
	b.faults(at, hint, format, args...)
	return &node{kind: scalar, bad: true, at: at}
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

func (b *builder) alias(n *ast.AliasNode, at place) *node {
	name := nameOf(n.Value)
	target, known := b.anchors[name]
	switch {
	case !known:
		return b.bad(at, "an anchor &"+name+" must come before it", "*%s refers to nothing", name)
	case b.open[name]:
		return b.bad(at, "", "*%s refers to what it is itself part of", name)
	}
	b.open[name] = true
	defer delete(b.open, name)
	return b.node(target)
}

func (b *builder) scalar(n ast.Node, at place) *node {
	out := &node{kind: scalar, at: at}
	switch n := n.(type) {
	case *ast.NullNode:
		out.null = true
	case *ast.StringNode:
		out.text = n.Value
		out.raw = b.rawOf(n.Token, out.text)
		out.plain = n.Token != nil && n.Token.Type != token.DoubleQuoteType && n.Token.Type != token.SingleQuoteType
	case *ast.LiteralNode:
		out.text = n.Value.Value
		out.raw = b.rawOf(n.Value.Token, out.text)
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.text = n.GetToken().Value // as written: 0.10 in a tag stays 0.10
		out.plain, out.typed = true, true
	default:
		return b.bad(at, "", "%s is not expected here", n.Type().YAMLName())
	}
	return out
}

// binaryTag is that of bytes in base64.
const binaryTag = "!!binary"

// binary builds a scalar of bytes that are written in base64, with blanks and line breaks in it or without.
func (b *builder) binary(n ast.Node, at place) *node {
	text := b.node(n)
	if text.bad {
		return text
	}
	content, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text.text), ""))
	if text.kind != scalar || err != nil {
		return b.bad(at, "for example !!binary SGVsbG8=", "what follows %s is not base64", binaryTag)
	}
	return &node{kind: scalar, at: at, text: string(content), literal: true, binary: true}
}

// rawOf is the text of a token as the source has it, without its quotes; "" when that is what it says.
func (b *builder) rawOf(t *token.Token, text string) string {
	if t == nil {
		return ""
	}
	raw := strings.TrimSpace(t.Origin)
	switch t.Type {
	case token.DoubleQuoteType:
		raw = strings.Trim(raw, `"`)
		if strings.Contains(raw, `\`) { // not all of its escapes are in the token's origin
			raw = b.quotedAt(t.Position)
		}
	case token.SingleQuoteType:
		raw = strings.Trim(raw, "'")
	}
	if raw == text {
		return ""
	}
	return raw
}

// quotedAt is what stands in the double quotes that begin at a position.
func (b *builder) quotedAt(at *token.Position) string {
	if b.offsets == nil {
		b.offsets = [][]int{nil} // lines are counted from 1
		start := 0
		for line := range strings.SplitAfterSeq(b.src, "\n") {
			var places []int
			for i := range line {
				places = append(places, start+i)
			}
			b.offsets = append(b.offsets, places)
			start += len(line)
		}
	}
	if at == nil || at.Line < 1 || at.Line >= len(b.offsets) || at.Column < 1 || at.Column > len(b.offsets[at.Line]) {
		return ""
	}
	rest := b.src[b.offsets[at.Line][at.Column-1]:]
	if !strings.HasPrefix(rest, `"`) {
		return ""
	}
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return rest[1:i]
		}
	}
	return ""
}

func (b *builder) mapping(values []*ast.MappingValueNode, at place) *node {
	out := &node{kind: mapping, at: at}
	given := map[string]place{}
	var merged []*node
	for i, v := range values {
		if i == 0 && v.Key != nil {
			out.at = b.placeOf(v.Key.GetToken())
		}
		if v.Key != nil && v.Key.IsMergeKey() {
			merged = append(merged, b.merged(v.Value)...)
			continue
		}
		key := b.key(v.Key)
		if key.bad || key.null {
			continue
		}
		value := b.node(v.Value)
		value.keyAt = key.at
		if first, twice := given[key.text]; twice {
			b.faults(key.at, fmt.Sprintf("it is already in line %d", first.line), "the key %q is given twice", key.text)
			continue
		}
		given[key.text] = key.at
		out.entries = append(out.entries, entry{key.text, key.at, value})
	}
	// What the mapping says itself goes before what it merges, and an earlier merge before a later one.
	for _, m := range merged {
		for _, e := range m.entries {
			if _, twice := given[e.key]; !twice {
				given[e.key] = e.at
				out.entries = append(out.entries, e)
			}
		}
	}
	return out
}

func (b *builder) key(k ast.MapKeyNode) *node {
	switch k.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return b.node(k)
	case nil:
		return &node{bad: true}
	}
	return b.bad(b.placeOf(k.GetToken()), "", "a key must be a plain word")
}

// merged returns the mappings of a merge key's value: one, or a list of them.
func (b *builder) merged(value ast.Node) []*node {
	from := b.node(value)
	all := []*node{from}
	if from.kind == sequence {
		all = from.items
	}
	var out []*node
	for _, m := range all {
		if m.bad {
			continue
		}
		if m.kind != mapping {
			b.faults(m.at, "write <<: *name of an anchor", "<< merges mappings, and this is %s", m.kind)
			continue
		}
		out = append(out, m)
	}
	return out
}
