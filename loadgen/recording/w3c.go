package recording

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// w3cHeader is what the directives of a log say of the lines that follow.
type w3cHeader struct {
	fields []string
	date   string // of the lines that have a time alone
}

var errNoFields = errors.New("the line comes before a line #Fields:, which says what the lines have; add the one " +
	"with which the log begins")

// w3cLine takes a line of a log in the extended log format of the W3C (https://www.w3.org/TR/WD-logfile.html), as IIS
// (https://learn.microsoft.com/windows/win32/http/w3c-logging) and CloudFront
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html) write it. Times are
// UTC.
func (b *builder) w3cLine(line []byte) error {
	text := string(line)
	if directive, isDirective := strings.CutPrefix(text, "#"); isDirective {
		name, value, _ := strings.Cut(directive, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "Fields":
			b.w3c.fields = strings.Fields(value)
		case "Date":
			b.w3c.date, _, _ = strings.Cut(value, " ")
		}
		return nil
	}
	if len(b.w3c.fields) == 0 {
		return errNoFields
	}
	values, plain := strings.Fields(text), plusAsBlank
	if strings.Contains(text, "\t") { // of CloudFront, whose values have no blanks
		values, plain = strings.Split(text, "\t"), percentDecoded
	}
	if len(values) != len(b.w3c.fields) {
		return fmt.Errorf("the line has %d values, and #Fields: names %d", len(values), len(b.w3c.fields))
	}
	get := func(names ...string) string {
		for _, name := range names {
			for i, field := range b.w3c.fields {
				if strings.EqualFold(field, name) && values[i] != "-" {
					return values[i]
				}
			}
		}
		return ""
	}
	r, err := b.w3cRequest(get)
	if err != nil {
		return err
	}
	r.headers = headersOfValues(header{"Referer", plain(get("cs(Referer)"))},
		header{"User-Agent", plain(get("cs(User-Agent)"))}, header{"Cookie", plain(get("cs(Cookie)"))})
	return b.addW3C(r, get)
}

// w3cRequest is the request of a line without its headers. get returns the first of the named values that is there.
func (b *builder) w3cRequest(get func(names ...string) string) (r request, err error) {
	date := get("date")
	if date == "" {
		date = b.w3c.date
	}
	r.at, err = time.Parse("2006-01-02 15:04:05", date+" "+get("time"))
	if err != nil {
		return r, fmt.Errorf("the line has no date and time as in 2006-01-02 and 15:04:05: %.40q and %.40q", date,
			get("time"))
	}
	r.method, r.url = get("cs-method"), get("cs-uri-stem", "cs-uri")
	if query := get("cs-uri-query"); query != "" && r.url != "" {
		r.url += "?" + query
	}
	return r, nil
}

func (b *builder) addW3C(r request, get func(names ...string) string) error {
	switch {
	case r.method == "" || r.url == "":
		b.skip(noRequest)
		return nil
	case get("sc-status") == switchingProtocols:
		b.skip(webSocket)
		return nil
	case r.method != "GET" && r.method != "HEAD":
		b.skip(shortened(r.method) + noBody)
		return nil
	}
	b.noteHost(get("x-host-header", "cs-host", "cs(Host)"))
	return b.add(&r)
}

// plusAsBlank is a value of IIS, which writes a blank as "+".
func plusAsBlank(s string) string { return strings.ReplaceAll(s, "+", " ") }

// percentDecoded is a value of CloudFront, which percent-encodes blanks and some signs, and what is encoded already
// once more.
func percentDecoded(s string) string {
	for range 2 {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return s
		}
		s = decoded
	}
	return s
}
