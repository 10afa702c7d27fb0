package imports

import (
	"net"
	"slices"
	"strings"
)

// route is another address for a host and port, as --resolve of curl and hosts of k6 have it. An empty host or port
// stands for any, an empty one of to for the same.
type route struct {
	host, port     string
	toHost, toPort string
}

// connect adds a key to the section tls or http. The file has one of each: another value for the same key is left out.
func (d *draft) connect(section *[]setting, key, value string, line, column int) {
	i := slices.IndexFunc(*section, func(s setting) bool { return s.key == key })
	if i < 0 {
		*section = append(*section, setting{key, value})
		return
	}
	if (*section)[i].value != value {
		d.leaveOut(line, column, "%s: %s, which is %s for the requests before it: a file has one", key, value,
			(*section)[i].value)
	}
}

// settleConnection makes of routes and certificates what the target's address needs.
func (d *draft) settleConnection() {
	address := d.target.string()
	scheme, authority, found := strings.Cut(address, "://")
	isPlain := found && strings.EqualFold(scheme, "http")
	if found && d.target.isLiteral() {
		d.reroute(scheme, strings.TrimRight(authority[strings.LastIndexByte(authority, '@')+1:], "/"))
	}
	if isPlain && len(d.tls) > 0 {
		for _, s := range d.tls {
			d.leaveOut(0, 0, "tls.%s: the target is %s, without TLS", s.key, address)
		}
		d.tls = nil
	}
	if found && !isPlain {
		d.settleVersion()
	}
	has := func(key string) bool {
		return slices.ContainsFunc(d.tls, func(s setting) bool { return s.key == key && s.value != "false" })
	}
	if has("insecureSkipVerify") && has("ca") {
		d.leaveOut(0, 0, "tls.ca: any certificate is accepted")
		d.tls = slices.DeleteFunc(d.tls, func(s setting) bool { return s.key == "ca" })
	}
}

// reroute sends to another address what goes to the target, under its own name.
func (d *draft) reroute(scheme, authority string) {
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		host, port = strings.Trim(authority, "[]"), "80"
		if strings.EqualFold(scheme, "https") {
			port = "443"
		}
	}
	for _, to := range d.routes {
		if to.host != "" && to.host != "*" && !strings.EqualFold(to.host, host) || to.port != "" && to.port != port {
			continue
		}
		if to.toHost == "" {
			to.toHost = host
		}
		if to.toPort == "" {
			to.toPort = port
		}
		if to.toHost == host && to.toPort == port {
			return
		}
		d.target = plain(scheme + "://" + net.JoinHostPort(to.toHost, to.toPort))
		d.connect(&d.http, "host", flowScalar(authority), 0, 0)
		if strings.EqualFold(scheme, "https") && net.ParseIP(host) == nil {
			d.connect(&d.tls, "serverName", flowScalar(host), 0, 0)
		}
		return
	}
}

// settleKeyPair completes a certificate whose key is in the same file.
func (d *draft) settleKeyPair() {
	at := func(key string) int { return slices.IndexFunc(d.tls, func(s setting) bool { return s.key == key }) }
	cert, key := at("cert"), at("key")
	switch {
	case cert >= 0 && key < 0:
		d.tls = append(d.tls, setting{"key", d.tls[cert].value})
	case cert < 0 && key >= 0:
		d.leaveOut(0, 0, "tls.key: it has no certificate")
		d.tls = slices.Delete(d.tls, key, key+1)
	}
}

// settleVersion has all requests sent by the version of HTTP that they were sent by before, where that is one.
func (d *draft) settleVersion() {
	versions := map[string]bool{}
	d.each(func(r *request) {
		switch strings.ToLower(r.version) {
		case "":
		case "h2", "http/2", "http/2.0":
			versions["2"] = true
		case "http/1.1", "http/1.0":
			versions["1.1"] = true
		default:
			versions["3"] = true
		}
	})
	switch {
	case d.format == JMeter, len(versions) == 1 && versions["1.1"]: // the sampler of JMeter knows no other
		d.connect(&d.http, "version", "1.1", 0, 0)
	case versions["3"]:
		d.leaveOut(0, 0, "HTTP/3: requests are sent by HTTP/2 or HTTP/1.1")
	case len(versions) == 1:
		d.connect(&d.http, "version", "2", 0, 0)
	case len(versions) > 1:
		d.leaveOut(0, 0, "that some requests were sent by HTTP/1.1 and some by HTTP/2: the server chooses")
	}
}
