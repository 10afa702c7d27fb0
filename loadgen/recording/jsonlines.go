package recording

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// jsonLine takes a line that is a JSON object. A request that is neither GET nor HEAD is replayed only with its body,
// which may be empty: whether one was sent is not known without it.
func (b *builder) jsonLine(line []byte) error {
	if !gjson.ValidBytes(line) || line[0] != '{' {
		return errors.New("the line is not a JSON object")
	}
	var j jsonRequest
	object := gjson.ParseBytes(line)
	j.read(object, "")
	j.mapped(object, &b.fields)
	method, url := j.asked()
	switch {
	case !method.Exists() && !url.Exists():
		if err := wrapped(line); err != nil {
			return err
		}
		b.skip("line without method and URL, such as a message of the server about itself")
		return nil
	case method.Type != gjson.String:
		return b.noText(partMethod)
	case url.Type != gjson.String:
		return b.noText(partURL)
	}
	at, ok := jsonTime(j.found[partTime])
	if !ok {
		return b.noTime(j.found[partTime])
	}
	r := request{at: at, method: strings.ToUpper(method.Str), url: url.Str}
	var err error
	r.url, err = withQuery(url.Str, j.found[partQuery])
	if err != nil {
		return err
	}
	r.headers, err = b.jsonHeaders(&j)
	if err != nil {
		return err
	}
	if host := j.found[partHost]; host.Type == gjson.String && host.Str != "-" {
		b.noteHost(host.Str)
	}
	return b.addJSON(&r, &j)
}

// addJSON adds a request of a JSON line, if it can be replayed.
func (b *builder) addJSON(r *request, j *jsonRequest) error {
	body := j.found[partBody]
	known := body.Type == gjson.String && body.Str != "-" // what nginx writes for none
	if body.Type != gjson.String && body.Type != gjson.Null {
		return errors.New("the body is not a text")
	}
	if known {
		r.body = []byte(body.Str)
	}
	lack := r.lacksBody(-1)
	switch {
	case !isToken(r.method) || r.method == "-":
		b.skip(noRequest)
	case j.found[partStatus].String() == switchingProtocols:
		b.skip(webSocket)
	case !known && r.method != "GET" && r.method != "HEAD":
		b.skip(shortened(r.method) + noBody)
	case lack != "":
		b.skip(lack)
	default:
		return b.add(r)
	}
	return nil
}

// called is how a part is called in JSON lines: by the user's path, or by one of the usual names.
func (b *builder) called(p part) string {
	if path := b.fields[p]; path != nil {
		return path.String()
	}
	return strings.Join(jsonKeys[p], " or ")
}

// fieldsHint says what to do about JSON lines whose names are others.
const fieldsHint = "; the scenario's key fields says where else it is"

func (b *builder) noText(p part) error {
	return fmt.Errorf("there is no %s, or it is not a text%s", b.called(p), fieldsHint)
}

func (b *builder) noTime(found gjson.Result) error {
	if found.Type == gjson.Number {
		return fmt.Errorf("%.40s is not a time", found.Raw)
	}
	return fmt.Errorf("there is no %s that is RFC 3339, Unix time or as in the combined format%s", b.called(partTime),
		fieldsHint)
}

// withQuery is a URL with the query that stands apart from it in a log.
func withQuery(url string, query gjson.Result) (string, error) {
	if strings.Contains(url, "?") || !query.Exists() {
		return url, nil
	}
	switch {
	case query.IsObject() && len(query.Map()) == 0, query.IsArray() && len(query.Array()) == 0:
		return url, nil
	case query.Type == gjson.JSON:
		return "", errors.New("the query is not a text")
	}
	text := strings.TrimPrefix(textOf(query), "?")
	if text == "" || text == "-" {
		return url, nil
	}
	url, _, _ = strings.Cut(url, "#")
	return url + "?" + text, nil
}

// textOf is a value as the file has it.
func textOf(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	return v.Raw
}

// jsonHeaders are the headers of a request: an object of texts or of lists of texts, and those that have fields of
// their own. What a server has hidden in its log is not sent, and counted.
func (b *builder) jsonHeaders(j *jsonRequest) ([]header, error) {
	all, err := headersOf(j.found[partHeaders])
	if err != nil {
		return nil, err
	}
	r := request{headers: append(all, j.headers...)}
	for _, own := range []header{{"Referer", j.found[partReferer].Str}, {"User-Agent", j.found[partUserAgent].Str}} {
		if own.value != "" && own.value != "-" && !r.has(own.name) {
			r.headers = append(r.headers, own)
		}
	}
	return slices.DeleteFunc(r.headers, func(h header) bool {
		hidden := slices.Contains(redactions, h.value)
		if hidden && !b.replaced(h.name) {
			b.skip(fmt.Sprintf("header %.100q, whose value the log hides", h.name))
		}
		return hidden
	}), nil
}

// redactions are what Caddy, Traefik and pino write for a header's value that is secret.
var redactions = []string{"REDACTED", "[REDACTED]", "[Redacted]"}

// headersOf reads an object of texts, or of lists of texts.
func headersOf(object gjson.Result) (headers []header, err error) {
	if object.Type == gjson.Null {
		return nil, nil
	}
	if !object.IsObject() {
		return nil, errors.New("the headers are not an object")
	}
	object.ForEach(func(name, value gjson.Result) bool {
		values := []gjson.Result{value}
		if value.IsArray() {
			values = value.Array()
		}
		for _, v := range values {
			if v.Type == gjson.JSON || v.Type == gjson.Null {
				err = fmt.Errorf("the header %.100q is not a text", name.Str)
				return false
			}
			headers = append(headers, header{name.Str, textOf(v)})
		}
		return true
	})
	return headers, err
}

// From which number on a time is taken for Unix milliseconds, microseconds and nanoseconds, and not for seconds: the
// year 5138.
const (
	milliseconds = 1e11
	microseconds = 1e14
	nanoseconds  = 1e17
)

// textTimes are how logs write an instant as a text: RFC 3339, also with a zone as +0000 or +01 and with a blank in
// place of the T, as the combined format has it, and as Caddy's "wall" has it. Each may have a fraction of a second.
// One without a zone counts as UTC: only the distances count.
var textTimes = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", clfTime, "[" + clfTime + "]",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 Z0700",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006/01/02 15:04:05", "02/Jan/2006:15:04:05", time.RFC1123,
	time.RFC1123Z,
}

// jsonTime reads a text of [textTimes], or Unix seconds, milliseconds, microseconds or nanoseconds as a number or as a
// text.
func jsonTime(v gjson.Result) (at time.Time, ok bool) {
	if v.Type == gjson.String {
		for _, layout := range textTimes {
			if at, err := time.Parse(layout, v.Str); err == nil {
				return at, true
			}
		}
		if number := gjson.Parse(v.Str); number.Type == gjson.Number && gjson.Valid(v.Str) {
			v = number
		}
	}
	if v.Type != gjson.Number {
		return time.Time{}, false
	}
	if whole, err := strconv.ParseInt(v.Raw, 10, 64); err == nil { // of nanoseconds, a float64 loses some
		return unixTime(whole)
	}
	seconds := v.Num
	switch {
	case seconds >= nanoseconds:
		seconds /= 1e9
	case seconds >= microseconds:
		seconds /= 1e6
	case seconds >= milliseconds:
		seconds /= 1e3
	}
	if !(seconds > 0 && seconds < milliseconds) {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	const microsecond = 1e-6 // what a float64 can tell of today's seconds
	return time.Unix(int64(whole), int64(math.Round(part/microsecond))*int64(time.Microsecond)), true
}

// unixTime is a whole number of seconds, milliseconds, microseconds or nanoseconds since 1970, which its size tells.
func unixTime(n int64) (at time.Time, ok bool) {
	switch {
	case n <= 0:
		return at, false
	case n >= nanoseconds:
		return time.Unix(0, n), true
	case n >= microseconds:
		return time.UnixMicro(n), true
	case n >= milliseconds:
		return time.UnixMilli(n), true
	}
	return time.Unix(n, 0), true
}
