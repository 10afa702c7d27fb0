package recording

import "strings"

// splitURL takes an absolute URL, or one that begins with its path, apart: the target is its path, which begins with "/",
// and its query. ok is false for what is neither.
func splitURL(url string) (host, target string, ok bool) {
	if strings.HasPrefix(url, "/") {
		return "", url, true
	}
	scheme, rest, found := strings.Cut(url, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", false
	}
	rest, _, _ = strings.Cut(rest, "#")
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		at = len(rest)
	}
	host, target = rest[:at], rest[at:]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return host, target, host != ""
}

// AppendTarget appends a path with its query, or a part of them that begins in the path or in the query, as both engines
// send them: what no URL may have, such as a blank, is percent-encoded, and so is a "%" of a path that encodes nothing.
func AppendTarget(dst []byte, target string, query bool) []byte {
	for i := range len(target) {
		c := target[i]
		switch {
		case c == '?':
			query = true
			dst = append(dst, c)
		case query && c > ' ' && c < 0x7f && c != '#', !query && inPath(c):
			dst = append(dst, c)
		case c == '%' && i+2 < len(target) && isHex(target[i+1]) && isHex(target[i+2]):
			dst = append(dst, c)
		default:
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return dst
}

// inPath reports whether a path may have c as it is (RFC 3986, section 3.3; brackets as net/url has them).
func inPath(c byte) bool {
	return isLetterOrDigit(rune(c)) || strings.IndexByte("/-._~!$&'()*+,;=:@[]", c) >= 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
