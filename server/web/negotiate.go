package web

import (
	"net/http"
	"strings"
)

// wantsHTML reports whether a request asks for HTML by name, as browsers do and most programs do not.
func wantsHTML(r *http.Request) bool { return names(r.Header["Accept"], "text/html") }

// names reports whether the values of Accept or Accept-Encoding (RFC 9110, section 12.5) name what is wanted with a
// weight above 0. Wildcards do not count: a client that sends one may not know what it would get.
func names(values []string, wanted string) bool {
	for _, list := range values {
		for element := range strings.SplitSeq(list, ",") {
			name, parameters, _ := strings.Cut(element, ";")
			if strings.EqualFold(strings.TrimSpace(name), wanted) {
				return !excluded(parameters)
			}
		}
	}
	return false
}

// excluded reports whether parameters contain the weight 0: q=0, q=0.0, q=0.00 or q=0.000.
func excluded(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, weight, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			digits, zero := strings.CutPrefix(strings.TrimSpace(weight), "0")
			return zero && strings.Trim(digits, ".0") == ""
		}
	}
	return false
}
