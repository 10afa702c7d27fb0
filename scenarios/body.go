package scenarios

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// bodyKeys are those that say what body a request has. It has one of them at most.
var bodyKeys = []string{"body", "bodyFile", "json", "form", "multipart"}

// maxBodyFile bounds a file that is sent, in bytes: each connection keeps a copy of the request that it sends.
const maxBodyFile = 16 << 20

var (
	// bodyText is a text that may also be bytes in base64: !!binary.
	bodyText = &shape{scalar: true, binary: true, keys: secretText.keys}

	formShape = &shape{names: &shape{scalar: true, binary: true, keys: secretText.keys, items: bodyText}}

	partShape = &shape{scalar: true, binary: true, keys: []key{
		{"text", bodyText},
		{"file", value},
		{"filename", value},
		{"contentType", value},
		{"secret", secretSource},
	}}

	multipartShape = &shape{names: &shape{scalar: true, binary: true, keys: partShape.keys, items: partShape}}
)

const (
	contentType = "Content-Type"
	typeOfJSON  = "application/json"
	typeOfForm  = "application/x-www-form-urlencoded"
)

// body reads what a request sends, once its headers are known, and adds the header that says of what type it is.
func (r *reader) body(n *node, request *Request, holes *holes) {
	var found *node
	for _, key := range bodyKeys {
		body := n.get(key)
		switch {
		case body == nil:
		case found != nil:
			r.faultAt(body.keyAt, "remove one of the two", "%s: the request has %s as well", body.path, found.path)
		default:
			found = body
			r.bodyOf(key, body, request, holes)
		}
	}
}

func (r *reader) bodyOf(key string, n *node, request *Request, holes *holes) {
	if n.bad {
		holes.unread = true
		return
	}
	switch key {
	case "body":
		request.Body = r.textOfType(n, cmp.Or(typeOf(request.Headers), typeOf(r.shared.headers)), holes)
	case "bodyFile":
		request.Body.text(r.sentFile(n))
	case "json":
		r.json(n, &request.Body, holes)
		request.setType(typeOfJSON)
	case "form":
		request.Body = r.form(n, holes)
		request.setType(typeOfForm)
	case "multipart":
		if typeOf(request.Headers) != "" {
			r.faultAt(n.keyAt, "leave the header out", "%s sets %s itself, with the boundary between its parts",
				n.path, contentType)
		}
		var boundary string
		request.Body, boundary = r.multipart(n, holes)
		request.setType("multipart/form-data; boundary=" + boundary)
	}
}

// setType adds the type of the body, unless the request's headers have one.
func (q *Request) setType(text string) {
	for _, h := range q.Headers {
		if strings.EqualFold(h.Name, contentType) {
			return
		}
	}
	q.Headers = append(q.Headers, Header{Name: contentType, Value: Template{{Literal: text}}})
}

// typeOf is the type that headers give a body; empty where they give none.
func typeOf(headers []Header) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, contentType) {
			return h.Value.Text()
		}
	}
	return ""
}

// textOfType reads a text, or bytes in base64. Its type says how what fills its holes is written; without one, a text
// that is JSON is taken for it.
func (r *reader) textOfType(n *node, mediaType string, holes *holes) Template {
	r.plainText(n)
	if n.bad {
		holes.unread = true
		return nil
	}
	mediaType, _, _ = strings.Cut(strings.ToLower(mediaType), ";")
	mediaType = strings.TrimSpace(mediaType)
	switch {
	case strings.Contains(mediaType, "json"), mediaType == "" && looksLikeJSON(n.text):
		return holes.template(n, asJSON)
	case mediaType == typeOfForm:
		return holes.template(n, asForm)
	}
	return holes.template(n, plainly)
}

// looksLikeJSON reports whether a text is an object or array of JSON, with a number in each hole.
func looksLikeJSON(text string) bool {
	sample := strings.TrimSpace(holePlace.ReplaceAllString(text, "0"))
	return (strings.HasPrefix(sample, "{") || strings.HasPrefix(sample, "[")) && json.Valid([]byte(sample))
}

// sentFile reads a file whose name is relative to the scenario file. It is sent as it is.
func (r *reader) sentFile(n *node) string {
	if r.saved {
		return ""
	}
	content, err := ReadRegular(r.pathOf(n), maxBodyFile)
	if err != nil {
		r.fault(n, "", "%s: %v", n.path, err)
	}
	r.secrets.Learn(string(content[:min(len(content), maxSource)]))
	return string(content)
}

// json writes a value of YAML as JSON. What fills holes is escaped. A text that is one hole with the filter raw is
// written without quotes.
func (r *reader) json(n *node, t *Template, holes *holes) {
	switch {
	case n.bad:
		holes.unread = true
	case n.null:
		t.text("null")
	case n.kind == mapping:
		t.text("{")
		for i, e := range n.entries {
			if i > 0 {
				t.text(",")
			}
			r.quoted(&node{kind: scalar, at: e.at, path: e.value.path, text: e.key}, t, holes)
			t.text(":")
			r.json(e.value, t, holes)
		}
		t.text("}")
	case n.kind == sequence:
		t.text("[")
		for i, item := range n.items {
			if i > 0 {
				t.text(",")
			}
			r.json(item, t, holes)
		}
		t.text("]")
	case n.typed, n.plain && n.written != "" && isBareJSON(n.text):
		r.bareJSON(n, t)
	default:
		r.quoted(n, t, holes)
	}
}

// quoted writes a text as JSON.
func (r *reader) quoted(n *node, t *Template, holes *holes) {
	text := holes.template(n, inString)
	if len(text) == 1 && text[0].Value != "" && text[0].Encoding == Raw {
		t.add(text)
		return
	}
	t.text(`"`)
	t.add(text)
	t.text(`"`)
}

// bareJSON writes a number, true or false.
func (r *reader) bareJSON(n *node, t *Template) {
	text := n.text
	if lower := strings.ToLower(text); lower == "true" || lower == "false" {
		text = lower
	}
	if !isBareJSON(text) {
		r.fault(n, "write it in quotes for a text, or as a decimal number", "%s is %s, which JSON does not have",
			n.path, n.text)
	}
	t.text(text)
}

// isBareJSON reports whether a text is a value of JSON that is written without quotes, and no list or object.
func isBareJSON(text string) bool {
	return json.Valid([]byte(text)) && !strings.ContainsAny(text, "\"{[ \t\r\n")
}

// form reads the fields of a form.
func (r *reader) form(n *node, holes *holes) Template {
	var t Template
	field := func(name string, value *node) {
		if len(t) > 0 {
			t.text("&")
		}
		t.text(ForForm.text(name) + "=")
		r.plainText(value)
		if value.bad {
			holes.unread = true
			return
		}
		t.add(holes.template(value, inField))
	}
	for _, e := range n.entries {
		if e.value.kind != sequence {
			field(e.key, e.value)
			continue
		}
		for _, item := range e.value.items {
			field(e.key, item)
		}
	}
	return t
}

// multipart reads the parts of a multipart/form-data body (RFC 7578).
func (r *reader) multipart(n *node, holes *holes) (t Template, boundary string) {
	var parts []Template
	for _, e := range n.entries {
		values := e.value.items
		if e.value.kind != sequence {
			values = []*node{e.value}
		}
		for _, value := range values {
			parts = append(parts, r.formPart(e.key, value, holes))
		}
	}
	if len(parts) == 0 && !n.bad {
		r.fault(n, "for example {title: a text, photo: {file: photo.jpg}}", "%s is empty", n.path)
	}
	boundary = boundaryOf(parts)
	for _, part := range parts {
		t.text("--" + boundary + "\r\n")
		t.add(part)
		t.text("\r\n")
	}
	t.text("--" + boundary + "--\r\n")
	return t, boundary
}

// formPart reads one part: its headers, a blank line, and its content.
func (r *reader) formPart(name string, n *node, holes *holes) Template {
	if n.bad {
		holes.unread = true
		return nil
	}
	file, text, secret := n.get("file"), n.get("text"), n.get("secret")
	if n.kind == mapping && !exactlyOne(file, text, secret) {
		r.faultAt(n.keyAt, "for example {file: photo.jpg, contentType: image/jpeg}",
			"%s needs exactly one of file, text and secret", n.path)
	}
	kind, filename := r.partHeader(n.get("contentType")), r.partHeader(n.get("filename"))
	if filename == "" && given(file) {
		filename = filepath.Base(file.text)
	}
	if kind == "" && file != nil {
		kind = "application/octet-stream"
	}
	head := `Content-Disposition: form-data; name="` + inDisposition.Replace(name) + `"`
	if filename != "" {
		head += `; filename="` + inDisposition.Replace(filename) + `"`
	}
	if kind != "" {
		head += "\r\n" + contentType + ": " + kind
	}
	t := Template{{Literal: head + "\r\n\r\n"}}
	switch {
	case given(file):
		t.text(r.sentFile(file))
	case n.kind == scalar, n.kind == mapping && secret != nil:
		t.add(r.partText(n, kind, holes))
	case text != nil:
		t.add(r.partText(text, kind, holes))
	}
	return t
}

// partText reads the text of a part. Only its own type makes JSON of it.
func (r *reader) partText(n *node, kind string, holes *holes) Template {
	if kind == "" {
		kind = "text/plain"
	}
	return r.textOfType(n, kind, holes)
}

// partHeader reads what goes into the headers of a part.
func (r *reader) partHeader(n *node) string {
	text := r.text(n, "")
	if !isHeaderText(text) {
		r.fault(n, "", "%s has a line break or control character", n.path)
	}
	return text
}

func exactlyOne(nodes ...*node) bool {
	found := 0
	for _, n := range nodes {
		if n != nil {
			found++
		}
	}
	return found == 1
}

// inDisposition escapes names as browsers do (WHATWG, multipart/form-data encoding algorithm).
var inDisposition = strings.NewReplacer("\n", "%0A", "\r", "%0D", `"`, "%22")

// boundaryOf is a boundary that stands in none of the parts. It follows from their content alone.
func boundaryOf(parts []Template) string {
	for salt := 0; ; salt++ {
		hash := sha256.New()
		fmt.Fprint(hash, salt)
		for _, t := range parts {
			for _, p := range t {
				hash.Write([]byte(p.Literal))
			}
		}
		boundary := "headroom-" + hex.EncodeToString(hash.Sum(nil))[:32]
		if !standsIn(parts, boundary) {
			return boundary
		}
	}
}

func standsIn(parts []Template, text string) bool {
	for _, t := range parts {
		for _, p := range t {
			if strings.Contains(p.Literal, text) {
				return true
			}
		}
	}
	return false
}

// learnFields makes secrets of the fields of bodies that are called like one.
func (r *reader) learnFields(n *node, inBody bool) {
	for _, e := range n.entries {
		if inBody && r.secrets.IsField(e.key) {
			r.learnField(e.value)
		}
		r.learnFields(e.value, inBody || e.key == "json" || e.key == "grpc" || e.key == "form" || e.key == "multipart")
	}
	for _, item := range n.items {
		r.learnFields(item, inBody)
	}
}

// learnField makes secrets of the texts of a field.
func (r *reader) learnField(n *node) {
	for _, item := range n.items {
		r.learnField(item)
	}
	text := n.get("text")
	if text == nil {
		text = n
	}
	if text.kind != scalar || text.text == "" {
		return
	}
	for _, of := range []string{text.text, text.written, text.raw} {
		r.secrets.addValue(of)
		r.hide(of)
	}
	r.mask(text, maskedText)
}
