package scenarios

import (
	"net"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// asciiAddress is an address whose host has other characters than those of ASCII, with the host as DNS knows it (RFC
// 5891); empty for other addresses.
func asciiAddress(u *url.URL) (string, error) {
	host := u.Hostname()
	if utf8.RuneCountInString(host) == len(host) {
		return "", nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", err
	}
	own := *u
	own.Host = ascii
	if port := u.Port(); port != "" {
		own.Host = net.JoinHostPort(ascii, port)
	}
	return strings.TrimRight(own.String(), "/"), nil
}

// isAddress reports whether a key, below another, holds the address of a service or proxy, or a list of them.
func isAddress(in, key string) bool {
	return in == "target" && (key == "url" || key == "urls" || key == "proxy") ||
		in == "experiment" && (key == "baseUrl" || key == "headUrl")
}

// leadsToAddress reports whether the path of an override leads to an address, or a list of them.
func leadsToAddress(path []string) bool {
	return len(path) == 2 && isAddress(path[0], path[1]) ||
		len(path) == 3 && path[0] == "target" && path[1] == "urls"
}

// credentials are where user and password stand in an address that is not written as one should be, so that nothing
// tells where they end: between the scheme and the last @. ok is false without any, and for an address whose @ is in
// its path.
func credentials(address string) (from, to int, ok bool) {
	to = strings.LastIndexByte(address, '@')
	if to < 0 {
		return 0, 0, false
	}
	if u, err := url.Parse(address); err == nil && u.Scheme != "" && u.Host != "" && u.User == nil {
		return 0, 0, false
	}
	if i := strings.Index(address[:to], "//"); i >= 0 && (i == 0 || address[i-1] == ':') {
		from = i + 2
	}
	return from, to, from < to
}

// learnAddress learns the user and the password of an address.
func (r *Redactor) learnAddress(address string) {
	from, to, ok := credentials(address)
	if !ok || holePlace.MatchString(address) || address[from:to] == exampleUser {
		return
	}
	r.addValue(address[from:to])
}

// maskedAddress is an address without user and password, where they stand wrongly.
func maskedAddress(address string) string {
	if from, to, ok := credentials(address); ok && address[from:to] != exampleUser {
		address = address[:from] + maskedLiterals(address[from:to]) + address[to:]
	}
	return address
}

// address is an address without secrets.
func (r *Redactor) address(address string) string { return r.Text(maskedAddress(address)) }
