package imports

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

// credentials are by what a request signs in: a token, or user and password.
type credentials struct {
	bearer         text
	user, password text
	basic          bool
}

// settleCredentials reads the header Authorization of a request, and puts variables in place of secrets.
func (d *draft) settleCredentials(r *request) {
	r.headers = slices.DeleteFunc(r.headers, func(h pair) bool {
		if !strings.EqualFold(h.name, "Authorization") {
			return false
		}
		if r.auth == nil {
			r.auth = credentialsOf(h.value)
			return r.auth != nil
		}
		d.leaveOut(r.line, r.column, "a second header Authorization of %s %s", r.method, withoutQuery(r.url))
		return true
	})
	a := r.auth
	if a == nil {
		return
	}
	for _, t := range []text{a.bearer, a.user, a.password} {
		d.forget(t)
	}
	a.bearer = d.concealLiterals(a.bearer, "API_TOKEN", "what follows Bearer in the header Authorization")
	a.password = d.concealLiterals(a.password, "BASIC_PASSWORD", "the password of basic authentication")
	if a.user.isLiteral() {
		a.user = d.concealLiterals(a.user, "BASIC_USER", "the user of basic authentication")
	}
}

// credentialsOf are those that a header has; nil for one that says something else.
func credentialsOf(value text) *credentials {
	if len(value) == 0 {
		return nil
	}
	scheme, first, found := strings.Cut(value[0].literal, " ")
	rest := joined(plain(strings.TrimLeft(first, " ")), value[1:])
	switch {
	case !found || len(rest) == 0:
		return nil
	case strings.EqualFold(scheme, "Bearer"):
		return &credentials{bearer: rest}
	case !strings.EqualFold(scheme, "Basic") || len(rest) != 1:
		return nil
	case rest[0].base64 != nil:
		return basicOf(*rest[0].base64)
	}
	decoded, err := base64.StdEncoding.DecodeString(rest[0].literal)
	odd := func(c rune) bool { return c < ' ' || c == 0x7f || c == mark }
	if err != nil || !utf8.Valid(decoded) || strings.ContainsFunc(string(decoded), odd) {
		return nil
	}
	return basicOf(plain(string(decoded)))
}

// basicOf are credentials that are written user:password; nil without a colon.
func basicOf(t text) *credentials {
	user, password := t.split(":")
	if len(password) == 0 {
		return nil
	}
	return &credentials{user: user, password: dropFirst(password), basic: true}
}

// dropFirst is a text without the byte at its beginning.
func dropFirst(t text) text {
	if len(t) == 0 || t[0].literal == "" {
		return t
	}
	return joined(plain(t[0].literal[1:]), t[1:])
}

// concealLiterals puts variables in place of the characters of a text that are not filled in.
func (d *draft) concealLiterals(t text, name, what string) (out text) {
	for _, p := range t {
		if p.literal == "" && p.base64 == nil {
			out = append(out, p)
			continue
		}
		out = out.and(d.conceal(text{p}.string(), name, what))
	}
	return out
}

// forget drops the defaults of the variables of a text that is secret: they are secrets as well, wherever they stand.
func (d *draft) forget(t text) {
	for _, p := range t {
		if p.base64 != nil {
			d.forget(*p.base64)
		}
		if p.variable == "" {
			continue
		}
		if fallback := d.fallbacks[p.variable]; fallback != "" && d.secrets[fallback] == "" {
			d.secrets[fallback] = p.variable
		}
		delete(d.fallbacks, p.variable)
		for i := range d.variables {
			if d.variables[i].Name == p.variable {
				d.variables[i].Secret = true
			}
		}
	}
}
