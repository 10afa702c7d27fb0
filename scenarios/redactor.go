package scenarios

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Redacted stands where a secret was. It is a plain word: what it stands in stays YAML, JSON, a URL or a header.
const Redacted = "REDACTED"

// Redactor keeps secrets out of texts: those that it has learned, wherever they stand, in the forms that programs write
// them in, and whatever stands where secrets do: user and password of a URL, the value of a header, parameter or field
// that is known for it. The zero value knows no secret yet. It is safe for concurrent use.
type Redactor struct {
	mu      sync.RWMutex
	secrets map[string]bool
	public  map[string]bool   // names that the user gave to things: no secrets, though one may read the same
	extra   map[string]bool   // names of headers and fields, normalized, besides the known ones
	masked  map[string]string // texts as a whole, as they are to be shown: scenario files and overrides
	strong  *strings.Replacer
	weak    []string // replaced only where they are words of their own; the longest first
}

// Lengths of secrets in bytes. A shorter one is redacted where it stands as a secret, and nowhere else: as a part of
// other words and numbers it would make the message unreadable.
const (
	shortestWord   = 4  // that is redacted where it stands as a word of its own
	shortestSecret = 8  // that is redacted wherever it occurs
	longestWord    = 16 // of digits or lower-case letters alone, that is redacted only as a word of its own
)

// ownWords are the program's own.
var ownWords = setOf("headroom", "postgres", "postgresql", "dragonfly", "password", "username", "localhost", "external",
	"embedded")

// Add learns secrets.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		r.add(s)
		for line := range strings.Lines(s) { // texts of several lines are shown line by line
			r.add(strings.TrimSpace(line))
		}
	}
}

func (r *Redactor) add(secret string) {
	if len(secret) < shortestWord || r.secrets[secret] || strings.Contains(Redacted, secret) || isPlainWord(secret) {
		return
	}
	if r.secrets == nil {
		r.secrets = map[string]bool{}
	}
	r.secrets[secret] = true
	r.strong, r.weak = nil, nil
}

// isPlainWord reports whether a text is a short word or number as it could stand in any text: "admin", "1000".
func isPlainWord(s string) bool {
	if len(s) >= shortestSecret {
		return false
	}
	return isLower(s) || isNumber(s)
}

func isLower(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 'a' || c > 'z' })
}

// publish learns names that are not secrets.
func (r *Redactor) publish(names map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.public == nil {
		r.public = map[string]bool{}
	}
	maps.Copy(r.public, names)
	r.strong, r.weak = nil, nil
}

// addName makes the values of headers and fields with this name secrets.
func (r *Redactor) addName(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.extra == nil {
		r.extra = map[string]bool{}
	}
	r.extra[normalized(name)] = true
}

// maskText learns how a whole text is to be shown; what is secret in it may be too common to be replaced elsewhere.
func (r *Redactor) maskText(text, shown string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.masked == nil {
		r.masked = map[string]string{}
	}
	r.masked[text] = shown
}

// shown returns a text without what was masked in it.
func (r *Redactor) shown(text string) string {
	if r == nil {
		return text
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if shown, ok := r.masked[text]; ok {
		return shown
	}
	return text
}

// Clone returns a redactor that knows the same secrets and can learn more.
func (r *Redactor) Clone() *Redactor {
	if r == nil {
		return &Redactor{}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Redactor{
		extra: maps.Clone(r.extra), secrets: maps.Clone(r.secrets), public: maps.Clone(r.public),
		masked: maps.Clone(r.masked),
	}
}

// Text returns a text without its secrets. A nil Redactor redacts what stands where secrets do.
func (r *Redactor) Text(s string) string {
	if s == "" {
		return s
	}
	if r == nil {
		return (&Redactor{}).inPlaces(s, maskedLiterals)
	}
	strong, weak := r.prepared()
	s = strong.Replace(r.shown(s))
	for _, w := range weak {
		s = replaceWord(s, w)
	}
	return r.inPlaces(s, maskedLiterals)
}

// Override returns an override "key=value" without its secrets.
func (r *Redactor) Override(text string) string {
	text = r.shown(text)
	path, value, ok := splitOverride(text)
	switch {
	case ok && leadsToAddress(path):
		return text[:len(text)-len(value)] + r.address(value)
	case !ok || !r.isSecretKey(path):
		return r.Text(text)
	}
	return text[:len(text)-len(value)] + maskedLiterals(r.Text(value))
}

// LearnOverride learns the secrets in an override "key=value".
func (r *Redactor) LearnOverride(text string) {
	path, value, ok := splitOverride(text)
	value = strings.Trim(value, ` "'`)
	if ok && leadsToAddress(path) {
		r.learnAddress(value)
	}
	if !ok || !r.isSecretKey(path) {
		r.Learn(text)
		return
	}
	r.LearnHeader(path[len(path)-1], value)
	r.addValue(value)
}

// isSecretKey reports whether an override's key leads to something known to hold secrets.
func (r *Redactor) isSecretKey(path []string) bool {
	last := path[len(path)-1]
	return r.IsHeader(last) || len(path) > 1 && path[len(path)-2] == "headers" && r.IsField(last)
}

// Texts returns texts without their secrets.
func (r *Redactor) Texts(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = r.Text(s)
	}
	return out
}

// cutMark ends a text of which the rest was left out.
const cutMark = "…"

// CutText is [Redactor.Text] for a text that may have been cut: the beginning of a secret at its end is redacted as
// well.
func (r *Redactor) CutText(s string) string {
	s = r.Text(s)
	body, cut := strings.CutSuffix(s, cutMark)
	if !cut {
		return s
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	longest := 0
	for secret := range r.secrets {
		for _, form := range formsOf(secret) {
			for n := min(len(form), len(body)); n >= shortestWord && n > longest; n-- {
				if strings.HasSuffix(body, form[:n]) {
					longest = n
				}
			}
		}
	}
	if longest > 0 {
		s = body[:len(body)-longest] + Redacted + cutMark
	}
	return s
}

// prepared returns the replacements of the secrets, the longest first.
func (r *Redactor) prepared() (*strings.Replacer, []string) {
	r.mu.RLock()
	strong, weak := r.strong, r.weak
	r.mu.RUnlock()
	if strong != nil {
		return strong, weak
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	forms := map[string]bool{}
	for secret := range r.secrets {
		switch {
		case r.public[secret], ownWords[secret]:
		case len(secret) < shortestSecret, len(secret) < longestWord && (isNumber(secret) || isLower(secret)):
			weak = append(weak, secret)
		default:
			for _, form := range formsOf(secret) {
				forms[form] = true
			}
		}
	}
	longestFirst := func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.SortedFunc(maps.Keys(forms), longestFirst) {
		pairs = append(pairs, form, Redacted)
	}
	slices.SortFunc(weak, longestFirst)
	r.strong, r.weak = strings.NewReplacer(pairs...), weak
	return r.strong, r.weak
}

func isNumber(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// formsOf are a secret as it is, and as it stands in URLs, in JSON, in YAML, in quoted messages, and in any text that
// is in base64, such as the credentials of Basic authentication.
func formsOf(secret string) []string {
	forms := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret),
		strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"),
	}
	for _, f := range forms[1:] {
		forms = append(forms, lowerEscapes(f))
	}
	quoted := strconv.Quote(secret)
	forms = append(forms, quoted[1:len(quoted)-1], strings.ReplaceAll(secret, "'", "''"))
	if encoded, err := json.Marshal(secret); err == nil {
		forms = append(forms, string(encoded[1:len(encoded)-1]))
	}
	for _, form := range []string{
		secret, inComponent(secret), html.EscapeString(secret), htmlNames.Replace(secret),
		inLatin1(secret),
	} {
		forms = append(forms, form, strings.ReplaceAll(form, "/", `\/`))
	}
	if encoded, err := json.Marshal(secret); err == nil {
		forms = append(forms, strings.ReplaceAll(string(encoded[1:len(encoded)-1]), "/", `\/`))
	}
	for before := range 3 { // bytes before it in its group of three
		padded := append(make([]byte, before), secret...)
		from, to := (8*before+5)/6, 8*len(padded)/6 // characters that the secret alone decides
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			forms = append(forms, encoding.EncodeToString(padded)[from:to])
		}
	}
	return forms
}

// inComponent is a text as encodeURIComponent of JavaScript writes it.
func inComponent(s string) string {
	return componentSigns.Replace(url.QueryEscape(s))
}

var (
	componentSigns = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
	htmlNames      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;")
)

// inLatin1 is a text whose bytes were read as Latin-1.
func inLatin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			b[i+1], b[i+2] = byte(unicode.ToLower(rune(b[i+1]))), byte(unicode.ToLower(rune(b[i+2])))
		}
	}
	return string(b)
}

// replaceWord redacts a word unless it is part of a longer one.
func replaceWord(s, word string) string {
	isPart := func(c byte) bool {
		return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
	}
	for from := 0; ; {
		i := strings.Index(s[from:], word)
		if i < 0 {
			return s
		}
		begin := from + i
		end := begin + len(word)
		if begin > 0 && isPart(s[begin-1]) || end < len(s) && isPart(s[end]) {
			from = begin + 1
			continue
		}
		s = s[:begin] + Redacted + s[end:]
		from = begin + len(Redacted)
	}
}

// IsHeader reports whether the values of a header are secrets.
func (r *Redactor) IsHeader(name string) bool {
	return secretHeaders[textproto.CanonicalMIMEHeaderKey(name)] || r.isExtra(name)
}

// IsField reports whether the values of a parameter or field are secrets.
func (r *Redactor) IsField(name string) bool {
	if decoded, err := url.PathUnescape(name); err == nil {
		name = decoded
	}
	if inner, isForm := strings.CutSuffix(name, "]"); isForm { // user[password]
		name = inner[strings.LastIndexByte(inner, '[')+1:]
	}
	n := normalized(name)
	return secretFields[n] || secretEnding.MatchString(n) || secretHeaders[textproto.CanonicalMIMEHeaderKey(name)] ||
		r.isExtra(name)
}

func (r *Redactor) isExtra(name string) bool {
	if r == nil {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.extra[normalized(name)]
}

// normalized is a name without what is written differently from one API to the next: access_token, accessToken.
func normalized(name string) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c == '.' {
			return -1
		}
		return unicode.ToLower(c)
	}, name)
}

// secretHeaders are known to hold secrets.
var secretHeaders = setOf("Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "Set-Cookie", "Set-Cookie2",
	"X-Api-Key", "Api-Key", "Apikey", "X-Apikey", "X-Api-Token", "X-Auth-Token", "X-Auth-Key", "X-Access-Token",
	"X-Token", "X-Secret", "X-Csrf-Token", "X-Xsrf-Token", "Csrf-Token",
	"X-Amz-Security-Token", "X-Goog-Api-Key", "X-Goog-Iap-Jwt-Assertion", "X-Gitlab-Token", "Private-Token",
	"Job-Token", "X-Vault-Token", "X-Consul-Token", "X-Jwt-Assertion",
	"X-Session-Token", "X-Session-Id", "X-Forwarded-Access-Token", "X-Functions-Key", "Ocp-Apim-Subscription-Key",
	"X-Rapidapi-Key", "X-Shopify-Access-Token",
	"X-Forwarded-Authorization", "X-Original-Authorization", "X-Hub-Signature", "X-Hub-Signature-256", "Dpop",
	"Client-Secret", "X-Client-Secret", "X-Password", "Auth-Token")

// secretEnding is how other names of such fields end, normalized. Not every token is a secret: next_page_token.
var secretEnding = regexp.MustCompile(
	`(password|passwd|passphrase|(api|access|refresh|auth|bearer|session|security|csrf)token|clientsecret|secretkey|secretaccesskey|privatekey|apikey)$`)

// secretFields are parameters of queries and fields of bodies that are known to hold secrets, normalized.
var secretFields = setOf("apikey", "apisecret", "accesskey", "accesstoken", "refreshtoken", "idtoken", "authtoken",
	"bearertoken", "sessiontoken", "securitytoken", "token",
	"auth", "authorization", "jwt", "password", "passwd", "passwort", "passphrase", "pwd", "pass", "newpassword",
	"oldpassword", "currentpassword", "passwordconfirmation", "confirmpassword",
	"secret", "clientsecret", "secretkey", "secretaccesskey", "privatekey", "subscriptionkey", "sig", "signature",
	"xamzsignature", "xamzsecuritytoken", "xamzcredential",
	"xgoogsignature", "xgoogcredential", "credential", "credentials", "sessionid", "sessionkey", "phpsessid",
	"jsessionid", "csrf", "csrftoken", "xsrftoken", "csrfmiddlewaretoken",
	"otp", "pin", "sid", "apitoken", "clientassertion", "assertion", "codeverifier", "samlresponse")

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
