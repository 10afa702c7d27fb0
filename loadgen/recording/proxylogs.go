package recording

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"time"
)

// haproxyBegin is where a request of HAProxy's HTTP log stands: the time at which it was received, frontend, backend
// and server, times, and the status.
var haproxyBegin = regexp.MustCompile(`\[(\d\d/\w{3}/\d{4}:[\d:]{8}(?:\.\d+)?)\] \S+ \S+/\S+ [-+\d/]+ (-?\d+) `)

var errNoHAProxyLine = errors.New("the line is not of HAProxy's HTTP log: client:port [02/Jan/2006:15:04:05.000] " +
	`frontend backend/server 0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0 "GET /path HTTP/1.1"`)

// notOfRequest is why a line is left out in which a server says something about itself.
const notOfRequest = "line without a request, such as a message of the server about itself"

// haproxyLine takes a line of HAProxy's HTTP log, with or without what syslog writes before it
// (https://docs.haproxy.org/3.2/configuration.html#8.2.3, with option httpslog #8.2.5). The time is that of HAProxy's
// clock, without a zone.
func (b *builder) haproxyLine(line []byte) error {
	place := haproxyBegin.FindSubmatchIndex(line)
	if place == nil {
		if bytes.Contains(line, []byte("haproxy[")) {
			b.skip(notOfRequest)
			return nil
		}
		return errNoHAProxyLine
	}
	at, err := time.Parse("02/Jan/2006:15:04:05", string(line[place[2]:place[3]]))
	if err != nil {
		return errNoHAProxyLine
	}
	_, rest, found := strings.Cut(string(line[place[1]:]), ` "`)
	asked, _, ended := strings.Cut(rest, `"`)
	switch {
	case !found:
		return errNoHAProxyLine
	case !ended:
		b.skip("request line that the log has cut off")
		return nil
	case string(line[place[4]:place[5]]) == switchingProtocols:
		b.skip(webSocket)
		return nil
	}
	return b.addLine(haproxyText(asked), request{at: at})
}

var haproxyEscape = regexp.MustCompile(`#[0-9A-F]{2}`)

// haproxyText is a text without HAProxy's encoding of signs as "#" and two hexadecimal digits.
func haproxyText(s string) string {
	return haproxyEscape.ReplaceAllStringFunc(s, func(e string) string {
		return string([]byte{hexValue(e[1])<<4 | hexValue(e[2])})
	})
}

var errNoEnvoyLine = errors.New("the line is not of Envoy's default access log: [2006-01-02T15:04:05.000Z] " +
	`"GET /path HTTP/1.1" 200 - 0 512 3 2 "address" "user agent" "request id" "host" "upstream"`)

// envoyLine takes a line of Envoy's default access log, also with what Istio adds to it
// (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string,
// https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format).
func (b *builder) envoyLine(line []byte) error {
	when, rest, found := bytes.Cut(bytes.TrimPrefix(line, []byte("[")), []byte("] "))
	if !found {
		return errNoEnvoyLine
	}
	at, err := time.Parse(time.RFC3339, string(when))
	if err != nil {
		return errNoEnvoyLine
	}
	all := words(rest)
	if len(all) < 2 || !all[0].quoted {
		return errNoEnvoyLine
	}
	if all[1].text == switchingProtocols {
		b.skip(webSocket)
		return nil
	}
	r := request{at: at}
	if agent, host, known := envoyClient(all[1:]); known {
		r.headers = headersOfValues(header{"User-Agent", agent})
		if host != "-" {
			b.noteHost(host)
		}
	}
	return b.addLine(all[0].text, r)
}

// envoyClient finds user agent and host: the second and the fourth of the first four texts in quotation marks that
// follow one another (address, user agent, request id, host).
func envoyClient(all []word) (agent, host string, known bool) {
	run := 0
	for i, w := range all {
		if !w.quoted {
			run = 0
			continue
		}
		run++
		if run == 4 {
			return all[i-2].text, all[i].text, true
		}
	}
	return "", "", false
}
