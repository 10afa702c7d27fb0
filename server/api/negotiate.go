package api

import "strings"

// tagMatches reports whether the values of If-None-Match contain tag, by weak comparison (RFC 9110, 13.1.2).
func tagMatches(values []string, tag string) bool {
	for _, list := range values {
		if list == tag { // as most clients send it
			return true
		}
		for list != "" {
			var one string
			one, list = cutTag(list)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// cutTag cuts the first entity tag off a list. A quoted tag may contain commas.
func cutTag(list string) (tag, rest string) {
	quoted := false
	for i := range len(list) {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return strings.Trim(list[:i], " \t"), list[i+1:]
		}
	}
	return strings.Trim(list, " \t"), ""
}

// acceptsGzip reads the values of Accept-Encoding (RFC 9110, 12.5.3). Without one, nothing is compressed. An entry that
// excludes gzip takes precedence over *.
func acceptsGzip(values []string) bool {
	anything := false
	for _, list := range values {
		for list != "" {
			var one string
			one, list, _ = strings.Cut(list, ",")
			coding, parameters, _ := strings.Cut(one, ";")
			coding = strings.TrimSpace(coding)
			switch {
			case strings.EqualFold(coding, "gzip") || strings.EqualFold(coding, "x-gzip"):
				return !isZeroWeight(parameters)
			case coding == "*":
				anything = !isZeroWeight(parameters)
			}
		}
	}
	return anything
}

// isZeroWeight recognizes q=0, q=0.0, q=0.00 and q=0.000.
func isZeroWeight(parameters string) bool {
	name, weight, found := strings.Cut(strings.TrimSpace(parameters), "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return false
	}
	weight, zero := strings.CutPrefix(strings.TrimSpace(weight), "0")
	return zero && strings.Trim(weight, ".0") == ""
}
