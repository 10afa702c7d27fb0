package imports

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// curlLetters are the short options, as far as they are understood or passed over.
var curlLetters = map[rune]string{
	'X': "request", 'H': "header", 'd': "data", 'F': "form", 'u': "user", 'A': "user-agent", 'e': "referer",
	'b': "cookie", 'G': "get", 'I': "head", 'L': "location", 'm': "max-time", 'k': "insecure", 'T': "upload-file",
	'x': "proxy", 'E': "cert", 'o': "output", 'w': "write-out", 'c': "cookie-jar", 'D': "dump-header", 'K': "config",
	's': "silent", 'S': "show-error", 'v': "verbose", 'i': "include", 'f': "fail", 'g': "globoff", 'O': "remote-name",
	'J': "remote-header-name", 'N': "no-buffer", '4': "ipv4", '6': "ipv6", '#': "progress-bar", 'Z': "parallel",
	'n': "netrc", 'q': "disable", 'r': "range", 'z': "time-cond", 'y': "speed-time", 'Y': "speed-limit", '0': "http1.0",
	'2': "sslv2", '3': "sslv3", 'B': "use-ascii", 'P': "ftp-port", 'Q': "quote", 'l': "list-only",
	'p': "proxytunnel", 't': "telnet-option",
	'1': "tlsv1", 'U': "proxy-user", 'a': "append", 'j': "junk-session-cookies", 'R': "remote-time", 'C': "continue-at",
}

// curlPassedOver are options without a meaning for a load; those in curlWithValue take a value.
var (
	curlPassedOver = []string{
		"silent", "show-error", "verbose", "include", "fail", "fail-with-body", "fail-early", "remote-name",
		"remote-name-all", "remote-header-name", "remote-time", "no-buffer", "progress-bar", "parallel", "disable",
		"output", "output-dir", "create-dirs", "write-out", "dump-header", "trace", "trace-ascii", "trace-time",
		"stderr",
		"connect-timeout", "path-as-is", "no-progress-meter", "keepalive-time", "tcp-nodelay", "http2",
		"tlsv1.2", "styled-output",
		"no-keepalive-time", "keepalive", "junk-session-cookies", "location-mode", "basic", "tcp-fastopen", "ssl-reqd",
		"no-alpn", "alpn", "no-styled-output", "no-silent", "no-fail", "no-location", "no-insecure",
	}
	curlWithValue = []string{
		"abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert", "cert-type", "ciphers", "config",
		"connect-timeout", "connect-to", "continue-at", "cookie", "cookie-jar", "create-file-mode", "crlfile",
		"curves", "data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "delegation", "dns-interface",
		"dns-ipv4-addr", "dns-ipv6-addr", "dns-servers", "doh-url", "dump-header", "ech", "egd-file", "engine",
		"etag-compare", "etag-save", "expand-data", "expand-header", "expand-url", "expect100-timeout", "form",
		"form-string", "ftp-account", "ftp-alternative-to-user", "ftp-method", "ftp-port", "ftp-ssl-ccc-mode",
		"happy-eyeballs-timeout-ms", "haproxy-clientip", "header", "help", "hostpubmd5", "hostpubsha256", "hsts",
		"httpsig-algo", "httpsig-headers", "httpsig-key", "httpsig-keyid", "interface", "ip-tos", "ipfs-gateway",
		"json", "keepalive-cnt", "keepalive-time", "key", "key-type", "knownhosts", "krb", "libcurl", "limit-rate",
		"local-port", "login-options", "mail-auth", "mail-from", "mail-rcpt", "max-filesize", "max-redirs",
		"max-time", "netrc-file", "noproxy", "oauth2-bearer", "output", "output-dir", "parallel-max",
		"parallel-max-host", "pass", "pinnedpubkey", "preproxy", "proto", "proto-default", "proto-redir", "proxy",
		"proxy-cacert", "proxy-capath", "proxy-cert", "proxy-cert-type", "proxy-ciphers", "proxy-crlfile",
		"proxy-header", "proxy-key", "proxy-key-type", "proxy-pass", "proxy-pinnedpubkey", "proxy-service-name",
		"proxy-tls13-ciphers", "proxy-tlsauthtype", "proxy-tlspassword", "proxy-tlsuser", "proxy-user", "proxy1.0",
		"pubkey", "quote", "random-file", "range", "rate", "referer", "request", "request-target", "resolve",
		"retry", "retry-delay", "retry-max-time", "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a",
		"socks5", "socks5-gssapi-service", "socks5-hostname", "speed-limit", "speed-time", "ssl-sessions", "stderr",
		"telnet-option", "tftp-blksize", "time-cond", "tls-max", "tls13-ciphers", "tlsauthtype", "tlspassword",
		"tlsuser", "trace", "trace-ascii", "trace-config", "unix-socket", "upload-file", "upload-flags", "url",
		"url-query", "user", "user-agent", "variable", "vlan-priority", "write-out",
	}
)

func curlTakes(name string) bool { return slices.Contains(curlWithValue, name) }

// apply takes an option in.
func (c *curlCommand) apply(name string, v text) {
	switch name {
	case "request":
		c.method = v.string()
	case "header":
		c.header(v)
	case "json":
		c.addJSON(v)
	case "data", "data-ascii", "data-binary":
		c.addData(v, true)
		if s, _ := v.flat(); strings.HasPrefix(s, "@") && (name == "data" || name == "data-ascii") {
			c.d.leaveOut(c.line, c.column, "that -d leaves out the line breaks of a file: they are sent")
		}
	case "data-raw":
		c.addData(v, false)
	case "data-urlencode":
		if t, ok := c.encodedData(v); ok {
			c.data = append(c.data, t)
		}
	case "form", "form-string":
		c.formField(v, name == "form")
	case "user-agent":
		c.imply("User-Agent", v)
	case "referer":
		c.imply("Referer", v)
	case "url":
		c.urls = append(c.urls, v)
	case "url-query":
		if t, ok := c.encodedData(v); ok {
			if len(c.query) > 0 {
				c.query = joined(c.query, plain("&"))
			}
			c.query = joined(c.query, t)
		}
	case "globoff":
		c.literal = true
	case "get":
		c.inQuery = true
	case "head":
		c.head = true
	case "location", "location-trusted":
		c.follow = true
	case "max-redirs":
		if n, err := strconv.Atoi(v.string()); err == nil && n > 0 {
			c.redirects = n
		}
	case "upload-file":
		c.file, c.upload = v.string(), true
	case "max-time":
		if seconds, err := strconv.ParseFloat(v.string(), 64); err == nil && seconds >= 0.001 && seconds <= 3600 {
			c.timeout = strconv.FormatFloat(seconds, 'f', -1, 64) + "s"
		}
	case "compressed":
		c.imply("Accept-Encoding", plain("gzip, deflate, br"))
	case "range":
		c.headers = append(c.headers, pair{"Range", joined(plain("bytes="), v)})
	default:
		if !c.credentials(name, v) && !c.connection(name, v) && !slices.Contains(curlPassedOver, name) {
			c.d.leaveOut(c.line, c.column, "the option --%.40s of curl", name)
		}
	}
}

// credentials takes in an option that says by what the command signs in, and with which cookies; ok is false for
// others.
func (c *curlCommand) credentials(name string, v text) (ok bool) {
	switch name {
	case "user":
		c.auth = basicOf(v)
		if c.auth == nil { // curl asks for the password
			password := c.d.needs("BASIC_PASSWORD", "the password that curl asks for", true)
			c.auth = basicOf(joined(v, plain(":"), password))
		}
	case "oauth2-bearer":
		c.auth = &credentials{bearer: v}
	case "digest", "ntlm", "negotiate", "anyauth", "aws-sigv4":
		c.scheme = name
		if name == "aws-sigv4" {
			c.d.leaveOut(c.line, c.column, "the option --%s of curl", name)
		}
	case "cookie":
		s, _ := v.flat()
		switch {
		case strings.Contains(s, "=") || !v.isLiteral():
			c.headers = append(c.headers, pair{"Cookie", v})
		case s == "":
			c.cookies = true
		default:
			c.cookies = true
			c.d.leaveOut(c.line, c.column, "the cookies that are in the file %.60q before; those that answers set are "+
				"kept", s)
		}
	case "cookie-jar":
		c.cookies = true
	default:
		return false
	}
	return true
}

// connection takes in an option that says how to get to the service; ok is false for others.
func (c *curlCommand) connection(name string, v text) (ok bool) {
	d := c.d
	value := flowScalar(escapeVariables(v.string()))
	secure := func(key, value string) { d.connect(&d.tls, key, value, c.line, c.column) }
	version := func(value string) { d.connect(&d.http, "version", value, c.line, c.column) }
	switch name {
	case "insecure":
		secure("insecureSkipVerify", "true")
	case "cacert":
		secure("ca", value)
	case "cert":
		file, _, hasPassword := strings.Cut(v.string(), ":")
		if hasPassword {
			d.leaveOut(c.line, c.column, "the password of the key of %.80q: write the key without one", file)
		}
		secure("cert", flowScalar(escapeVariables(file)))
	case "key":
		secure("key", value)
	case "tlsv1.3":
		secure("minVersion", "1.3")
	case "http1.1":
		version("1.1")
	case "http2-prior-knowledge":
		version("2")
	case "no-keepalive":
		// of TCP, not of HTTP
	case "resolve":
		c.resolve(v.string())
	case "connect-to":
		hosts := splitHosts(v.string())
		if len(hosts) != 4 {
			return false
		}
		d.routes = append(d.routes, route{hosts[0], hosts[1], hosts[2], hosts[3]})
	case "unix-socket":
		if d.socket != "" && d.socket != v.string() {
			d.leaveOut(c.line, c.column, "the socket %.80q: a file has one", v.string())
		} else {
			d.socket = v.string()
		}
	case "proxy", "socks5", "socks5-hostname":
		return c.proxy(name, v)
	default:
		return false
	}
	return true
}

// resolve reads host:port:address,…
func (c *curlCommand) resolve(s string) {
	parts := strings.SplitN(strings.TrimPrefix(s, "+"), ":", 3)
	if len(parts) != 3 || strings.HasPrefix(s, "-") {
		c.d.leaveOut(c.line, c.column, "the option --resolve %.80q of curl", s)
		return
	}
	address, others, several := strings.Cut(parts[2], ",")
	if several {
		c.d.leaveOut(c.line, c.column, "the addresses %.80s of %s besides the first", others, parts[0])
	}
	c.d.routes = append(c.d.routes, route{host: parts[0], port: parts[1], toHost: strings.Trim(address, "[]")})
}

// splitHosts splits host:port:host:port, where a host may be in brackets.
func splitHosts(s string) (all []string) {
	within, last := false, 0
	for i, c := range s {
		switch {
		case c == '[':
			within = true
		case c == ']':
			within = false
		case c == ':' && !within:
			all = append(all, strings.Trim(s[last:i], "[]"))
			last = i + 1
		}
	}
	return append(all, strings.Trim(s[last:], "[]"))
}

// proxy sets the proxy of the target, without its credentials.
func (c *curlCommand) proxy(name string, v text) (ok bool) {
	address := v.string()
	if !strings.Contains(address, "://") {
		scheme := "socks5"
		if name == "proxy" {
			scheme = "http"
		}
		address = scheme + "://" + address
	}
	u, err := url.Parse(strings.Replace(address, "socks5h://", "socks5://", 1))
	if err != nil || u.Hostname() == "" || !v.isLiteral() {
		return false
	}
	if u.User != nil {
		c.d.leaveOut(c.line, c.column, "user and password of the proxy: write them into target.proxy")
		u.User = nil
	}
	if u.Port() == "" {
		u.Host += ":1080" // as curl does
	}
	u.Path, u.RawQuery, u.Fragment = "", "", ""
	if c.d.proxy != "" && c.d.proxy != u.String() {
		c.d.leaveOut(c.line, c.column, "the proxy %.80s: a file has one", u)
		return true
	}
	c.d.proxy = u.String()
	return true
}

func (c *curlCommand) header(v text) {
	if s, _ := v.flat(); strings.HasPrefix(s, "@") {
		c.d.leaveOut(c.line, c.column, "the headers that are in the file %.80q", s[1:])
		return
	}
	name, value := v.split(":;")
	if value.string() == ":" {
		c.without = append(c.without, name.string())
	}
	value = dropFirst(value)
	if len(value) > 0 && value[0].literal != "" {
		value = joined(plain(strings.TrimLeft(value[0].literal, " \t")), value[1:])
	}
	if len(value) > 0 {
		c.headers = append(c.headers, pair{name.string(), value})
	}
}

// addJSON adds a body of --json, of which the parts follow one another.
func (c *curlCommand) addJSON(v text) {
	c.imply("Content-Type", plain(typeOfJSON))
	c.imply("Accept", plain(typeOfJSON))
	s, _ := v.flat()
	if last := len(c.data) - 1; last >= 0 && !strings.HasPrefix(s, "@") {
		c.data[last] = joined(c.data[last], v)
		return
	}
	c.addData(v, true)
}

// addData adds a body, or a part of one; with files, "@name" is the content of a file.
func (c *curlCommand) addData(v text, files bool) {
	s, _ := v.flat()
	name, isFile := strings.CutPrefix(s, "@")
	switch {
	case !files || !isFile:
		c.data = append(c.data, v)
	case c.file != "" || name == "-" || name == "" || !v.isLiteral():
		c.d.leaveOut(c.line, c.column, "the part of the body that is in the file %.80q", v.string()[1:])
	default:
		c.file = name
	}
}

// encodedData is a part of a form: content, =content, name=content; ok is false for one that is in a file.
func (c *curlCommand) encodedData(v text) (t text, ok bool) {
	s, _ := v.flat()
	if at := strings.IndexAny(s, "=@"); at >= 0 && s[at] == '@' {
		c.d.leaveOut(c.line, c.column, "the part of the body that is in the file %.80q", s[at+1:])
		return nil, false
	}
	name, value := v.split("=")
	switch {
	case len(value) == 0:
		return encoded(name), true
	case len(name) == 0:
		return encoded(dropFirst(value)), true
	}
	return joined(name, plain("="), encoded(dropFirst(value))), true
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

// formField adds a part of a form with several: name=text, name=@file, each with ;type= and ;filename=.
func (c *curlCommand) formField(v text, special bool) {
	field, value := v.split("=")
	p := formPart{name: field.string(), value: dropFirst(value)}
	s, parts := p.value.flat()
	if special {
		var more []string
		s, more = cutParameters(s)
		for _, m := range more {
			key, with, _ := strings.Cut(m, "=")
			with = strings.Trim(strings.TrimSpace(with), `"`)
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "type":
				p.kind = with
			case "filename":
				p.filename = with
			default:
				c.d.leaveOut(c.line, c.column, "%.40q of the part %.60q of a form", key, p.name)
			}
		}
		p.value = unflat(s, parts)
	}
	switch {
	case special && strings.HasPrefix(s, "@") && p.value.isLiteral() && s != "@-" && !strings.Contains(s, ","):
		p.file, p.value = strings.Trim(s[1:], `"`), nil
	case special && (strings.HasPrefix(s, "@") || strings.HasPrefix(s, "<")):
		c.d.leaveOut(c.line, c.column, "the part %.60q of a form, which is %.80q", p.name, p.value.string())
		return
	}
	c.parts = append(c.parts, p)
}

// cutParameters cuts ";type=text/plain" and the like off the value of a part.
func cutParameters(s string) (value string, parameters []string) {
	for {
		at := strings.LastIndexByte(s, ';')
		if at < 0 {
			return s, parameters
		}
		name, _, found := strings.Cut(strings.TrimSpace(s[at+1:]), "=")
		if !found || !slices.Contains([]string{"type", "filename", "headers", "encoder"}, strings.ToLower(name)) {
			return s, parameters
		}
		parameters, s = append(parameters, s[at+1:]), s[:at]
	}
}
