package imports

import (
	"slices"
	"strconv"
	"strings"
)

// sampler adds a request.
func (p *plan) sampler(e *element, in scope) {
	const mostSamplers = 1000
	if len(p.flow) >= mostSamplers {
		p.d.leaveOut(p.group.line, p.group.column, "what follows the first %d samplers of %.80q", mostSamplers,
			p.group.name)
		return
	}
	for _, c := range e.children {
		if c.enabled {
			in = p.forOne(c, in)
		}
	}
	get := func(name string) string {
		for _, from := range append([]*element{e}, in.defaults...) {
			if v := from.prop(name); v != "" {
				return v
			}
		}
		return ""
	}
	method, ok := methodOf(p.plain(get("HTTPSampler.method")))
	if get("HTTPSampler.method") == "" {
		method, ok = "GET", true
	}
	if !ok {
		p.d.leaveOut(e.line, e.column, "the method %.20q of %.80q", method, e.name)
		return
	}
	r := &request{name: e.name, method: method, url: p.address(get, e), block: p.block, line: e.line, column: e.column}
	r.headers = nearest(in.headers)
	if len(in.cookies) > 0 {
		r.headers = append(r.headers, pair{"Cookie", in.cookies})
	}
	if within := tagValue(strings.Join(p.within, "/")); within != "" {
		r.tags = append(r.tags, setting{"transaction", within})
	}
	p.passed(e, get)
	p.signIn(r, in)
	p.parameters(e, in, r)
	p.below(e, in, r)
	if e.prop("HTTPSampler.follow_redirects") == "true" || e.prop("HTTPSampler.auto_redirects") == "true" {
		r.follows = 10
	}
	if ms, err := strconv.Atoi(p.plain(get("HTTPSampler.response_timeout"))); err == nil && ms > 0 && ms <= 3_600_000 {
		r.timeout = strconv.Itoa(ms) + "ms"
	}
	if get("HTTPSampler.image_parser") == "true" {
		p.d.leaveOut(e.line, e.column, "what pages embed: %.80q is sent alone", e.name)
	}
	if get("HTTPSampler.use_keepalive") == "false" {
		p.closed++
	} else {
		p.keepAlive++
	}
	if host := p.plain(get("HTTPSampler.proxyHost")); host != "" && !strings.Contains(host, "${") {
		p.proxy(e, host, p.plain(get("HTTPSampler.proxyPort")))
	}
	p.wait(in.pause)
	p.flow = append(p.flow, r)
}

// forOne is a scope with what a child of a sampler configures.
func (p *plan) forOne(c *element, in scope) scope {
	if p.configures(c) || p.isTimer(c) {
		return p.configured(c, in)
	}
	return in
}

// nearest are headers of which each name has the first value.
func nearest(all []pair) (kept []pair) {
	for _, h := range all {
		if !slices.ContainsFunc(kept, func(k pair) bool { return strings.EqualFold(k.name, h.name) }) {
			kept = append(kept, h)
		}
	}
	return kept
}

func (p *plan) proxy(e *element, host, port string) {
	address := "http://" + host
	if port != "" {
		address += ":" + port
	}
	if p.d.proxy != "" && p.d.proxy != address {
		p.d.leaveOut(e.line, e.column, "the proxy of %.80q: a file has one", e.name)
		return
	}
	p.d.proxy = address
}

// signIn gives a request the user and password that a manager has for its URL.
func (p *plan) signIn(r *request, in scope) {
	for _, a := range in.auth {
		if strings.HasPrefix(r.url.string(), a.url) || a.url == "" {
			r.auth = &credentials{user: a.user, password: a.password, basic: true}
			return
		}
	}
}

// address is the URL of a sampler.
func (p *plan) address(get func(string) string, e *element) text {
	path := get("HTTPSampler.path")
	if absolute.MatchString(path) {
		return p.text(path, e)
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "${") {
		path = "/" + path
	}
	domain := get("HTTPSampler.domain")
	if domain == "" {
		return p.text(path, e)
	}
	scheme, port := p.plain(get("HTTPSampler.protocol")), get("HTTPSampler.port")
	if scheme == "" {
		scheme = "http"
	}
	out := joined(plain(scheme+"://"), p.text(domain, e))
	if written := p.text(port, e); len(written) > 0 {
		out = joined(out, plain(":"), written)
	}
	if !strings.HasPrefix(path, "/") {
		out = joined(out, plain("/"))
	}
	return joined(out, p.text(path, e))
}

// parameters gives a request its query, its form, its parts, or its body.
func (p *plan) parameters(e *element, in scope, r *request) {
	arguments := argumentsOf(e.props["HTTPsampler.Arguments"])
	for _, from := range in.defaults {
		arguments = append(arguments, argumentsOf(from.props["HTTPsampler.Arguments"])...)
	}
	files := p.files(e)
	raw := e.prop("HTTPSampler.postBodyRaw") == "true" || len(arguments) > 0 && withoutNames(arguments)
	switch {
	case len(files) == 1 && files[0].name == "" && len(arguments) == 0:
		r.file = files[0].file
		r.typed(files[0].kind)
		return
	case len(files) > 0 || e.prop("HTTPSampler.DO_MULTIPART_POST") == "true" && !raw && len(arguments) > 0:
		for _, a := range arguments {
			value := p.text(valueOfArgument(a), a)
			r.parts = append(r.parts, formPart{name: p.plain(a.prop("Argument.name")), value: value})
		}
		r.parts = append(r.parts, files...)
		return
	}
	var fields text
	for _, a := range arguments {
		value := p.text(valueOfArgument(a), a)
		if raw {
			r.body = joined(r.body, value)
			continue
		}
		if a.prop("HTTPArgument.always_encode") != "false" {
			value = encoded(value)
		}
		if len(fields) > 0 {
			fields = joined(fields, plain("&"))
		}
		fields = joined(fields, encoded(p.text(a.prop("Argument.name"), a)), plain("="), value)
	}
	switch {
	case len(fields) == 0:
	case slices.Contains([]string{"GET", "HEAD", "DELETE", "OPTIONS"}, r.method):
		r.withQuery(fields)
	default:
		r.body = fields
		r.typed(typeOfForm)
	}
}

func withoutNames(arguments []*element) bool {
	return !slices.ContainsFunc(arguments, func(a *element) bool { return a.prop("Argument.name") != "" })
}

func valueOfArgument(a *element) string {
	if at := a.props["Argument.value"]; at != nil {
		return at.text
	}
	return ""
}

// files are those that a sampler sends.
func (p *plan) files(e *element) (all []formPart) {
	add := func(of *element, path, name, kind string) {
		file := p.plain(of.prop(path))
		switch {
		case file == "":
		case strings.Contains(file, "${"):
			p.d.leaveOut(e.line, e.column, "the file %.80q of %.80q, whose name is computed", file, e.name)
		default:
			all = append(all, formPart{name: p.plain(of.prop(name)), file: file, kind: p.plain(of.prop(kind))})
		}
	}
	add(e, "HTTPSampler.FILE_NAME", "HTTPSampler.FILE_FIELD", "HTTPSampler.MIMETYPE") // before JMeter 2.4
	for _, list := range e.inner {
		if list.name != "HTTPsampler.Files" {
			continue
		}
		if args := list.props["HTTPFileArgs.files"]; args != nil {
			for _, f := range args.inner {
				add(f, "File.path", "File.paramname", "File.mimetype")
			}
		}
	}
	return all
}
