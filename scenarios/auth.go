package scenarios

import (
	"encoding/base64"
	"slices"
	"strings"
)

const authorization = "Authorization"

var authShape = &shape{
	keys: []key{
		{"basic", &shape{keys: []key{{"user", secretText}, {"password", secretText}}}},
		{"bearer", secretText},
	},
	foreign: map[string]string{"username": "use basic: {user: …, password: …}", "token": "use bearer"},
}

// withAuth adds the header that key auth of n asks for to the headers beside it.
func (r *reader) withAuth(n *node, headers []Header, holes *holes) []Header {
	auth := n.get("auth")
	if !given(auth) {
		holes.unread = holes.unread || auth != nil
		return headers
	}
	if slices.ContainsFunc(headers, func(h Header) bool { return strings.EqualFold(h.Name, authorization) }) {
		r.faultAt(auth.keyAt, "remove one of the two", "%s: the header %s is given as well", auth.path, authorization)
	}
	basic, bearer := auth.get("basic"), auth.get("bearer")
	switch {
	case !exactlyOne(basic, bearer):
		r.faultAt(auth.keyAt, "for example {bearer: \"{{token}}\"}", "%s needs exactly one of basic and bearer",
			auth.path)
		return headers
	case basic != nil:
		return append(headers, r.basicAuth(basic, holes))
	}
	header := Header{Name: authorization, Value: Template{{Literal: "Bearer "}}}
	header.Value.add(r.credential(bearer, holes))
	return append(headers, header)
}

// basicAuth reads user and password of Basic authentication (RFC 7617).
func (r *reader) basicAuth(n *node, holes *holes) Header {
	header := Header{Name: authorization}
	if n.bad {
		holes.unread = true
		return header
	}
	user := r.credential(r.need(n, "user", "user: ann"), holes)
	password := r.credential(r.need(n, "password", "password: {secret: {env: PASSWORD}}"), holes)
	for _, p := range user {
		if strings.Contains(p.Literal, ":") {
			r.fault(n.get("user"), "", "%s.user has a colon, which ends the user of basic authentication", n.path)
		}
	}
	header.Value.add(user)
	header.Value.text(":")
	header.Value.add(password)
	if len(header.Value) > 1 {
		header.Basic = true
		return header
	}
	header.Value[0].Literal = "Basic " + base64.StdEncoding.EncodeToString([]byte(header.Value[0].Literal))
	return header
}

// credential reads a text that goes into a header.
func (r *reader) credential(n *node, holes *holes) Template {
	r.plainText(n)
	if !given(n) {
		holes.unread = true
		return nil
	}
	if !isHeaderText(n.text) {
		r.fault(n, "", "%s has a line break or control character", n.path)
	}
	return holes.template(n, plainly)
}

// inherit adds the headers of the scenario that the request does not have itself.
func (q *Request) inherit(shared []Header) {
	for _, h := range shared {
		own := func(other Header) bool { return strings.EqualFold(other.Name, h.Name) }
		if !slices.ContainsFunc(q.Headers, own) {
			q.Headers = append(q.Headers, h)
		}
	}
}

// learnAuth makes secrets of the credentials under auth.
func (r *reader) learnAuth(n *node, inAuth bool) {
	for _, e := range n.entries {
		if inAuth && (e.key == "password" || e.key == "bearer") && e.value.kind == scalar {
			r.learnField(e.value)
		}
		r.learnAuth(e.value, e.key == "auth" || inAuth && e.key == "basic")
	}
	for _, item := range n.items {
		r.learnAuth(item, false)
	}
}
