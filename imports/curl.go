package imports

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// curl reads the curl commands of a text, such as browsers copy ("Copy as cURL (bash)") or scripts have. Other commands
// are passed over (https://curl.se/docs/manpage.html).
func (d *draft) curl(content []byte) error {
	script := strings.ReplaceAll(string(content), "\r\n", "\n")
	var lines []string
	for line := range strings.SplitSeq(script, "\n") {
		lines = append(lines, strings.TrimPrefix(line, "$ ")) // of a terminal's prompt
	}
	reader := strings.NewReader(strings.Join(lines, "\n"))
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(reader, "")
	if err != nil {
		var fault syntax.ParseError
		if errors.As(err, &fault) {
			return d.fault(int(fault.Pos.Line()), int(fault.Pos.Col()), "it is no text for a shell: %s", fault.Text)
		}
		return d.fault(0, 0, "it is no text for a shell: %v", err)
	}
	s := &shell{d: d, set: map[string]text{}}
	var requests []*request
	syntax.Walk(parsed, func(node syntax.Node) bool {
		call, ok := node.(*syntax.CallExpr)
		if !ok {
			return true
		}
		if len(call.Args) == 0 {
			s.assign(call.Assigns)
			return true
		}
		name := call.Args[0].Lit()
		if name == "curl" || name == "curl.exe" || strings.HasSuffix(name, "/curl") {
			requests = append(requests, s.command(call)...)
		}
		return true
	})
	d.sequence("curl", requests, defaultLoad)
	return nil
}

// shell knows the variables that a text for a shell has set.
type shell struct {
	d   *draft
	set map[string]text
}

func (s *shell) assign(all []*syntax.Assign) {
	for _, a := range all {
		if a.Name != nil && a.Value != nil {
			s.set[a.Name.Value] = s.word(a.Value)
		}
	}
}

// word is a word of a command, without its quotes. A variable that the text does not set is one of the environment.
func (s *shell) word(w *syntax.Word) (t text) {
	for _, p := range w.Parts {
		if quotes, ok := p.(*syntax.DblQuoted); ok {
			for _, inner := range quotes.Parts {
				t = joined(t, s.part(inner, true))
			}
			continue
		}
		t = joined(t, s.part(p, false))
	}
	return t
}

func (s *shell) part(p syntax.WordPart, quoted bool) text {
	line, column := int(p.Pos().Line()), int(p.Pos().Col())
	switch p := p.(type) {
	case *syntax.Lit, *syntax.SglQuoted:
		if lit, ok := p.(*syntax.Lit); ok && !quoted {
			return plain(strings.ToValidUTF8(escapedSign.ReplaceAllString(lit.Value, "$1"), "\ufffd"))
		}
		if quoted {
			p = &syntax.DblQuoted{Parts: []syntax.WordPart{p}}
		}
		literal, err := expand.Literal(&expand.Config{}, &syntax.Word{Parts: []syntax.WordPart{p}})
		if err == nil {
			return plain(strings.ToValidUTF8(literal, "\ufffd"))
		}
	case *syntax.ParamExp:
		if p.Param != nil && isVariable(p.Param.Value) && p.Exp == nil {
			if known, ok := s.set[p.Param.Value]; ok {
				return known
			}
			return s.d.needs(p.Param.Value, "$"+p.Param.Value+" of the command", s.d.known.IsField(p.Param.Value))
		}
	}
	s.d.leaveOut(line, column, "what the shell puts in here, which is known only when it runs")
	return s.d.needs("SHELL_VALUE", "what a command of the shell gives", false)
}

// escapedSign is a sign of which a backslash takes the meaning, outside of quotes.
var escapedSign = regexp.MustCompile(`(?s)\\(.)`)

func isVariable(name string) bool {
	for i, c := range name {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// curlCommand is what the options of a curl command say of one request, or of one for each of its URLs.
type curlCommand struct {
	d         *draft
	line      int
	column    int
	method    string
	urls      []text
	headers   []pair
	data      []text
	forms     []pair
	query     bool // data goes into the query
	head      bool
	follow    bool
	redirects int
	timeout   string
}

// command reads a curl command, with its parts between --next.
func (s *shell) command(call *syntax.CallExpr) (all []*request) {
	line, column := int(call.Pos().Line()), int(call.Pos().Col())
	c := &curlCommand{d: s.d, line: line, column: column, redirects: 20}
	words := make([]text, 0, len(call.Args))
	for _, w := range call.Args[1:] {
		words = append(words, s.word(w))
	}
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		option := w.string()
		if option == "--next" || option == "-:" {
			all = append(all, c.requests()...)
			c = &curlCommand{d: s.d, line: line, column: column, redirects: 20}
			continue
		}
		if !strings.HasPrefix(option, "-") || option == "-" {
			c.urls = append(c.urls, w)
			continue
		}
		words = c.option(w, words)
	}
	return append(all, c.requests()...)
}

// option reads one word of options, and returns the words after those that belong to it.
func (c *curlCommand) option(w text, words []text) []text {
	argument := func() text {
		if len(words) == 0 {
			return nil
		}
		first := words[0]
		words = words[1:]
		return first
	}
	s, parts := w.flat()
	if name, long := strings.CutPrefix(s, "--"); long {
		name, value, joint := strings.Cut(name, "=")
		name = curlNames(name)
		var with text
		switch {
		case joint && curlTakes(name): // not of curl, and understood
			with = unflat(value, parts)
		case curlTakes(name):
			with = argument()
		}
		c.apply(name, with)
		return words
	}
	for i, letter := range s[1:] {
		name, known := curlLetters[letter]
		if !known {
			c.d.leaveOut(c.line, c.column, "the option -%c of curl", letter)
			continue
		}
		if !curlTakes(name) {
			c.apply(name, nil)
			continue
		}
		rest := s[1+i+len(string(letter)):]
		if rest == "" {
			c.apply(name, argument())
		} else {
			c.apply(name, unflat(rest, parts))
		}
		break
	}
	return words
}

// curlLetters are the short options, as far as they are understood or passed over.
var curlLetters = map[rune]string{
	'X': "request", 'H': "header", 'd': "data", 'F': "form", 'u': "user", 'A': "user-agent", 'e': "referer",
	'b': "cookie", 'G': "get", 'I': "head", 'L': "location", 'm': "max-time", 'k': "insecure", 'T': "upload-file",
	'x': "proxy", 'E': "cert", 'o': "output", 'w': "write-out", 'c': "cookie-jar", 'D': "dump-header", 'K': "config",
	's': "silent", 'S': "show-error", 'v': "verbose", 'i': "include", 'f': "fail", 'g': "globoff", 'O': "remote-name",
	'J': "remote-header-name", 'N': "no-buffer", '4': "ipv4", '6': "ipv6", '#': "progress-bar", 'Z': "parallel",
	'n': "netrc", 'q': "disable", 'r': "range", 'z': "time-cond", 'y': "speed-time", 'Y': "speed-limit", '0': "http1.0",
}

// curlPassedOver are options without a meaning for a load; those in curlWithValue take a value.
var (
	curlPassedOver = []string{
		"silent", "show-error", "verbose", "include", "fail", "fail-with-body", "globoff", "remote-name",
		"remote-header-name", "no-buffer", "progress-bar", "parallel", "disable", "compressed", "http1.1", "http2",
		"output", "write-out", "dump-header", "trace", "trace-ascii", "stderr", "connect-timeout", "path-as-is",
		"no-progress-meter", "keepalive-time", "tcp-nodelay", "tlsv1.2", "tlsv1.3",
	}
	curlWithValue = []string{
		"request", "header", "data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json", "form",
		"form-string", "user", "user-agent", "referer", "cookie", "url", "max-time", "max-redirs", "upload-file",
		"proxy", "cert", "cacert", "capath", "key", "cert-type", "key-type", "output", "write-out", "cookie-jar",
		"dump-header", "config", "connect-timeout", "retry", "retry-delay", "retry-max-time", "oauth2-bearer",
		"resolve", "connect-to", "interface", "unix-socket", "range", "trace", "trace-ascii", "stderr", "time-cond",
		"speed-time", "speed-limit", "ciphers", "proxy-user", "aws-sigv4", "limit-rate", "keepalive-time",
		"dns-servers", "url-query", "expand-url", "request-target", "pass", "rate",
	}
)

func curlTakes(name string) bool { return slices.Contains(curlWithValue, name) }

// curlNames is the name of a long option, which --no-NAME turns off.
func curlNames(name string) string {
	if name == "location-trusted" {
		return "location"
	}
	return name
}

// apply takes an option in.
func (c *curlCommand) apply(name string, v text) {
	switch name {
	case "request":
		c.method = v.string()
	case "header":
		c.header(v)
	case "data", "data-ascii", "data-binary":
		c.addData(v, true)
	case "data-raw":
		c.addData(v, false)
	case "data-urlencode":
		c.addEncoded(v)
	case "json":
		c.addData(v, true)
		c.headers = append(c.headers, pair{"Content-Type", plain("application/json")},
			pair{"Accept", plain("application/json")})
	case "form", "form-string":
		field, value := v.split("=")
		c.forms = append(c.forms, pair{field.string(), dropFirst(value)})
	case "user":
		c.headers = append(c.headers, pair{"Authorization", joined(plain("Basic "), v)})
	case "oauth2-bearer":
		c.headers = append(c.headers, pair{"Authorization", joined(plain("Bearer "), v)})
	case "user-agent":
		c.headers = append(c.headers, pair{"User-Agent", v})
	case "referer":
		c.headers = append(c.headers, pair{"Referer", v})
	case "cookie":
		c.cookie(v)
	case "url":
		c.urls = append(c.urls, v)
	case "get":
		c.query = true
	case "head":
		c.head = true
	case "location":
		c.follow = true
	case "max-redirs":
		if n, err := strconv.Atoi(v.string()); err == nil && n > 0 {
			c.redirects = n
		}
	case "upload-file":
		if c.method == "" {
			c.method = "PUT"
		}
		c.d.leaveOut(c.line, c.column, "the body, which is the file %.80q", v.string())
	case "max-time":
		if seconds, err := strconv.ParseFloat(v.string(), 64); err == nil && seconds >= 0.001 && seconds <= 3600 {
			c.timeout = strconv.FormatFloat(seconds, 'f', -1, 64) + "s"
		}
	default:
		if !slices.Contains(curlPassedOver, name) {
			c.d.leaveOut(c.line, c.column, "the option --%.40s of curl", name)
		}
	}
}

// dropFirst is a text without the byte at its beginning.
func dropFirst(t text) text {
	if len(t) == 0 || t[0].literal == "" {
		return t
	}
	return joined(plain(t[0].literal[1:]), t[1:])
}

func (c *curlCommand) header(v text) {
	name, value := v.split(":;")
	value = dropFirst(value)
	if len(value) > 0 && value[0].literal != "" {
		value = joined(plain(strings.TrimLeft(value[0].literal, " \t")), value[1:])
	}
	if len(value) > 0 {
		c.headers = append(c.headers, pair{name.string(), value})
	}
}

func (c *curlCommand) cookie(v text) {
	if s, _ := v.flat(); !strings.Contains(s, "=") && v.isLiteral() {
		c.d.leaveOut(c.line, c.column, "cookies of the file %.60q", s)
		return
	}
	c.headers = append(c.headers, pair{"Cookie", v})
}

// addData adds a body, or a part of one; with files, "@name" is the content of a file.
func (c *curlCommand) addData(v text, files bool) {
	if s, _ := v.flat(); files && strings.HasPrefix(s, "@") {
		c.d.leaveOut(c.line, c.column, "the body, which is in the file %.80q", s[1:])
		return
	}
	c.data = append(c.data, v)
}

// addEncoded adds a part of a form: content, =content, name=content.
func (c *curlCommand) addEncoded(v text) {
	s, _ := v.flat()
	if at := strings.IndexAny(s, "=@"); at >= 0 && s[at] == '@' {
		c.d.leaveOut(c.line, c.column, "the part of the body that is in the file %.80q", s[at+1:])
		return
	}
	name, value := v.split("=")
	if len(value) == 0 {
		c.data = append(c.data, encoded(name))
		return
	}
	value = encoded(dropFirst(value))
	if len(name) == 0 {
		c.data = append(c.data, value)
	} else {
		c.data = append(c.data, joined(name, plain("="), value))
	}
}

// encoded percent-encodes the literals of a text as a form has them.
func encoded(t text) (out text) {
	for _, p := range t {
		if p.literal != "" {
			p.literal = url.QueryEscape(p.literal)
		}
		out = append(out, p)
	}
	return out
}

// requests are those of the command: one for each of its URLs.
func (c *curlCommand) requests() (all []*request) {
	if len(c.urls) == 0 {
		c.d.leaveOut(c.line, c.column, "a curl command without a URL")
	}
	for _, u := range c.urls {
		if s, _ := u.flat(); !strings.Contains(s, "://") && !strings.HasPrefix(s, string(mark)) {
			u = joined(plain("http://"), u) // as curl does
		}
		r := &request{
			method: "GET", url: u, headers: slices.Clone(c.headers), timeout: c.timeout, line: c.line, column: c.column,
		}
		c.body(r)
		if c.method != "" {
			r.method = c.method
		}
		if c.head {
			r.method = "HEAD"
		}
		if c.follow {
			r.follows = c.redirects
		}
		method, ok := methodOf(r.method)
		if !ok {
			c.d.leaveOut(c.line, c.column, "the method %.20q", r.method)
			continue
		}
		r.method = method
		all = append(all, r)
	}
	return all
}

// body gives a request what --data or --form says.
func (c *curlCommand) body(r *request) {
	var data text
	for i, part := range c.data {
		if i > 0 {
			data = joined(data, plain("&"))
		}
		data = joined(data, part)
	}
	switch {
	case len(c.forms) > 0:
		r.method = "POST"
		r.body = c.d.multipart(r, c.forms)
	case len(c.data) > 0 && (c.query || c.head):
		separator := "?"
		if s, _ := r.url.flat(); strings.Contains(s, "?") {
			separator = "&"
		}
		r.url = joined(r.url, plain(separator), data)
	case len(c.data) > 0:
		r.method, r.body = "POST", data
		typed := slices.ContainsFunc(r.headers, func(h pair) bool { return strings.EqualFold(h.name, "Content-Type") })
		if !typed {
			r.headers = append(r.headers, pair{"Content-Type", plain("application/x-www-form-urlencoded")})
		}
	}
}

// boundary separates the parts of multipart bodies.
const boundary = "headroom-part-boundary"

// multipart is the body of a form with several parts, of which those that are files are left out, and gives the request
// its Content-Type.
func (d *draft) multipart(r *request, forms []pair) (body text) {
	for _, f := range forms {
		if s, _ := f.value.flat(); strings.HasPrefix(s, "@") || strings.HasPrefix(s, "<") {
			d.leaveOut(r.line, r.column, "the part %.60q of a form, which is a file", f.name)
			continue
		}
		name := strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22").Replace(f.name)
		head := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n"
		body = joined(body, plain(head), f.value, plain("\r\n"))
	}
	r.headers = slices.DeleteFunc(r.headers, func(h pair) bool { return strings.EqualFold(h.name, "Content-Type") })
	r.headers = append(r.headers, pair{"Content-Type", plain("multipart/form-data; boundary=" + boundary)})
	return joined(body, plain("--"+boundary+"--\r\n"))
}
