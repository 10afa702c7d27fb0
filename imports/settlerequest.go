package imports

import (
	"cmp"
	"maps"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// withoutKnownSecrets puts variables in place of secrets that stand where none are known to be, such as in paths.
func (d *draft) withoutKnownSecrets(r *request) {
	const shortest = 6 // a shorter one, or a plain word, may stand in any text
	replace := func(t *text) {
		for _, secret := range slices.SortedFunc(maps.Keys(d.secrets), longestFirst) {
			word := !strings.ContainsFunc(secret, func(c rune) bool { return c < 'a' || c > 'z' })
			if len(secret) < shortest || word {
				continue
			}
			*t = t.withVariable(secret, d.secrets[secret])
		}
	}
	replace(&r.url)
	r.eachText(replace)
}

func longestFirst(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }

// withVariable is a text with a variable in place of what is a word of its own in its literals.
func (t text) withVariable(word, name string) (out text) {
	for _, p := range t {
		rest := p.literal
		if rest == "" {
			out = append(out, p)
		}
		for rest != "" {
			at := strings.Index(rest, word)
			if at < 0 {
				break
			}
			ends := at + len(word)
			if at > 0 && isWord(rest[at-1]) || ends < len(rest) && isWord(rest[ends]) {
				out, rest = out.and(plain(rest[:ends])), rest[ends:]
				continue
			}
			out, rest = out.and(plain(rest[:at]), variable(name)), rest[ends:]
		}
		out = out.and(plain(rest))
	}
	return out
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// ownHeaders are those that the sender makes itself, or that belong to one connection (RFC 9110, section 7.6.1).
var ownHeaders = []string{
	"Host", "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "Http2-Settings", "Proxy-Authorization", "Expect",
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// settle makes a request one that a scenario can send, without secrets.
func (d *draft) settle(r *request) {
	r.method = strings.ToUpper(r.method)
	address, _ := splitAddress(r.url)
	signedIn := r.auth != nil || r.has("Authorization")
	if s, parts := address.flat(); userOfURL.MatchString(s) && !signedIn {
		user := strings.TrimSuffix(userOfURL.FindString(s), "@")
		user = user[strings.Index(user, "://")+3:]
		if !strings.Contains(user, ":") {
			user += ":"
		}
		r.auth = basicOf(unflat(user, parts[:strings.Count(user, string(mark))]))
	}
	r.url = d.withoutSecrets(pathOf(r.url), queryFields)
	d.settleCredentials(r)
	d.settleHeaders(r)
	d.settleBody(r)
	r.eachText(func(t *text) { *t = d.withoutBase64(*t, r) })
}

// withoutBase64 is a text in which what is in base64 is a literal, or one hole with a filter.
func (d *draft) withoutBase64(t text, r *request) (out text) {
	for _, p := range t {
		switch {
		case p.base64 == nil || len(*p.base64) == 1 && (*p.base64)[0].hole != "":
			out = append(out, p)
		case p.base64.isLiteral():
			out = out.and(plain(text{p}.string()))
		default:
			d.leaveOut(r.line, r.column, "%.80s: a variable of the environment stands for it", text{p}.string())
			out = append(out, d.needs("BASE64_VALUE", text{p}.string(), true)...)
		}
	}
	return out
}

// settleHeaders puts headers of one name together, and variables in place of secrets.
func (d *draft) settleHeaders(r *request) {
	var kept []pair
	for _, h := range r.headers {
		name := textproto.CanonicalMIMEHeaderKey(h.name)
		if strings.HasPrefix(h.name, ":") || slices.Contains(ownHeaders, name) {
			continue
		}
		s, _ := h.value.flat()
		control := strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
		if !headerName.MatchString(h.name) || control {
			d.leaveOut(r.line, r.column, "a header of %s %s that cannot be sent", r.method, r.url.string())
			continue
		}
		h.name = name
		if i := slices.IndexFunc(kept, func(k pair) bool { return k.name == name }); i >= 0 {
			separator := ", "
			if name == "Cookie" {
				separator = "; "
			}
			if kept[i].value.string() != h.value.string() {
				kept[i].value = joined(kept[i].value, plain(separator), h.value)
			}
			continue
		}
		kept = append(kept, h)
	}
	for i := range kept {
		if !d.isSecretHeader(kept[i].name) {
			continue
		}
		d.forget(kept[i].value)
		switch {
		case !kept[i].value.hasLiteral():
		case kept[i].value.isLiteral():
			kept[i].value = d.concealHeader(kept[i])
		default:
			kept[i].value = d.concealMixed(kept[i])
		}
	}
	r.headers = kept
}

// hasLiteral reports whether a text has characters of its own, apart from blanks and the scheme of credentials.
func (t text) hasLiteral() bool {
	return slices.ContainsFunc(t, func(p part) bool {
		literal := strings.TrimSpace(p.literal)
		return literal != "" && !slices.Contains([]string{"Bearer", "Basic", "Token", "Digest"}, literal)
	})
}

func (d *draft) isSecretHeader(name string) bool {
	return d.known.IsHeader(name) || d.known.IsField(name)
}

// concealHeader is the value of a header with a variable in place of its secret.
func (d *draft) concealHeader(h pair) text {
	s := h.value.string()
	scheme, secret, found := strings.Cut(s, " ")
	switch {
	case h.name == "Cookie":
		return d.conceal(s, "COOKIE", "the header Cookie")
	case h.name != "Authorization" || !found:
		return d.conceal(s, h.name, "the header "+h.name)
	}
	what := "what follows " + nameOf(scheme, "it") + " in the header Authorization"
	return joined(plain(scheme+" "), d.conceal(secret, "API_TOKEN", what))
}

// concealMixed is the value of a header of which something is filled in, with variables in place of the rest. Names of
// cookies and schemes stay.
func (d *draft) concealMixed(h pair) (out text) {
	for _, p := range h.value {
		if p.literal == "" {
			out = append(out, p)
			continue
		}
		if h.name == "Cookie" {
			out = out.and(plain(p.literal).replaced(cookiePair, func(_, value string) text {
				return d.conceal(value, "COOKIE", "the header Cookie")
			}))
			continue
		}
		scheme, rest, found := strings.Cut(p.literal, " ")
		if found && len(out) == 0 {
			out = append(out, part{literal: scheme + " "})
		} else {
			rest = p.literal
		}
		if strings.TrimSpace(rest) != "" {
			out = out.and(d.conceal(rest, h.name, "the header "+h.name))
		}
	}
	return out
}

var cookiePair = regexp.MustCompile(`([^=;\s]+)=([^;]*)`)

// Where fields with secrets may be: in a query, and in bodies that are JSON, a form, or XML.
var (
	queryFields = regexp.MustCompile(`[?&]([^=&?]+)=([^&#]*)`)
	bodyFields  = []*regexp.Regexp{
		regexp.MustCompile(`"((?:[^"\\]|\\.)+)"\s*:\s*"((?:[^"\\]|\\.)*)"`),
		regexp.MustCompile(`"((?:[^"\\]|\\.)+)"\s*:\s*([0-9]+|` + string(mark) + `)`),
		regexp.MustCompile(`(?:^|[&\s])([A-Za-z0-9_.\[\]%-]+)=([^&\s"<>]*)`),
		regexp.MustCompile(`<(?:\w+:)?([\w.-]+)(?:\s[^<>]*)?>([^<>]*)</`),
		regexp.MustCompile(`name="([^"]+)"\r\n\r\n([^\r\n]*)`),
	}
)

// withoutSecrets puts variables in place of the values of fields that are known to hold secrets.
func (d *draft) withoutSecrets(t text, fields *regexp.Regexp) text {
	t.eachFilled(fields, func(name string, value text) {
		if d.known.IsField(name) {
			d.forget(value)
		}
	})
	return t.replaced(fields, func(name, value string) text {
		if !d.known.IsField(name) || value == "true" || value == "false" {
			return nil
		}
		return d.conceal(value, name, "the field "+name)
	})
}
