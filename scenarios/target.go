package scenarios

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

func (r *reader) target(n *node) Target {
	section := n.get("target")
	if !given(section) {
		return Target{}
	}
	one, several := section.get("url"), section.get("urls")
	switch {
	case one == nil && several == nil:
		r.missing(section, "url", "url: http://127.0.0.1:8080; or leave target out for the reference server")
	case one != nil && several != nil:
		r.faultAt(several.keyAt, "remove one of the two", "target has url and urls")
	case given(one):
		return Target{
			URL: r.address(one), Proxy: r.proxy(section.get("proxy")), Socket: r.socket(section.get("socket")),
		}
	case given(several):
		if all := r.instances(several); len(all) > 0 {
			return Target{URL: all[0], Others: all[1:], Proxy: r.proxy(section.get("proxy"))}
		}
	}
	return Target{}
}

// instances reads the addresses of the instances of a service. Any request may go to any of them, so that they differ
// in host and port alone.
func (r *reader) instances(n *node) (all []string) {
	if len(n.items) == 0 || len(n.items) > MostInstances {
		r.fault(n, "for example [http://10.0.0.1:8080, http://10.0.0.2:8080]",
			"%s has %d addresses; it must have 1 to %d",
			n.path, len(n.items), MostInstances)
		return nil
	}
	for _, item := range n.items {
		before := len(r.errs)
		address := r.address(item)
		if len(r.errs) == before && len(all) > 0 {
			r.checkInstance(item, address, all)
		}
		all = append(all, address)
	}
	return all
}

// checkInstance holds the address of an instance against those before it.
func (r *reader) checkInstance(n *node, address string, before []string) {
	first, err := url.Parse(before[0])
	own, errOwn := url.Parse(address)
	switch {
	case errors.Join(err, errOwn) != nil: // the first was reported
	case own.Scheme != first.Scheme:
		r.fault(n, "give all instances the same scheme", "%s begins with %s://, and the first with %s://", n.path,
			own.Scheme,
			first.Scheme)
	case own.EscapedPath() != first.EscapedPath():
		r.fault(n, "all instances get the same requests: give them the same path",
			"%s has the path %.120q, and the first %.120q",
			n.path, own.EscapedPath(), first.EscapedPath())
	case slices.Contains(before, address):
		r.fault(n, "remove one of the two", "%s %.120q is there twice", n.path, address)
	}
}

// grpcSchemes are those of services that take calls of gRPC alone, and what these are sent over.
var grpcSchemes = map[string]string{"grpc": "http", "grpcs": "https"}

// address reads the address of a service, which comes back without a slash at its end.
func (r *reader) address(n *node) string {
	if !given(n) {
		return ""
	}
	address := strings.TrimRight(n.text, "/")
	u, err := url.Parse(n.text)
	hint := "write it as http://host:port or https://host/prefix"
	scheme := ""
	if err == nil {
		scheme = u.Scheme
		if http, ok := grpcSchemes[scheme]; ok {
			u.Scheme, r.callsOnly = http, true
		}
	}
	switch {
	case err != nil:
		r.notAddress(n, hint, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.fault(n, hint, "%s %.120q is not the address of a service", n.path, r.secrets.address(n.text))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil:
		r.fault(n, "put query and credentials into path and headers of the requests",
			"%s %.120q must be an address without query, fragment, user and password", n.path, n.text)
	default:
		address = u.Scheme + address[len(scheme):] // it may have been written in capitals
		ascii, err := asciiAddress(u)
		if err != nil {
			r.fault(n, hint, "%s: %.120q is not the name of a host", n.path, u.Hostname())
		} else if ascii != "" {
			address = ascii
		}
	}
	return address
}

// notAddress reports an address that is not understood. The parser's own words may have a part of its password.
func (r *reader) notAddress(n *node, hint string, err error) {
	if _, _, found := credentials(n.text); found {
		r.fault(n, hint+", with user and password percent-encoded", "%s is not a URL: %.120q", n.path,
			r.secrets.address(n.text))
		return
	}
	r.fault(n, hint, "%s: %v", n.path, errors.Unwrap(err))
}

var proxySchemes = []string{"http", "https", "socks5"}

// proxy reads the address of what the requests go through.
func (r *reader) proxy(n *node) string {
	if !given(n) {
		return ""
	}
	u, err := url.Parse(n.text)
	hint := "write it as http://host:port; https and socks5 work as well"
	switch {
	case err != nil:
		r.notAddress(n, hint, err)
	case !slices.Contains(proxySchemes, u.Scheme) || u.Hostname() == "":
		r.fault(n, hint, "%s %.120q is not the address of a proxy", n.path, r.secrets.address(n.text))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		r.fault(n, hint, "%s %.120q must be an address without path, query and fragment", n.path, n.text)
	}
	return n.text
}
