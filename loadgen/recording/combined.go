package recording

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"time"
)

// clfTime is how access logs write an instant.
const clfTime = "02/Jan/2006:15:04:05 -0700"

// errNotCombined is the fault of a line that is not of an access log.
var errNotCombined = errors.New(
	`the line is not of the combined log format: address - user [02/Jan/2006:15:04:05 +0000] "GET /path HTTP/1.1" 200 512 "referer" "user agent"`)

// combined takes a line of an access log in the combined format of Apache and nginx, or in the common one, which has
// neither referer nor user agent. What follows after them is not looked at. Such a log has no bodies, so that only GET
// and HEAD can be sent again.
func (b *builder) combined(line []byte) error {
	before, rest, found := bytes.Cut(line, []byte(" ["))
	if !found || len(bytes.Fields(before)) < 3 {
		return notCombined(line)
	}
	when, rest, found := bytes.Cut(rest, []byte("] "))
	if !found {
		return notCombined(line)
	}
	at, err := time.Parse(clfTime, string(when))
	if err != nil {
		return notCombined(line)
	}
	asked, rest, ok := quoted(rest)
	status := ""
	if !ok || !isStatusAndSize(&rest, &status) {
		return notCombined(line)
	}
	if status == switchingProtocols {
		b.skip(webSocket)
		return nil
	}
	b.noteVirtualHost(before)
	var headers []header
	for _, name := range []string{"Referer", "User-Agent"} {
		value, after, ok := quoted(bytes.TrimLeft(rest, " "))
		if !ok {
			break
		}
		rest = after
		if value != "-" && value != "" {
			headers = append(headers, header{name, value})
		}
	}
	return b.addLine(asked, request{at: at, headers: headers})
}

// switchingProtocols is the status with which a server agrees to a websocket.
const switchingProtocols = "101"

// noteVirtualHost takes the host that servers of several ones write before the client's address.
func (b *builder) noteVirtualHost(before []byte) {
	if first := bytes.Fields(before); len(first) > 3 {
		if _, err := netip.ParseAddr(string(first[1])); err == nil {
			b.noteHost(string(first[0]))
		}
	}
}

// addLine adds a request of a log by its first line, as in "GET / HTTP/1.1".
func (b *builder) addLine(line string, r request) error {
	var ok bool
	r.method, r.url, ok = splitLine(line)
	if !ok {
		b.skip(noRequest)
		return nil
	}
	if r.method != "GET" && r.method != "HEAD" {
		b.skip(shortened(r.method) + noBody)
		return nil
	}
	return b.add(&r)
}

// noRequest is why a line is left out that has a client's nonsense.
const noRequest = "no HTTP request, to which the server could only have answered that"

// splitLine takes the first line of a request apart.
func splitLine(line string) (method, url string, ok bool) {
	first, last := strings.IndexByte(line, ' '), strings.LastIndex(line, " HTTP/")
	if first <= 0 || last <= first || !isToken(line[:first]) || line[:first] == "-" {
		return "", "", false
	}
	return line[:first], line[first+1 : last], true
}

func shortened(method string) string {
	const longest = 20
	return method[:min(len(method), longest)]
}

// quoted reads a text in quotation marks, in which servers write some characters with a backslash.
func quoted(text []byte) (value string, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return "", text, false
	}
	var out []byte
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return string(out), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			c, used := unescape(text[i+1:])
			out = append(out, c)
			i += used
		default:
			out = append(out, c)
		}
	}
	return "", text, false
}

// unescape reads what follows a backslash: xHH, a letter of C, or the character itself.
func unescape(text []byte) (c byte, used int) {
	if text[0] == 'x' && len(text) > 2 && isHex(text[1]) && isHex(text[2]) {
		return hexValue(text[1])<<4 | hexValue(text[2]), 3
	}
	if i := bytes.IndexByte([]byte("abfnrtv"), text[0]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], 1
	}
	return text[0], 1
}

func hexValue(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// isStatusAndSize takes ` 200 512` or ` 304 -` off the text.
func isStatusAndSize(text *[]byte, code *string) bool {
	rest := bytes.TrimLeft(*text, " ")
	status, rest, found := bytes.Cut(rest, []byte(" "))
	if !found || len(status) != 3 || !allDigits(status) {
		return false
	}
	*code = string(status)
	size, rest, _ := bytes.Cut(rest, []byte(" "))
	*text = rest
	return string(size) == "-" || len(size) > 0 && allDigits(size)
}

func allDigits(text []byte) bool {
	return !bytes.ContainsFunc(text, func(c rune) bool { return c < '0' || c > '9' })
}
