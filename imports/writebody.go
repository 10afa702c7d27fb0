package imports

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// body writes the body of a request by the key of its type.
func (w *writer) body(r *request, indent int) {
	leaveOut := func() { r.body, r.file, r.json, r.form, r.parts = nil, "", nil, nil, nil }
	w.own("the body of "+r.name, r.line, r.column, leaveOut, func() {
		switch {
		case len(r.body) > 0:
			w.line(indent, "body: %s", scalar(w.template(r.body), indent))
		case r.file != "":
			w.line(indent, "bodyFile: %s", flowScalar(escapeVariables(r.file)))
		case r.json != nil:
			w.json("json:", r.json, indent)
		case len(r.form) > 0:
			w.form(r.form, indent)
		case len(r.parts) > 0:
			w.multipart(r.parts, indent)
		}
	})
}

// mostColumns is the longest line of a list or mapping in brackets.
const mostColumns = 100

// json writes a value of JSON behind a key: in the same line where it is short.
func (w *writer) json(before string, v *jsonNode, indent int) {
	if short, ok := w.inline(v); ok && len(short)+len(before)+2*indent < mostColumns {
		w.line(indent, "%s %s", before, short)
		return
	}
	switch {
	case v.kind == 0:
		w.line(indent, "%s %s", before, w.bareJSON(v))
	case v.kind == '"':
		w.line(indent, "%s %s", before, scalar(w.template(v.text), indent))
	default:
		w.line(indent, "%s", before)
	}
	for i, item := range v.items {
		if v.kind == '{' {
			w.json(w.jsonName(v.names[i])+":", item, indent+1)
			continue
		}
		w.json("-", item, indent+1)
	}
}

// inline is a value of JSON in one line; ok is false for one that needs lines of its own.
func (w *writer) inline(v *jsonNode) (s string, ok bool) {
	switch v.kind {
	case 0:
		s = w.bareJSON(v)
		return s, !strings.HasPrefix(s, "$")
	case '"':
		s = w.template(v.text)
		return flowScalar(s), !strings.Contains(s, "\n")
	}
	all := make([]string, len(v.items))
	for i, item := range v.items {
		all[i], ok = w.inline(item)
		if !ok || len(all[i]) > mostColumns {
			return "", false
		}
		if v.kind == '{' {
			all[i] = w.jsonName(v.names[i]) + ": " + all[i]
		}
	}
	if v.kind == '{' {
		return "{" + strings.Join(all, ", ") + "}", true
	}
	return "[" + strings.Join(all, ", ") + "]", true
}

// bareJSON is a value that JSON has without quotes: a number, or what fills a hole or variable.
func (w *writer) bareJSON(v *jsonNode) string {
	if len(v.text) == 1 && v.text[0].hole != "" {
		return flowScalar("{{" + v.text[0].hole + "|raw}}")
	}
	return w.template(v.text)
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// jsonName is a name of a member; it is a template, but variables of the environment have no meaning in it.
func (w *writer) jsonName(name string) string {
	if strings.Contains(name, "{{") {
		w.signs[twoBraces] = true
		name = strings.ReplaceAll(name, "{{", "{{"+twoBraces+"}}")
	}
	return keyScalar(name)
}

// keyScalar is a text as a key.
func keyScalar(s string) string {
	if plainKey.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	return flowScalar(s)
}

// form writes the fields of a form; those of one name follow one another and are a list.
func (w *writer) form(fields []pair, indent int) {
	var names []string
	values := map[string][]string{}
	for _, f := range fields {
		if values[f.name] == nil {
			names = append(names, f.name)
		}
		values[f.name] = append(values[f.name], flowScalar(w.template(f.value)))
	}
	w.fields("form:", names, values, indent)
}

func (w *writer) multipart(parts []formPart, indent int) {
	var names []string
	values := map[string][]string{}
	for _, p := range parts {
		if values[p.name] == nil {
			names = append(names, p.name)
		}
		values[p.name] = append(values[p.name], w.part(p))
	}
	w.fields("multipart:", names, values, indent)
}

// part is a part of a form as YAML.
func (w *writer) part(p formPart) string {
	var keys []string
	text := flowScalar(w.template(p.value))
	switch {
	case p.file != "":
		keys = append(keys, "file: "+flowScalar(escapeVariables(p.file)))
	case p.filename == "" && p.kind == "":
		return text
	default:
		keys = append(keys, "text: "+text)
	}
	if p.filename != "" {
		keys = append(keys, "filename: "+flowScalar(escapeVariables(p.filename)))
	}
	if p.kind != "" {
		keys = append(keys, "contentType: "+flowScalar(escapeVariables(p.kind)))
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// fields writes names with values that are written already, in one line where they are few.
func (w *writer) fields(key string, names []string, values map[string][]string, indent int) {
	var lines []string
	length := 2*indent + len(key)
	for _, name := range names {
		written := values[name][0]
		if len(values[name]) > 1 {
			written = "[" + strings.Join(values[name], ", ") + "]"
		}
		line := keyScalar(name) + ": " + written
		length += utf8.RuneCountInString(line) + 2
		lines = append(lines, line)
	}
	if length < mostColumns {
		w.line(indent, "%s {%s}", key, strings.Join(lines, ", "))
		return
	}
	w.line(indent, "%s", key)
	for _, line := range lines {
		w.line(indent+1, "%s", line)
	}
}
