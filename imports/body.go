package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	typeOfJSON = "application/json"
	typeOfForm = "application/x-www-form-urlencoded"
)

// formPart is a part of a form with several parts: a text, or a file.
type formPart struct {
	name     string
	value    text
	file     string
	filename string
	kind     string // its Content-Type
}

// settleBody writes a body by the key of its type, where it says the same by that, with variables in place of secrets.
func (d *draft) settleBody(r *request) {
	kind := r.kind()
	switch {
	case len(r.body) == 0:
	case isJSON(kind):
		if tree, ok := jsonOf(r.body); ok {
			r.json, r.body = tree, nil
		}
	case kind == typeOfForm:
		if fields, ok := formOf(r.body); ok {
			r.form, r.body = fields, nil
		}
	case kind == "multipart/form-data":
		if parts, ok := multipartOf(r); ok {
			r.parts, r.body = parts, nil
		}
	}
	d.concealBody(r)
	r.headers = slices.DeleteFunc(r.headers, func(h pair) bool {
		if !strings.EqualFold(h.name, "Content-Type") {
			return false
		}
		written := strings.ToLower(strings.TrimSpace(h.value.string()))
		return len(r.parts) > 0 || r.json != nil && written == typeOfJSON || r.form != nil && written == typeOfForm
	})
}

// kind is the type of the body of a request, without parameters.
func (r *request) kind() string {
	for _, h := range r.headers {
		if strings.EqualFold(h.name, "Content-Type") {
			kind, _, _ := strings.Cut(h.value.string(), ";")
			return strings.ToLower(strings.TrimSpace(kind))
		}
	}
	return ""
}

// concealBody puts variables in place of the secrets of a body.
func (d *draft) concealBody(r *request) {
	for _, fields := range bodyFields {
		r.body = d.withoutSecrets(r.body, fields)
	}
	for i := range r.form {
		d.concealField(r.form[i].name, &r.form[i].value)
	}
	for i := range r.parts {
		d.concealField(r.parts[i].name, &r.parts[i].value)
	}
	r.json.eachField(func(name string, v *text) { d.concealField(name, v) })
}

// concealField puts a variable in place of the value of a field that is known to hold a secret.
func (d *draft) concealField(name string, v *text) {
	if !d.known.IsField(name) {
		return
	}
	d.forget(*v)
	s := v.string()
	if !v.isLiteral() || s == "" || s == "true" || s == "false" || s == "null" {
		return
	}
	*v = d.conceal(s, name, "the field "+name)
}

// fieldName are names of fields: in a text of another type, what stands before "=" is something else.
var fieldName = regexp.MustCompile(`^[A-Za-z0-9_.:\[\]$@-]{1,100}$`)

// formOf reads the fields of a form; ok is false for a text that is none, or whose fields of one name do not follow one
// another.
func formOf(t text) (fields []pair, ok bool) {
	s, parts := t.flat()
	taken := map[string]bool{}
	for field := range strings.SplitSeq(s, "&") {
		name, value, found := strings.Cut(field, "=")
		marks := strings.Count(value, string(mark))
		name, errName := url.QueryUnescape(name)
		decoded, errValue := url.QueryUnescape(value)
		same := len(fields) > 0 && fields[len(fields)-1].name == name
		if !found || errName != nil || errValue != nil || !fieldName.MatchString(name) || !utf8.ValidString(decoded) ||
			strings.Count(decoded, string(mark)) != marks || taken[name] && !same {
			return nil, false
		}
		taken[name] = true
		fields = append(fields, pair{name, unflat(decoded, parts[:marks])})
		parts = parts[marks:]
	}
	return fields, true
}

// multipartOf reads the parts of a body that is written out whole.
func multipartOf(r *request) (all []formPart, ok bool) {
	written := ""
	for _, h := range r.headers {
		if strings.EqualFold(h.name, "Content-Type") {
			written = h.value.string()
		}
	}
	_, parameters, err := mime.ParseMediaType(written)
	if err != nil || parameters["boundary"] == "" {
		return nil, false
	}
	s, marks := r.body.flat()
	reader := multipart.NewReader(strings.NewReader(s), parameters["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return all, len(all) > 0
		}
		if err != nil {
			return nil, false
		}
		content, err := io.ReadAll(part)
		n := bytes.Count(content, []byte(string(mark)))
		encoding := part.Header.Get("Content-Transfer-Encoding")
		if err != nil || part.FormName() == "" || n > len(marks) || encoding != "" || !utf8.Valid(content) {
			return nil, false
		}
		all = append(all, formPart{
			name: part.FormName(), value: unflat(string(content), marks[:n]), filename: part.FileName(),
			kind: part.Header.Get("Content-Type"),
		})
		marks = marks[n:]
	}
}

// jsonNode is a value of JSON.
type jsonNode struct {
	kind  byte // '{', '[', '"', or 0 for what is written without quotes
	text  text // of the last two
	names []string
	items []*jsonNode
}

func (v *jsonNode) eachText(do func(*text)) {
	if v == nil {
		return
	}
	if v.kind == '"' || v.kind == 0 {
		do(&v.text)
	}
	for _, item := range v.items {
		item.eachText(do)
	}
}

// eachField calls do for each single value with a name.
func (v *jsonNode) eachField(do func(name string, v *text)) {
	if v == nil {
		return
	}
	for i, item := range v.items {
		if v.kind == '{' && (item.kind == '"' || item.kind == 0) {
			do(v.names[i], &item.text)
		}
		item.eachField(do)
	}
}

// eachName notes the signs that the names of members need.
func (v *jsonNode) eachName(w *writer) {
	if v == nil {
		return
	}
	for i, item := range v.items {
		if v.kind == '{' {
			w.jsonName(v.names[i])
		}
		item.eachName(w)
	}
}

// bare stands behind the mark of a part that is in no quotes.
const bare = "\ue001"

// jsonOf reads a text that is an object or a list of JSON; ok is false for other texts, and for those with something
// that would be written in another way: numbers as no person writes them, names given twice.
func jsonOf(t text) (v *jsonNode, ok bool) {
	const longest = 64 << 10
	s, parts := t.flat()
	if len(s) > longest || strings.Contains(s, bare) {
		return nil, false
	}
	s = withBareMarks(strings.TrimSpace(s))
	if !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") || !json.Valid([]byte(s)) {
		return nil, false
	}
	p := &jsonReader{decoder: json.NewDecoder(strings.NewReader(s)), source: s, parts: parts}
	p.decoder.UseNumber()
	v = p.value(0)
	return v, !p.odd && len(p.parts) == 0
}

// withBareMarks puts quotes around the marks that stand outside of strings.
func withBareMarks(s string) string {
	var b strings.Builder
	within, escaped := false, false
	for _, c := range s {
		switch {
		case c == mark && !within:
			b.WriteString(`"` + string(mark) + bare + `"`)
			continue
		case escaped:
			escaped = false
		case within && c == '\\':
			escaped = true
		case c == '"':
			within = !within
		}
		b.WriteRune(c)
	}
	return b.String()
}

// jsonReader reads a document that is valid.
type jsonReader struct {
	decoder *json.Decoder
	source  string
	parts   []part // whose marks have not been passed yet
	odd     bool   // the document has something that is not written again as it is
}

func (p *jsonReader) value(depth int) *jsonNode {
	const deepest = 30
	token, err := p.decoder.Token()
	if err != nil || depth > deepest {
		p.odd = true
	}
	if p.odd {
		return &jsonNode{}
	}
	switch token := token.(type) {
	case json.Delim:
		v := &jsonNode{kind: byte(token)}
		for p.decoder.More() && !p.odd {
			if v.kind == '{' {
				v.names = append(v.names, p.name(v))
			}
			v.items = append(v.items, p.value(depth+1))
		}
		_, err := p.decoder.Token() // its end
		p.odd = p.odd || err != nil
		return v
	case string:
		return p.string(token)
	case json.Number:
		p.odd = p.odd || !plainNumber.MatchString(token.String())
		return &jsonNode{text: plain(token.String())}
	case bool:
		return &jsonNode{text: plain(map[bool]string{true: "true", false: "false"}[token])}
	}
	return &jsonNode{text: plain("null")}
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$`)

// name is the name of a member of an object.
func (p *jsonReader) name(in *jsonNode) string {
	token, err := p.decoder.Token()
	name, ok := token.(string)
	p.odd = p.odd || err != nil || !ok || slices.Contains(in.names, name) || strings.ContainsRune(name, mark) ||
		name == "<<" || p.isReplaced(name)
	return name
}

func (p *jsonReader) string(s string) *jsonNode {
	literal, isBare := strings.CutSuffix(s, bare)
	n := strings.Count(literal, string(mark))
	if n > len(p.parts) || p.isReplaced(s) {
		p.odd = true
		return &jsonNode{}
	}
	v := &jsonNode{kind: '"', text: unflat(literal, p.parts[:n])}
	if isBare {
		v.kind = 0
	}
	p.parts = p.parts[n:]
	return v
}

// isReplaced reports whether a text has a sign in place of characters that are none.
func (p *jsonReader) isReplaced(s string) bool {
	return strings.ContainsRune(s, utf8.RuneError) && !strings.ContainsRune(p.source, utf8.RuneError)
}
