package scenarios

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// secretShape is a text that a secret may stand for: {secret: {env: NAME}} or {secret: {file: PATH}}.
var (
	secretSource = &shape{
		keys:    []key{{"env", value}, {"file", value}},
		foreign: map[string]string{"value": "write the text itself in place of {secret: …}"},
	}
	secretText  = &shape{scalar: true, keys: []key{{"secret", secretSource}}}
	secretTexts = &shape{names: secretText}
)

// maxSecret bounds the file of a secret, in bytes.
const maxSecret = 1 << 20

// plainText reads a text that a secret may stand for, and makes a single value of n. A secret is taken as it is: braces
// in it open no hole.
func (r *reader) plainText(n *node) {
	if !given(n) || n.kind == scalar {
		return
	}
	source := n.get("secret")
	if source == nil {
		r.fault(n, "", "%s needs a text or secret: {env: NAME}", n.path)
	}
	text, ok := r.secret(source)
	n.kind, n.entries, n.text, n.literal, n.bad = scalar, nil, text, true, !ok
}

// secret reads what {env: NAME} or {file: PATH} names. ok is false when there was a fault.
func (r *reader) secret(source *node) (text string, ok bool) {
	if !given(source) {
		return "", false
	}
	env, file := source.get("env"), source.get("file")
	if (env == nil) == (file == nil) {
		r.faultAt(source.keyAt, "for example {env: API_TOKEN}", "%s needs exactly one of env and file", source.path)
		return "", false
	}
	switch {
	case env != nil && !given(env), file != nil && !given(file):
		return "", false
	case r.saved:
		return Redacted, true
	case env != nil:
		text, ok = r.lookup(env.text)
		if !ok {
			r.fault(env, "set it, or name a file that does by --env-file", "the variable %.120q is not set", env.text)
			return "", false
		}
	default:
		text, ok = r.secretFile(file)
		if !ok {
			return "", false
		}
	}
	if text == "" {
		r.fault(source, "", "%s is empty", source.path)
		return "", false
	}
	r.secrets.addLiteral(text)
	return text, true
}

// secretFile reads a file whose name is relative to the scenario file, without the line break at its end.
func (r *reader) secretFile(n *node) (text string, ok bool) {
	content, err := ReadRegular(r.pathOf(n), maxSecret)
	if err != nil {
		r.fault(n, "", "%s: %v", n.path, err)
		return "", false
	}
	text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	return text, true
}

// ReadRegular reads a file that is one, of so many bytes at most: a device or pipe may have no end, or never begin.
func ReadRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return content, err
}

// learnAll tells the redactor of all that a file is known to keep secret.
func (r *reader) learnAll(tree *node) {
	r.learnNames(tree)
	r.learn(tree, "", "")
	r.learnValues(tree, false)
	r.learnFields(tree, false)
	r.learnAuth(tree, false)
	r.learnSettings(tree)
}

// learn tells the redactor of everything at and below n that is known to hold secrets, before anything of it can be
// shown. name is the key that n is the value of, in the one above it.
func (r *reader) learn(n *node, name, in string) {
	for _, e := range n.entries {
		r.learn(e.value, e.key, name)
	}
	inList := ""
	if isAddress(in, name) {
		inList = in
	}
	for _, item := range n.items {
		r.learn(item, name, inList)
	}
	if n.kind != scalar || n.text == "" {
		return
	}
	whole := in == "headers" && r.secrets.IsHeader(name)
	for _, text := range []string{n.text, n.written, n.raw} {
		if isAddress(in, name) {
			r.secrets.learnAddress(text)
			r.mask(n, maskedAddress)
		}
		if whole {
			r.secrets.LearnHeader(name, text)
			r.hide(text)
			r.mask(n, maskedHeader(name))
			continue
		}
		r.secrets.Learn(text)
		r.secrets.inPlaces(text, func(value string) string {
			r.hide(value)
			return value
		})
	}
}

// hide makes secrets of the variables and values that a text, which is one, names.
func (r *reader) hide(text string) {
	for _, found := range holePlace.FindAllString(text, -1) {
		if inside, isHole := strings.CutPrefix(found, "{{"); isHole {
			name, _, _ := strings.Cut(strings.TrimSuffix(inside, "}}"), "|") // filters follow
			r.secretValues[strings.TrimSpace(name)] = true
		} else if v := variable.FindStringSubmatch(found[1:]); v != nil {
			r.hideVariable(v[1])
		}
	}
}

func (r *reader) hideVariable(name string) {
	r.hidden[name] = true
	r.secrets.addLiteral(r.variables[name])
}

// learnValues tells the redactor of the lists of values that stand in secrets, or are called like one.
func (r *reader) learnValues(n *node, inValues bool) {
	for _, e := range n.entries {
		if list := e.value.get("list"); inValues && list != nil && (r.secretValues[e.key] || r.secrets.IsField(e.key)) {
			for _, item := range list.items {
				r.secrets.addValue(item.text)
				r.mask(item, maskedText)
				r.hide(item.written)
			}
		}
		r.learnValues(e.value, e.key == "values")
	}
	for _, item := range n.items {
		r.learnValues(item, false)
	}
}

// learnNames tells the redactor of the names that the file makes secret itself, and of those that cannot be secrets.
func (r *reader) learnNames(tree *node) {
	if list := tree.get("redact"); list != nil {
		for _, item := range list.items {
			r.secrets.addName(item.text)
		}
	}
	names := map[string]bool{}
	collectNames(tree, "", names)
	r.secrets.publish(names)
}

// collectNames finds the keys of mappings, the names and the tags at and below n.
func collectNames(n *node, key string, names map[string]bool) {
	for _, e := range n.entries {
		names[e.key] = true
		if named := e.value; named.kind == scalar && named.written == "" && (e.key == "name" || key == "tags") {
			names[named.text] = true
		}
		collectNames(e.value, e.key, names)
	}
	for _, item := range n.items {
		collectNames(item, key, names)
	}
}

// redactNames checks the names of headers, parameters and fields that the file makes secret: learnNames has read them.
func (r *reader) redactNames(n *node) {
	if n == nil {
		return
	}
	for _, item := range n.items {
		if !item.bad && (len(item.text) < 2 || strings.ContainsAny(item.text, " \t\r\n:=")) {
			r.fault(item, "for example [X-Partner-Key, invoice_code]",
				"%s %.120q is not the name of a header, parameter or field", n.path, item.text)
		}
	}
}
