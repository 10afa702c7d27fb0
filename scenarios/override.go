package scenarios

import (
	"slices"
	"strconv"
	"strings"
)

// overrider applies one override; at is where its faults are.
type overrider struct {
	*reader
	at      place
	removes bool // the value is null: the key goes
}

// override applies one "key=value" to the tree of a file. "key=null" removes a key.
func (r *reader) override(tree *node, text string) {
	o := overrider{reader: r, at: place{override: text}}
	if text == "" {
		o.at.override = `""`
	}
	r.secrets.LearnOverride(text)
	path, value, ok := splitOverride(text)
	if !ok {
		o.refuse(`write key=value, for example scenarios.warm.rate=500`, "not an override")
		return
	}
	replacement := build([]byte(value), text, r.faultAt)
	if replacement == nil { // empty, or reported
		replacement = &node{kind: scalar, at: o.at, null: strings.TrimSpace(value) == ""}
		replacement.bad = !replacement.null
	}
	o.removes = strings.TrimSpace(value) == "null"
	replacement.keyAt = o.at
	in := ""
	if len(path) > 1 {
		in = path[len(path)-2]
	}
	r.learn(replacement, path[len(path)-1], in)
	o.set(tree, planShape, path, replacement)
}

func (o overrider) refuse(hint, format string, args ...any) { o.faultAt(o.at, hint, format, args...) }

// splitOverride takes "key=value" apart. Dots and equals signs inside braces or quotes belong to a word of the key:
// thresholds.http_req_duration{name:a.b}=p(95)<50.
func splitOverride(text string) (path []string, value string, ok bool) {
	var word strings.Builder
	var quote byte
	braces := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && braces == 0 && c == '.':
			path = append(path, word.String())
			word.Reset()
		case quote == 0 && braces == 0 && c == '=':
			path = append(path, word.String())
			return path, text[i+1:], !slices.Contains(path, "")
		default:
			if quote == 0 && c == '{' {
				braces++
			} else if quote == 0 && c == '}' {
				braces--
			}
			word.WriteByte(c)
		}
	}
	return nil, "", false
}

// set replaces what path leads to, below n with its shape s. It makes the sections of the format that are not there
// yet, and refuses to make what the user names: otherwise scenarios.wram.rate would be a new, broken scenario.
func (o overrider) set(n *node, s *shape, path []string, replacement *node) {
	for i, word := range path {
		where, last := strings.Join(path[:i], "."), i == len(path)-1
		if !s.allows(n.kind) || n.kind == scalar {
			o.refuse("", "%s is %s and has no %q in it", orFile(where), n.kind, word)
			return
		}
		if n.kind == sequence {
			index, ok := o.item(n, word, where)
			if !ok {
				return
			}
			if last {
				n.items[index] = replacement
			}
			n, s = n.items[index], s.items
			continue
		}
		inner := s.find(word)
		if inner == nil {
			o.refuse(s.unknown(word), "unknown key %q%s", word, in(where))
			return
		}
		next := n.get(word)
		switch {
		case last && o.removes:
			n.entries = slices.DeleteFunc(n.entries, func(e entry) bool { return e.key == word })
			return
		case last:
			n.put(word, o.at, replacement)
		case next == nil && s.names == nil && inner.isMapping():
			next = &node{kind: mapping, at: o.at, keyAt: o.at}
			n.put(word, o.at, next)
		case next == nil:
			o.refuse(suggest(word, n.words()), "%s has no %q", orFile(where), word)
			return
		}
		n, s = next, inner
	}
}

// item finds an item of a list by its name or by its number from 0.
func (o overrider) item(n *node, word, where string) (index int, ok bool) {
	var names []string
	for i, item := range n.items {
		if name := item.get("name"); name != nil && name.kind == scalar {
			if name.text == word {
				return i, true
			}
			names = append(names, name.text)
		}
	}
	index, err := strconv.Atoi(word)
	if err == nil && index >= 0 && index < len(n.items) {
		return index, true
	}
	hint := suggest(word, names)
	if hint == "" {
		hint = "its items are numbered from 0"
	}
	o.refuse(hint, "%s, a list of %d, has no item %q", where, len(n.items), word)
	return 0, false
}

// put sets the value of a key of a mapping.
func (n *node) put(key string, at place, value *node) {
	for i := range n.entries {
		if n.entries[i].key == key {
			n.entries[i].value = value
			return
		}
	}
	n.entries = append(n.entries, entry{key, at, value})
}

// words are the keys of a mapping.
func (n *node) words() []string {
	words := make([]string, len(n.entries))
	for i, e := range n.entries {
		words[i] = e.key
	}
	return words
}
