package scenarios

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// Included is a file that a scenario file includes.
type Included struct {
	File string `json:"file"` // as faults name it
	Text string `json:"text"`
}

// maxIncluded bounds the files that a scenario file includes, also by others.
const maxIncluded = 100

var includeShape = &shape{scalar: true, items: value}

// include adds what other files say to the tree of one. What the file says itself goes before what it includes, and an
// earlier file before a later one. open are the files that are being read.
func (r *reader) include(tree *node, file string, open []string) {
	list := tree.get("include")
	if list == nil || tree.kind != mapping {
		return
	}
	r.vague = r.vague || list.kind == mapping // the shape tells; what is missing may be in files that it meant
	names := list.items
	if list.kind == scalar {
		names = []*node{list}
	}
	for _, name := range names {
		if name.kind != scalar || name.null || name.bad {
			continue // the shape tells
		}
		if r.expands {
			r.expand(name)
		}
		if name.bad {
			continue
		}
		before := len(r.errs)
		r.includeFile(tree, name, filepath.Join(filepath.Dir(file), name.text), open)
		r.vague = r.vague || len(r.errs) > before
	}
}

func (r *reader) includeFile(tree, name *node, path string, open []string) {
	if filepath.IsAbs(name.text) {
		path = name.text
	}
	switch {
	case slices.Contains(open, path):
		r.fault(name, "remove it", "%s includes itself", path)
		return
	case len(r.included) == maxIncluded:
		r.fault(name, "", "more than %d files are included", maxIncluded)
		return
	}
	src, ok := r.includedText(name, path)
	if !ok {
		return
	}
	r.secrets.Learn(string(src))
	r.included = append(r.included, Included{File: path, Text: string(src)})
	part := build(src, "", func(at place, hint, format string, args ...any) {
		at.file = path
		r.faultAt(at, hint, format, args...)
	})
	switch {
	case part == nil:
		return // empty, or reported
	case part.kind != mapping:
		at := part.at
		at.file = path
		r.faultAt(at, "write keys of a scenario file, such as feeders", "%s is %s, and no mapping", path, part.kind)
		return
	}
	part.standIn(path)
	r.include(part, path, append(open, path))
	tree.adopt(part)
}

// includedText reads a file. That of a saved run is in its record.
func (r *reader) includedText(name *node, path string) (src []byte, ok bool) {
	if r.saved {
		i := slices.IndexFunc(r.recorded, func(f Included) bool { return f.File == path })
		if i < 0 {
			r.fault(name, "", "%s is not in the record", path)
			return nil, false
		}
		return []byte(r.recorded[i].Text), true
	}
	src, err := ReadRegular(path, maxSource)
	if err != nil {
		r.fault(name, "", "include: %v", err)
		return nil, false
	}
	return src, true
}

// standIn says of everything at and below n in which file it stands.
func (n *node) standIn(file string) {
	n.at.file, n.keyAt.file = file, file
	for i := range n.entries {
		n.entries[i].at.file = file
		n.entries[i].value.standIn(file)
	}
	for _, item := range n.items {
		item.standIn(file)
	}
}

// adopt adds the keys of a mapping that n lacks, also within the mappings that both have.
func (n *node) adopt(other *node) {
	for _, e := range other.entries {
		own := n.get(e.key)
		switch {
		case own == nil:
			n.entries = append(n.entries, e)
		case own.kind == mapping && e.value.kind == mapping && e.key != "include":
			own.adopt(e.value)
		}
	}
}

// beside is the name of a file as the node that names it has it, relative to the scenario file.
func (r *reader) beside(n *node) string {
	if n.at.file == "" || filepath.IsAbs(n.text) {
		return n.text
	}
	dir := filepath.Dir(n.at.file)
	if relative, err := filepath.Rel(filepath.Dir(r.file), dir); err == nil {
		return filepath.Join(relative, n.text)
	}
	return filepath.Join(dir, n.text)
}

// pathOf is where a file is that a node names.
func (r *reader) pathOf(n *node) string {
	name := r.beside(n)
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(r.file), name)
}

// maskAll tells the redactor how to show the file, the files that it includes, and the overrides.
func (r *reader) maskAll(src []byte, overrides []string) {
	r.maskFile("", string(src))
	for _, f := range r.included {
		r.maskFile(f.File, f.Text)
	}
	for _, text := range overrides {
		if _, value, ok := splitOverride(text); ok {
			r.maskSource(place{override: text}, text[:len(text)-len(value)], value)
		}
	}
}

func (r *reader) maskFile(file, src string) {
	withoutMark := string(bytes.TrimPrefix([]byte(src), byteOrderMark))
	r.maskSource(place{file: file}, strings.TrimSuffix(src, withoutMark), withoutMark)
}
