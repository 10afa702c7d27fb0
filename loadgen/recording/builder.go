package recording

import (
	"fmt"
	"maps"
	"math"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// request is a request as a file has it.
type request struct {
	at      time.Time // zero in a file without times
	method  string
	url     string // from the path on, or absolute
	headers []header
	body    []byte
}

type header struct{ name, value string }

// builder makes a Log of the requests of a file.
type builder struct {
	options Options
	entries []entry
	texts   texts
	names   names
	leftOut map[string]int // by reason
	hosts   []string       // that URLs name, in the order in which they come

	badLines int    // that were skipped
	firstBad string // where the first of them is, and what is wrong with it
	w3c      w3cHeader
	fields   [parts]scenarios.JSONPath // of JSON lines, where the user has said where they are

	untimed bool // of a HAR file without any timings: that an entry has none says nothing

	take  func(*request, *harEntry) // gets the requests of an HTTP Archive in place of add; may be nil
	taken int

	scratch []byte
}

func newBuilder(o Options) *builder {
	return &builder{
		options: o, texts: newTexts(), names: newNames(o.Name), leftOut: map[string]int{}, fields: pathsOf(&o.Fields),
	}
}

// skip counts a request of the file that is not replayed.
func (b *builder) skip(reason string) { b.leftOut[reason]++ }

// leftOutTexts are the reasons with their counts, the most frequent first.
func (b *builder) leftOutTexts() []string {
	reasons := slices.SortedFunc(maps.Keys(b.leftOut), func(x, y string) int {
		if d := b.leftOut[y] - b.leftOut[x]; d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d × %s", b.leftOut[reason], reason)
	}
	if b.badLines > 0 {
		reasons = append(reasons, fmt.Sprintf("%d × %s", b.badLines, b.firstBad))
	}
	return reasons
}

// add takes a request in, or counts why it cannot be replayed. An error is a fault of the file.
func (b *builder) add(r *request) error {
	method := slices.Index(methods, r.method)
	if method < 0 {
		b.skip(fmt.Sprintf("method %.20q, which is not replayed", r.method))
		return nil
	}
	to, fault := splitURL(r.url)
	if fault != "" {
		b.skip(fault)
		return nil
	}
	// The times of a file are to differ by less than 292 years, which a time.Duration can tell.
	if b.options.Format.Timed() && (r.at.Year() < 1970 || r.at.Year() > 2200) {
		return fmt.Errorf("the year %d is not of a recording", r.at.Year())
	}
	if i := slices.IndexFunc(r.headers, func(h header) bool { return !isHeader(h) }); i >= 0 {
		b.skip("a header that cannot be sent (a name that is none, or a control character)")
		return nil
	}
	if len(b.entries) == maxRequests {
		return tooLarge{fmt.Errorf("it has more than %d requests", maxRequests)}
	}
	b.noteHost(to.host)
	if to.authorization != "" && !r.has("Authorization") {
		r.headers = append(r.headers, header{"Authorization", to.authorization})
	}
	return b.append(r, uint8(method), to.target)
}

// get returns the first header of a name.
func (r *request) get(name string) (value string, ok bool) {
	for _, h := range r.headers {
		if strings.EqualFold(h.name, name) {
			return strings.TrimSpace(h.value), true
		}
	}
	return "", false
}

func (r *request) has(name string) bool {
	_, ok := r.get(name)
	return ok
}

// noBody is why a request is left out whose body the file does not have, behind its method.
const noBody = ", whose body the file does not have"

// lacksBody says why the body that the file has is not the one that was sent; empty when it may be. The length that the
// request's own header names counts before size, which is what the file says about it: negative when it is not known.
func (r *request) lacksBody(size int64) string {
	length, ok := r.get("Content-Length")
	if n, err := strconv.ParseInt(length, 10, 64); ok && err == nil {
		size = n
		if len(r.body) > 0 && n != int64(len(r.body)) {
			return shortened(r.method) + ", of whose body the file has another length than was sent"
		}
	}
	if size > 0 && len(r.body) == 0 {
		return shortened(r.method) + noBody
	}
	return ""
}

// append stores a request.
func (b *builder) append(r *request, method uint8, target string) (err error) {
	e := entry{method: method}
	if !r.at.IsZero() {
		e.at = r.at.UnixNano()
	}
	b.scratch = AppendTarget(b.scratch[:0], target, false)
	e.path, err = b.texts.add(b.scratch)
	if err != nil {
		return err
	}
	e.name = b.names.of(r.method, b.scratch)
	b.scratch = b.appendHeaders(b.scratch[:0], r.headers)
	e.headers, err = b.texts.add(b.scratch)
	if err != nil {
		return err
	}
	if len(r.body) > math.MaxInt32 {
		return fmt.Errorf("a body of %d bytes", len(r.body))
	}
	e.body, err = b.texts.add(r.body)
	if err != nil {
		return err
	}
	b.entries = append(b.entries, e)
	return nil
}

// noteHost remembers some of the hosts: they are all sent to one target, which the user should know.
func (b *builder) noteHost(host string) {
	const enough = 20
	host = host[strings.LastIndexByte(host, '@')+1:] // user and password are nobody's business
	if host != "" && len(b.hosts) < enough && !slices.Contains(b.hosts, host) {
		b.hosts = append(b.hosts, host)
	}
}

// notReplayed are headers of one connection or one hop (RFC 9110, section 7.6.1), those that the sender makes itself,
// and one that the vegeta engine takes for its own.
var notReplayed = []string{
	"Host", "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade",
	"Http2-Settings", "Proxy-Authenticate", "Proxy-Authorization", "Expect", "X-Vegeta-Seq",
}

// appendHeaders appends a request's headers as Log.Headers has them. HTTP/2 may split the cookies among several
// headers, HTTP/1.1 must not (RFC 9113, section 8.2.3).
func (b *builder) appendHeaders(dst []byte, headers []header) []byte {
	var cookies []string
	agent := false
	for _, h := range headers {
		name := textproto.CanonicalMIMEHeaderKey(h.name)
		if strings.HasPrefix(name, ":") || slices.Contains(notReplayed, name) || b.replaced(name) {
			continue
		}
		value := strings.Trim(h.value, " \t")
		switch name {
		case "Cookie":
			cookies = append(cookies, value)
			continue
		case "User-Agent":
			if agent || value == "" { // the first counts, and an empty one is none
				continue
			}
			agent = true
		}
		dst = appendHeader(dst, name, value)
	}
	if len(cookies) > 0 {
		dst = appendHeader(dst, "Cookie", strings.Join(cookies, "; "))
	}
	if !agent && !b.replaced("User-Agent") {
		dst = appendHeader(dst, "User-Agent", "headroom")
	}
	return dst
}

func (b *builder) replaced(name string) bool {
	return slices.ContainsFunc(b.options.Replaced, func(other string) bool { return strings.EqualFold(other, name) })
}

func appendHeader(dst []byte, name, value string) []byte {
	dst = append(append(dst, "\r\n"...), name...)
	return append(append(dst, ": "...), value...)
}

// isHeader reports whether a header can be sent, or is one of the pseudo-headers of HTTP/2, which are not.
func isHeader(h header) bool {
	control := strings.ContainsFunc(h.value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
	return !control && (strings.HasPrefix(h.name, ":") || isToken(h.name))
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s,
		func(c rune) bool { return !isLetterOrDigit(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", c) })
}

func isLetterOrDigit(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
