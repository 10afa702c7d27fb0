package recording

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// address is a URL, as far as it is replayed.
type address struct {
	host          string // empty in a URL that begins with its path
	target        string // the path, which begins with "/", and the query
	authorization string // the header that user and password of the URL become; may be empty
}

// splitURL takes an absolute URL, or one that begins with its path, apart. Of another one, fault says what it is.
func splitURL(text string) (a address, fault string) {
	if strings.HasPrefix(text, "/") {
		return address{target: text}, ""
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return a, notHTTP(text)
	}
	rest, _, _ = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	a.host, a.target = rest[:end], rest[end:]
	if !strings.HasPrefix(a.target, "/") {
		a.target = "/" + a.target
	}
	if at := strings.LastIndexByte(a.host, '@'); at >= 0 {
		u, err := url.Parse("http://" + a.host[:at] + "@host/")
		if err != nil || u.User == nil {
			return a, noURL
		}
		a.host, a.authorization = a.host[at+1:], basic(u.User)
	}
	if a.host == "" {
		return a, noURL
	}
	return a, ""
}

// basic is what clients make of the user and the password of a URL (RFC 7617).
func basic(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

// Why a request is left out.
const (
	noURL     = "no HTTP URL"
	webSocket = "websocket, which is not replayed"
)

// notHTTP says what a URL is that is not of HTTP: those of data: and blob: never went over the network.
func notHTTP(text string) string {
	const longest = 20
	scheme, _, found := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	odd := strings.ContainsFunc(scheme, func(c rune) bool { return !isLetterOrDigit(c) && c != '-' && c != '+' })
	switch {
	case scheme == "ws" || scheme == "wss":
		return webSocket
	case !found || odd || scheme == "" || len(scheme) > longest || strings.HasPrefix(scheme, "http"):
		return noURL
	}
	return noURL + " (" + scheme + ":)"
}

// AppendTarget appends a path with its query, or a part of them that begins in the path or in the query, as both
// engines send them: what no URL may have, such as a blank, is percent-encoded, and so is a "%" of a path that encodes
// nothing.
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
