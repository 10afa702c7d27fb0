package scenarios

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// What stands where secrets do, in any text: a scenario file, a request, a message of a driver.
var (
	// urlPlace is a URL; what of it is secret, withoutUser says.
	urlPlace = regexp.MustCompile("[A-Za-z][A-Za-z0-9+.-]*:(?:\\\\?/){2}[^\\s\"'<>`]*@[^\\s\"'<>`]*")
	// headerPlace is a line "Name: value", as HTTP, YAML and JSON have it.
	headerPlace = regexp.MustCompile(
		`(?m)((?:^|[\s{,"'(\[])([A-Za-z][A-Za-z0-9-]{2,60})\\*["']?[ \t]*:[ \t]*\[?\\*["']?)((?:` + hole +
			`|[^"'{}\[\]\r\n,\\])+)`)
	// formPlace is "name=value" of a query, a form or a connection string, or an attribute of XML.
	formPlace = regexp.MustCompile(`((?:^|[?&;,#\s"'(])([A-Za-z][A-Za-z0-9_.%\[\]-]{1,60})=\\*["']?)((?:` + hole +
		`|[^&\s"'{};,)\\<>])+)`)
	// jsonPlace is a field of a JSON object, also of one within a text of another.
	jsonPlace = regexp.MustCompile(`(\\*["']([A-Za-z][A-Za-z0-9_.-]{1,60})\\*["']\s*:\s*)(\\+"(?:` + hole +
		`|[^"\\]|\\+[^"\\])*(?:\\+"|\z)|"(?:` + hole + `|[^"\\]|\\.)*"|"(?:` + hole + `|[^"\\]|\\.)*\z|-?[0-9][0-9.]*)`)
	// arrayPlace is such a field with a list of texts, and textInArray one of these.
	arrayPlace = regexp.MustCompile(
		`(\\*["']([A-Za-z][A-Za-z0-9_.-]{1,60})\\*["']\s*:\s*)(\[(?:[\s,]|\\+"[^"\\]*(?:\\+"|\z)|"(?:[^"\\]|\\.)*(?:"|\z)|-?[0-9][0-9.]*)+)`)
	textInArray = regexp.MustCompile(`\\+"[^"\\]*|"(?:[^"\\]|\\.)*"?`)
	// xmlPlace is an element of XML with a text, which may have been cut.
	xmlPlace = regexp.MustCompile(
		`(<(?:[A-Za-z0-9_-]+:)?([A-Za-z][A-Za-z0-9_.-]{1,60})(?:\s[^<>]*)?>)([^<>…]+)(?:</|…?\z)`)
	// partPlace is a part of multipart/form-data: its headers, a blank line, and the first line of its content.
	partPlace = regexp.MustCompile(
		`((?i:form-data);[^\r\n]*\bname="([^"\r\n]{2,60})"[^\r\n]*(?:\r?\n[^\r\n]+)*\r?\n\r?\n)([^\r\n]+)`)
)

// hole is one of a template, or a variable.
const hole = `\{\{[^{}\r\n]*\}\}|\$\{[^{}\r\n]*\}`

var holePlace = regexp.MustCompile(hole)

// inPlaces applies do to every value that stands where secrets do. An authentication scheme before it is no secret.
func (r *Redactor) inPlaces(s string, of func(value string) string) string {
	do := func(value string) string {
		if strings.HasPrefix(value+" ", Redacted+": ") {
			return value // what follows is said of a text that was redacted before
		}
		return of(value)
	}
	if strings.Contains(s, "@") {
		s = urlPlace.ReplaceAllStringFunc(s, func(u string) string { return inUser(u, do) })
	}
	if strings.Contains(s, ":") {
		s = replaceValues(headerPlace, s, func(name, value string) string {
			if !r.IsHeader(name) {
				return value
			}
			scheme, secret := splitScheme(name, value)
			return scheme + do(secret)
		})
		s = r.inJSON(s, do)
	}
	if strings.Contains(s, "form-data;") {
		s = replaceValues(partPlace, s, func(name, value string) string {
			if !r.IsField(name) {
				return value
			}
			return do(value)
		})
	}
	if strings.Contains(s, "<") {
		s = replaceValues(xmlPlace, s, func(name, value string) string {
			if !r.IsField(name) || strings.TrimSpace(value) == "" {
				return value
			}
			return do(value)
		})
	}
	if strings.Contains(s, "=") {
		s = replaceValues(formPlace, s, func(name, value string) string {
			if !r.IsField(name) {
				return value
			}
			return do(value)
		})
	}
	return s
}

// inJSON applies do to the texts and numbers of fields of JSON that are known to hold secrets, and to the texts of
// lists in such a field, or in one that is called like several of it. A document may be a text in another one.
func (r *Redactor) inJSON(s string, do func(string) string) string {
	s = replaceValues(jsonPlace, s, func(name, value string) string {
		if !r.IsField(name) {
			if strings.Contains(value, `\"`) { // it is shorter than s
				value = r.inJSON(value, do)
			}
			return value
		}
		if value[0] == '"' || value[0] == '\\' {
			return inQuotes(value, do)
		}
		number := do(value)
		if number != value { // a text replaces it
			number = `"` + number + `"`
		}
		return number
	})
	if !strings.Contains(s, "[") {
		return s
	}
	return replaceValues(arrayPlace, s, func(name, value string) string {
		if !r.IsField(name) && !r.IsField(strings.TrimSuffix(name, "s")) {
			return value
		}
		return textInArray.ReplaceAllStringFunc(value, func(text string) string { return inQuotes(text, do) })
	})
}

// inQuotes applies do to what stands in quotes, which may be escaped.
func inQuotes(value string, do func(string) string) string {
	inner := strings.Trim(value, `\"`)
	if inner == "" {
		return value
	}
	at := strings.Index(value, inner)
	return value[:at] + do(inner) + value[at+len(inner):]
}

// replaceValues replaces the third group of each match by what of makes of the second and the third.
func replaceValues(pattern *regexp.Regexp, s string, of func(name, value string) string) string {
	var b strings.Builder
	last := 0
	for _, m := range pattern.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(s[last:m[6]])
		b.WriteString(of(s[m[4]:m[5]], s[m[6]:m[7]]))
		last = m[7]
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

// inUser applies do to user and password of a URL, which may be written wrongly: then to all that may be a part of
// them.
func inUser(u string, do func(string) string) string {
	begin := strings.IndexByte(u, ':') + 3
	if strings.HasPrefix(u[begin-2:], `\/`) { // JSON may escape slashes
		begin += 2
	}
	end := begin + strings.IndexAny(u[begin:]+"/", "/?#\\")
	at := strings.LastIndexByte(u[begin:end], '@')
	if at < 0 {
		host, port, hasPort := strings.Cut(u[begin:end], ":")
		isHTTP := strings.HasPrefix(strings.ToLower(u), "http")
		if isHTTP && (!hasPort || isNumber(port)) || host == "" {
			return u // the @ belongs to the path
		}
		at = strings.LastIndexByte(u[begin:], '@')
	}
	if at <= 0 || u[begin:begin+at] == exampleUser {
		return u
	}
	return u[:begin] + do(u[begin:begin+at]) + u[begin+at:]
}

// exampleUser is what help texts show. It is not a secret.
const exampleUser = "user:password"

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*[ \t]+`)

// splitScheme takes the authentication scheme off a header's value: "Bearer ", "Basic ". Only headers of credentials
// have one: the first word of an X-Api-Key is a part of it.
func splitScheme(name, value string) (before, secret string) {
	if !strings.HasSuffix(normalized(name), "authorization") {
		return "", value
	}
	before = scheme.FindString(value)
	if strings.TrimSpace(value[len(before):]) == "" {
		return "", value
	}
	return before, value[len(before):]
}

// maskedLiterals redacts a value, except for holes and variables. Of these it redacts the default.
func maskedLiterals(value string) string {
	trimmed := strings.TrimRight(value, " \t")
	if trimmed == "" || isYAMLSign(trimmed) {
		return value
	}
	return maskedText(trimmed) + value[len(trimmed):]
}

// maskedText redacts a text, except for holes and variables. Of these it redacts the default.
func maskedText(text string) string {
	var b strings.Builder
	last := 0
	for _, m := range holePlace.FindAllStringIndex(text, -1) {
		if m[0] > last {
			b.WriteString(Redacted)
		}
		b.WriteString(maskedDefault(text[m[0]:m[1]]))
		last = m[1]
	}
	if last < len(text) {
		b.WriteString(Redacted)
	}
	return b.String()
}

// isYAMLSign reports whether a value is none, but says where it is: *anchor, or | before the lines of a block.
func isYAMLSign(value string) bool {
	return strings.ContainsAny(value[:1], "*&") && isToken(value[1:]) || strings.Trim(value, "|>+-0123456789") == "" &&
		strings.ContainsAny(value[:1], "|>")
}

// maskedDefault redacts the default of a variable.
func maskedDefault(hole string) string {
	if before, _, found := strings.Cut(hole, ":-"); found && strings.HasPrefix(hole, "${") {
		return before + ":-" + Redacted + "}"
	}
	return hole
}

// Learn learns the secrets in a text: whatever stands where secrets do.
func (r *Redactor) Learn(text string) {
	r.inPlaces(text, func(value string) string {
		r.addValue(value)
		return value
	})
}

// HidesValue reports whether a template has the value with this name where secrets stand.
func (r *Redactor) HidesValue(text, name string) (hides bool) {
	r.inPlaces(text, func(value string) string {
		hides = hides || strings.Contains(value, "{{"+name+"}}")
		return value
	})
	return hides
}

// LearnHeader learns the secrets in the value of a header that is known to hold some.
func (r *Redactor) LearnHeader(name, value string) {
	if !r.IsHeader(name) {
		r.Learn(value)
		return
	}
	_, secret := splitScheme("authorization", value) // whatever its name
	isCookie := strings.Contains(normalized(name), "cookie")
	if !isCookie || !holePlace.MatchString(secret) { // the names of cookies are none
		r.addValue(secret)
		if _, whole := splitScheme(name, value); whole != secret {
			r.addValue(whole)
		}
	}
	if strings.HasSuffix(normalized(name), "authorization") {
		for _, parameter := range quotedParameter.FindAllStringSubmatch(value, -1) {
			if !openParameters[strings.ToLower(parameter[1])] {
				r.addValue(parameter[2])
			}
		}
	}
	if isCookie {
		for pair := range strings.SplitSeq(value, ";") {
			if key, v, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && !cookieAttributes[strings.ToLower(key)] {
				r.addValue(strings.Trim(v, `"`))
			}
		}
	}
}

// quotedParameter is one of the credentials of a scheme: Digest response="…".
var quotedParameter = regexp.MustCompile(`([A-Za-z][A-Za-z0-9_-]*)=\\*"([^"\\]*)`)

// openParameters are not secrets.
var openParameters = setOf("realm", "uri", "algorithm", "qop", "username", "charset", "scope", "headers", "keyid")

var cookieAttributes = setOf("path", "domain", "expires", "max-age", "samesite", "priority")

// addValue learns the literal parts of a value, as they are and decoded.
func (r *Redactor) addValue(value string) {
	for _, literal := range holePlace.Split(value, -1) {
		literal = strings.TrimSpace(literal)
		if literal != "" && !isYAMLSign(literal) {
			r.addLiteral(literal)
		}
	}
}

// addLiteral learns a secret, as it is and decoded.
func (r *Redactor) addLiteral(secret string) {
	r.Add(secret)
	if decoded, err := url.QueryUnescape(secret); err == nil && decoded != secret {
		r.Add(decoded)
	}
	var text string
	if json.Unmarshal([]byte(`"`+secret+`"`), &text) == nil {
		r.Add(text)
	}
	if credentials, err := base64.StdEncoding.DecodeString(secret); err == nil &&
		strings.Contains(string(credentials), ":") {
		r.addUser(string(credentials))
	}
	if strings.Contains(secret, ":") {
		r.addUser(secret)
	}
}

// addUser learns "user:password". A user alone is a secret where it stands, as the tokens of some services do.
func (r *Redactor) addUser(userinfo string) {
	_, password, _ := strings.Cut(userinfo, ":")
	r.Add(userinfo, password)
	if decoded, err := url.PathUnescape(userinfo); err == nil && decoded != userinfo {
		_, password, _ = strings.Cut(decoded, ":")
		r.Add(decoded, password)
	}
}
