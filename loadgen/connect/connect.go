// Package connect makes connections to a target as a scenario file says: to its host, to each address of that, or to a
// Unix socket, and with the certificates that the file names.
package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// dialTimeout bounds the making of a connection.
const dialTimeout = 10 * time.Second

// Bounds of files of the section tls, in bytes: of one with the authorities that are trusted, of which there may be
// many, and of one with a certificate or a key.
const (
	maxAuthorities = 16 << 20
	maxCertificate = 1 << 20
)

// To is how connections to a target are made.
type To struct {
	HTTP   scenarios.HTTP
	Proxy  string // as in [scenarios.Target]
	Socket string // likewise
	tls    *tls.Config
}

// Load reads the files that the plan names. What is wrong with them is of type [scenarios.Errors], with the place in
// the scenario file.
func Load(plan *scenarios.Plan) (*To, error) {
	t := &plan.Target
	to := &To{HTTP: t.HTTP, Proxy: t.Proxy, Socket: t.Socket}
	to.tls = &tls.Config{
		ServerName: t.TLS.ServerName, InsecureSkipVerify: t.TLS.InsecureSkipVerify, MinVersion: tls.VersionTLS12,
		// Small records let a browser begin early; what is sent here is read whole.
		DynamicRecordSizingDisabled: true,
	}
	if t.TLS.MinVersion == scenarios.TLS13 {
		to.tls.MinVersion = tls.VersionTLS13
	}
	if err := to.loadAuthorities(plan, t.TLS.CA); err != nil {
		return nil, err
	}
	return to, to.loadCertificate(plan, t.TLS.Cert, t.TLS.Key)
}

func (t *To) loadAuthorities(plan *scenarios.Plan, file scenarios.File) error {
	if file.Name == "" {
		return nil
	}
	content, err := scenarios.ReadRegular(beside(plan, file.Name), maxAuthorities)
	if err != nil {
		return faultAt(plan, file, "tls.ca: %v", err)
	}
	t.tls.RootCAs = x509.NewCertPool()
	if !t.tls.RootCAs.AppendCertsFromPEM(content) {
		return faultAt(plan, file, "tls.ca: %s has no certificate in PEM (-----BEGIN CERTIFICATE-----)", file.Name)
	}
	return nil
}

func (t *To) loadCertificate(plan *scenarios.Plan, cert, key scenarios.File) error {
	if cert.Name == "" {
		return nil
	}
	var content [2][]byte
	for i, file := range [...]scenarios.File{cert, key} {
		var err error
		content[i], err = scenarios.ReadRegular(beside(plan, file.Name), maxCertificate)
		if err != nil {
			return faultAt(plan, file, "%s: %v", [...]string{"tls.cert", "tls.key"}[i], err)
		}
	}
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return faultAt(plan, cert, "tls.cert and tls.key: %s and %s are no certificate with its key: %v", cert.Name,
			key.Name, err)
	}
	t.tls.Certificates = []tls.Certificate{pair}
	return nil
}

// beside is the path of a file that a plan names.
func beside(plan *scenarios.Plan, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(plan.Source.File), name)
}

func faultAt(plan *scenarios.Plan, file scenarios.File, format string, args ...any) error {
	return scenarios.Errors{{
		File: plan.Source.File, Line: file.Line, Column: file.Column, Message: fmt.Sprintf(format, args...),
	}}
}

// ErrNoHTTP2 is the error of a connection to a server that does not speak HTTP/2, where nothing else will do.
var ErrNoHTTP2 = errors.New("the server does not offer HTTP/2")

// errNoALPN is it where the server is asked in the TLS handshake.
var errNoALPN = fmt.Errorf("tls: %w (h2 by ALPN)", ErrNoHTTP2)

// TLS is for connections whose ends agree on a version of HTTP, by ALPN: the one that is given, or, where that is open,
// the one that the server prefers.
func (t *To) TLS(version scenarios.HTTPVersion) *tls.Config {
	c := t.tls.Clone()
	switch version {
	case scenarios.HTTP1:
		c.NextProtos = []string{"http/1.1"}
	case scenarios.HTTP2:
		c.NextProtos = []string{"h2"}
		c.VerifyConnection = func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != "h2" {
				return errNoALPN
			}
			return nil
		}
	default:
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

// TLSFor is [To.TLS] for connections to a URL's host.
func (t *To) TLSFor(u *url.URL, version scenarios.HTTPVersion) *tls.Config {
	c := t.TLS(version)
	if c.ServerName == "" {
		c.ServerName = u.Hostname()
	}
	return c
}

// VersionFor is the version of HTTP by which requests go to a place, for clients that have to know it before they
// connect: that of the section http, or, where it is open, the one that an https server chooses in a handshake that is
// made for this alone. Where none can be made, which the error tells, it is HTTP/1.1.
func (t *To) VersionFor(ctx context.Context, at Place, u *url.URL) (scenarios.HTTPVersion, error) {
	switch {
	case !t.HTTP.IsOpen():
		return t.HTTP.Version, nil
	case u.Scheme != "https":
		return scenarios.HTTP1, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := t.Dial(ctx, at, "tcp", HostAndPort(u))
	if err != nil {
		return scenarios.HTTP1, err
	}
	defer conn.Close()
	secure := tls.Client(conn, t.TLSFor(u, scenarios.AutoHTTP))
	err = secure.HandshakeContext(ctx)
	if err != nil || secure.ConnectionState().NegotiatedProtocol != "h2" {
		return scenarios.HTTP1, err
	}
	return scenarios.HTTP2, nil
}

// Place is where requests are sent: an instance of the target, or one of the addresses of its host.
type Place struct {
	URL      string // base URL of the instance
	Address  string // host and port that connections are made to; empty: those of URL
	Instance int    // number of the instance, from 1
}

// Places are those of the instances with these base URLs. Names are only looked up where connections are made to all
// addresses.
func (t *To) Places(ctx context.Context, instances []string) ([]Place, error) {
	var all []Place
	for i, instance := range instances {
		if !t.HTTP.AllAddresses {
			all = append(all, Place{URL: instance, Instance: i + 1})
			continue
		}
		u, err := url.Parse(instance)
		if err != nil {
			return nil, err
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		if err != nil {
			return nil, err
		}
		for _, ip := range distinct(found) {
			all = append(all, Place{instance, net.JoinHostPort(ip.String(), PortOf(u)), i + 1})
		}
	}
	return all, nil
}

// distinct are addresses in ascending order, each once: an IPv4 address may come mapped to IPv6 as well.
func distinct(ips []netip.Addr) []netip.Addr {
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return slices.Compact(ips)
}

// PortOf is the port of a URL's host; without one, that of its scheme.
func PortOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// HostAndPort is the address of a URL's host.
func HostAndPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), PortOf(u)) }

// Dial connects to an address, or to another one in its stead where it is that of the place's URL and requests of the
// place are sent there.
func (t *To) Dial(ctx context.Context, at Place, network, address string) (net.Conn, error) {
	if t.Socket != "" || at.Address != "" {
		if u, err := url.Parse(at.URL); err == nil && HostAndPort(u) == address {
			address = at.Address
			if t.Socket != "" {
				network, address = "unix", t.Socket
			}
		}
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	return dialer.DialContext(ctx, network, address)
}
