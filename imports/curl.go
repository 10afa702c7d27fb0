package imports

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// curlCommand is what the options of a curl command say of one request, or of one for each of its URLs.
type curlCommand struct {
	d         *draft
	line      int
	column    int
	method    string
	urls      []text
	headers   []pair
	implied   []pair   // by options such as --json: of those that no --header gives
	without   []string // the headers that --header takes away
	literal   bool     // braces and brackets of URLs mean nothing
	auth      *credentials
	scheme    string // of --user, where it is not basic
	data      []text
	file      string // whose content is the body
	upload    bool   // by --upload-file, which says no type
	parts     []formPart
	query     text // of --url-query
	inQuery   bool // data goes into the query
	head      bool
	follow    bool
	redirects int
	timeout   string
	cookies   bool // of a file
}

func (s *shell) newCommand(call *syntax.CallExpr) *curlCommand {
	return &curlCommand{
		d: s.d, line: int(call.Pos().Line()), column: int(call.Pos().Col()), redirects: 20,
	}
}

// command reads a curl command, with its parts between --next.
func (s *shell) command(call *syntax.CallExpr) (all []*request) {
	c := s.newCommand(call)
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
			s.cookies = s.cookies || c.cookies
			c = s.newCommand(call)
			continue
		}
		if !strings.HasPrefix(option, "-") || option == "-" {
			c.urls = append(c.urls, w)
			continue
		}
		words = c.option(w, words)
	}
	s.cookies = s.cookies || c.cookies
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
		for _, h := range c.implied {
			off := slices.ContainsFunc(c.without, func(name string) bool { return strings.EqualFold(name, h.name) })
			if !off && !r.has(h.name) {
				r.headers = append(r.headers, h)
			}
		}
		if !c.literal && urlPattern.MatchString(withoutQuery(u)) {
			c.d.leaveOut(c.line, c.column, "that %.80q stands for several URLs: it is sent as it is written",
				withoutQuery(u))
		}
		c.signIn(r)
		c.body(r)
		if len(c.query) > 0 {
			r.withQuery(c.query)
		}
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

// urlPattern is what stands for several URLs: {a,b} and [1-9].
var urlPattern = regexp.MustCompile(`\{[^{}$]*,[^{}]*\}|\[\w+-\w+(:\d+)?\]`)

// imply has a header sent unless --header says another one.
func (c *curlCommand) imply(name string, v text) {
	c.implied = slices.DeleteFunc(c.implied, func(h pair) bool { return h.name == name })
	c.implied = append(c.implied, pair{name, v})
}

func (c *curlCommand) signIn(r *request) {
	switch {
	case c.auth == nil:
	case c.scheme != "" && c.auth.basic:
		c.d.leaveOut(c.line, c.column, "signing in by --%s", c.scheme)
	default:
		own := *c.auth
		r.auth = &own
	}
}

// body gives a request what --data, --form or --upload-file says.
func (c *curlCommand) body(r *request) {
	var data text
	for i, part := range c.data {
		if i > 0 {
			data = joined(data, plain("&"))
		}
		data = joined(data, part)
	}
	switch {
	case len(c.parts) > 0:
		r.method = "POST"
		r.parts = slices.Clone(c.parts)
	case len(c.data) > 0 && (c.inQuery || c.head):
		r.withQuery(data)
	case c.file != "" && len(c.data) == 0:
		r.file, r.method = c.file, "PUT"
		if !c.upload {
			r.method = "POST"
			r.typed(typeOfForm)
		} else if s, _ := r.url.flat(); strings.HasSuffix(s, "/") { // curl adds the name of the file
			r.url = joined(r.url, plain(url.PathEscape(baseName(c.file))))
		}
	case len(c.data) > 0:
		if c.file != "" {
			c.d.leaveOut(c.line, c.column, "the part of the body that is in the file %.80q", c.file)
		}
		r.method, r.body = "POST", data
		r.typed(typeOfForm)
	}
}
