package scenarios

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// TLS is how connections to https targets are secured. Zero: by TLS 1.2 or later, to a server whose certificate is
// valid for the host of the target and trusted by the system, which is shown no certificate.
type TLS struct {
	CA                 File // certificates in PEM that are trusted in place of the system's
	Cert, Key          File // the certificate in PEM that is shown to the server, and its key: both or none
	InsecureSkipVerify bool // any certificate of the server will do
	ServerName         string
	MinVersion         TLSVersion
}

// TLSVersion is a version of TLS.
type TLSVersion string

// The versions of TLS.
const (
	TLS12 TLSVersion = "1.2" // also when empty
	TLS13 TLSVersion = "1.3"
)

// File is a file that a scenario names.
type File struct {
	Name         string // as written: relative to the scenario file; empty: none
	Line, Column int    // of its key; 0 when an override gave it
}

// HTTP is how connections are used. Zero: the version that the server offers, each connection for one request after the
// other, to the first address of the target's host.
type HTTP struct {
	Version        HTTPVersion
	Close          bool // a connection is closed after its first request
	AllAddresses   bool // connections are made to all addresses of the target's host in turns
	MaxConnections int  // of a scenario at most, to each instance; 0: as many as it has requests in flight
}

// HTTPVersion is a version of HTTP that requests are sent by.
type HTTPVersion string

// The versions of HTTP.
const (
	AutoHTTP HTTPVersion = "auto" // also when empty: HTTP/2 where an https server offers it, else HTTP/1.1
	HTTP1    HTTPVersion = "1.1"
	HTTP2    HTTPVersion = "2" // to http targets without being asked for (h2c with prior knowledge)
)

// IsOpen reports whether the version of HTTP is left to the server.
func (h *HTTP) IsOpen() bool { return h.Version == "" || h.Version == AutoHTTP }

// MayBeHTTP2 reports whether requests may be sent by HTTP/2.
func (t *Target) MayBeHTTP2() bool {
	return t.HTTP.Version == HTTP2 || t.HTTP.Version != HTTP1 && t.IsHTTPS()
}

// isTooFewFor reports whether users wait for connections.
func (h *HTTP) isTooFewFor(load Load) bool {
	return h.MaxConnections > 0 && h.Version != HTTP2 && load.Executor().HasUsers() && h.MaxConnections < load.Workers()
}

// IsHTTPS reports whether the target's addresses begin with https.
func (t *Target) IsHTTPS() bool { return strings.HasPrefix(t.URL, "https:") }

var (
	tlsShape = &shape{
		keys: []key{
			{"ca", value},
			{"cert", value},
			{"key", value},
			{"insecureSkipVerify", value},
			{"serverName", value},
			{"minVersion", value},
		},
		foreign: map[string]string{
			"insecureSkipTLSVerify": "use insecureSkipVerify", "insecure": "use insecureSkipVerify",
			"cacert": "use ca", "rootCerts": "use ca", "certificate": "use cert", "sni": "use serverName",
			"tlsVersion": "use minVersion",
		},
	}
	httpShape = &shape{
		keys: []key{
			{"version", value},
			{"keepAlive", value},
			{"host", value},
			{"addresses", value},
			{"maxConnections", value},
		},
		foreign: map[string]string{
			"noConnectionReuse": "use keepAlive: false", "connections": "use maxConnections",
			"http2": "use version: 2", "timeout": "it is a key of each request",
		},
	}
)

// maxConnections bounds http.maxConnections, as maxVUs is.
const maxConnections = maxUsers

// connections reads the sections tls and http.
func (r *reader) connections(file *node, t *Target) {
	t.TLS, t.HTTP = r.tls(file.get("tls")), r.http(file.get("http"))
	section, arms := file.get("tls"), file.get("experiment")
	switch {
	case section == nil:
	case t.URL != "" && !t.IsHTTPS():
		r.faultAt(section.keyAt, "write https:// in target.url, or remove it", "tls is of no use: the target is %s",
			t.URL)
	case file.get("target") == nil && arms.get("baseUrl") == nil && arms.get("headUrl") == nil:
		r.faultAt(section.keyAt, "remove it", "tls is of no use: the reference server speaks plain HTTP")
	}
	r.socketAlone(file, t)
	if version := file.get("http").get("version"); t.HTTP.Version == HTTP2 && t.Proxy != "" && !t.IsHTTPS() {
		r.fault(version, "use an https target, or version 1.1", "http.version cannot be 2 to an http target through "+
			"a proxy, which would take it for HTTP/1.1")
	}
}

// checkConnections reports what the sections tls and http ask for and scenarios cannot do.
func (r *reader) checkConnections(file *node, p *Plan) {
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		switch s.Load.(type) {
		case Browser:
			for _, n := range []*node{file.get("tls"), file.get("http"), file.get("target").get("socket")} {
				if n != nil {
					r.faultAt(n.keyAt, "give the scenario a file of its own",
						"%s is of no use to the scenario %s: its browser makes its own connections", n.path, s.Name)
				}
			}
		case Subscribers:
			for _, key := range []string{"version", "addresses", "maxConnections"} {
				n := file.get("http").get(key)
				if given(n) && n.text != string(HTTP1) && n.text != string(AutoHTTP) && n.text != "first" {
					r.faultAt(n.keyAt, "give the scenario a file of its own", "%s is of no use to the scenario %s: "+
						"each of its streams has an HTTP/1.1 connection, to the first address", n.path, s.Name)
				}
			}
		}
	}
	if n := file.get("http").get("maxConnections"); n != nil && p.Target.MayBeHTTP2() && !p.keepsToConnections() {
		r.faultAt(n.keyAt, "add version: 1.1", "http.maxConnections is of HTTP/1.1: by HTTP/2 a connection has many "+
			"requests at once, and the server says how many")
	}
}

// keepsToConnections reports whether all scenarios keep to a number of connections of HTTP/2: those that the wire
// engine sends where it is known to be HTTP/2, and those of calls.
func (p *Plan) keepsToConnections() bool {
	return !slices.ContainsFunc(p.Scenarios, func(s Scenario) bool {
		return !s.OnlyCalls() &&
			(p.Target.HTTP.IsOpen() || p.EngineOf(&s) == EngineVegeta || p.BeyondWire(&s) != "")
	})
}

func (r *reader) tls(n *node) TLS {
	t := TLS{
		CA: r.fileOf(n.get("ca")), Cert: r.fileOf(n.get("cert")), Key: r.fileOf(n.get("key")),
		InsecureSkipVerify: r.flag(n.get("insecureSkipVerify")),
		ServerName:         r.text(n.get("serverName"), ""),
		MinVersion:         TLSVersion(r.word(n.get("minVersion"), "", []string{string(TLS12), string(TLS13)})),
	}
	if cert, key := n.get("cert"), n.get("key"); (cert == nil) != (key == nil) {
		only, lacks := cert, "key"
		if cert == nil {
			only, lacks = key, "cert"
		}
		r.faultAt(only.keyAt, "name both files; they may be the same", "%s needs tls.%s", only.path, lacks)
	}
	if ca := n.get("ca"); ca != nil && t.InsecureSkipVerify {
		r.faultAt(ca.keyAt, "remove one of the two", "tls.ca is of no use with insecureSkipVerify")
	}
	if name := n.get("serverName"); given(name) && !isHostName(name.text) {
		r.fault(name, "for example api.example.com", "%s %.120q is not the name of a host", name.path, name.text)
	}
	return t
}

// isHostName reports whether s may be a server's name in TLS: no address, no port. (Names are not restricted more
// narrowly, because services within clusters have names with underscores.)
func isHostName(s string) bool {
	return s != "" && net.ParseIP(s) == nil && !strings.ContainsAny(s, "/:@ \t\r\n")
}

// fileOf reads the name of a file.
func (r *reader) fileOf(n *node) File {
	if !given(n) {
		return File{}
	}
	if strings.TrimSpace(n.text) == "" {
		r.fault(n, "", "%s names no file", n.path)
	}
	f := File{Name: n.text}
	if n.keyAt.override == "" {
		f.Line, f.Column = n.keyAt.line, n.keyAt.column
	}
	return f
}

func (r *reader) http(n *node) HTTP {
	return HTTP{
		Version: HTTPVersion(r.word(n.get("version"), "", []string{
			string(HTTP1), string(HTTP2), string(AutoHTTP),
		})),
		Close:          r.word(n.get("keepAlive"), "true", []string{"true", "false"}) == "false",
		AllAddresses:   r.word(n.get("addresses"), "first", []string{"first", "all"}) == "all",
		MaxConnections: int(r.whole(n.get("maxConnections"), 0, 1, maxConnections)),
	}
}

// socketAlone holds target.socket against what chooses another way to the service.
func (r *reader) socketAlone(file *node, t *Target) {
	socket := file.get("target").get("socket")
	if socket == nil {
		return
	}
	const hint = "remove one of the two"
	switch {
	case len(t.Others) > 0:
		r.faultAt(socket.keyAt, "give url in place of urls", "target.socket is one instance, and there are %d urls",
			len(t.Others)+1)
	case t.Proxy != "":
		r.faultAt(socket.keyAt, hint, "target.socket is on this machine, and target.proxy leads elsewhere")
	case t.HTTP.AllAddresses:
		r.faultAt(socket.keyAt, hint, "target.socket is the only address, and http.addresses asks for all")
	}
}

// longestSocket is the longest path of a Unix socket in bytes (unix(7); a zero byte ends it).
const longestSocket = 107

// socket reads the path of a Unix socket.
func (r *reader) socket(n *node) string {
	switch {
	case !given(n):
		return ""
	case !strings.HasPrefix(n.text, "/"):
		r.fault(n, "write the whole path: /run/service.sock", "%s %.120q is not an absolute path", n.path, n.text)
	case len(n.text) > longestSocket:
		r.fault(n, "", "%s has %d bytes; the path of a Unix socket has at most %d", n.path, len(n.text), longestSocket)
	}
	return n.text
}

// connectionHeaders gives the requests of the plan what the section http says of all of them. A request's own Host goes
// before that of the section.
func (r *reader) connectionHeaders(file *node, p *Plan) {
	var add []Header
	if host := file.get("http").get("host"); given(host) {
		if !isAuthority(host.text) {
			r.fault(host, "for example api.example.com", "%s %.120q is not a host", host.path, host.text)
		}
		add = append(add, Header{Name: "Host", Value: Template{{Literal: host.text}}})
	}
	if p.Target.HTTP.Close {
		add = append(add, Header{Name: "Connection", Value: Template{{Literal: "close"}}})
	}
	if len(add) == 0 {
		return
	}
	for q := range p.AllRequests() {
		q.Headers = withHeaders(q.Headers, add)
	}
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		if replay, ok := s.Load.(Replay); ok {
			replay.Recording.Headers = withHeaders(replay.Recording.Headers, add)
			s.Load = replay
		}
	}
}

// isAuthority reports whether s may be the value of a header Host: a name or address, perhaps with a port.
func isAuthority(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return isHostName(s) || net.ParseIP(strings.Trim(s, "[]")) != nil
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0 && (isHostName(host) || net.ParseIP(host) != nil)
}

// withHeaders are headers with those of add that they lack.
func withHeaders(headers, add []Header) []Header {
	for _, h := range add {
		if !slices.ContainsFunc(headers, func(own Header) bool { return strings.EqualFold(own.Name, h.Name) }) {
			headers = append(slices.Clip(headers), h)
		}
	}
	return headers
}
