package recording

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/scenarios"
)

// harEntry is what is taken of an entry of an HTTP Archive 1.2.
type harEntry struct {
	StartedDateTime string
	Request         struct {
		Method, URL string
		HTTPVersion json.RawMessage
		Headers     []struct{ Name, Value string }
		PostData    *harPost
		BodySize    json.RawMessage
	}
	Response harResponse
	harOrigin
}

type harPost struct {
	MimeType, Text, Encoding, Comment string
	Params                            []harParam
	File                              string `json:"_file"` // of Playwright: where the text is
	SHA1                              string `json:"_sha1"`
}

type harParam struct{ Name, Value, FileName, ContentType string }

// Sent is a request of an HTTP Archive that was sent over the network.
type Sent struct {
	Method, URL string
	Version     string      // of HTTP, as the file has it: "h2", "http/1.1"
	Headers     [][2]string // names and values, as the file has them
	Body        []byte
	Parts       []Part   // of a form with several, whose bytes the file does not have
	SetCookies  []string // names of the cookies that the answer set
}

// Part is a part of a form.
type Part struct{ Name, Value, FileName, ContentType string }

// ReadArchive gives the requests of an HTTP Archive to take, in the order of the file, and says what of it is left out
// and why, as [Log.LeftOut] does. An error names the file, the line and the entry.
func ReadArchive(in io.ReadSeeker, file string, take func(Sent)) (leftOut []string, err error) {
	b := newBuilder(Options{Format: scenarios.HAR})
	b.take = func(r *request, e *harEntry) {
		sent := Sent{
			Method: r.method, URL: r.url, Body: r.body, Version: gjson.ParseBytes(e.Request.HTTPVersion).Str,
			SetCookies: e.Response.setCookies(),
		}
		if e.isForm() {
			for _, p := range e.Request.PostData.Params {
				sent.Parts = append(sent.Parts, Part(p))
			}
		}
		for _, h := range r.headers {
			sent.Headers = append(sent.Headers, [2]string{h.name, h.value})
		}
		take(sent)
	}
	if err := b.readHAR(&source{in}, file); err != nil {
		return nil, err
	}
	return b.leftOutTexts(), nil
}

// readHAR reads an HTTP Archive, one entry after the other.
func (b *builder) readHAR(s *source, file string) error {
	if err := b.readEntries(s, file); err != nil {
		return err
	}
	// The program that wrote it may write none at all.
	if len(b.entries) == 0 && b.taken == 0 && b.leftOut[withoutTimings] > 0 {
		again := newBuilder(b.options)
		again.untimed, again.take = true, b.take
		*b = *again
		return b.readEntries(s, file)
	}
	return nil
}

func (b *builder) readEntries(s *source, file string) error {
	in, err := s.open()
	if err != nil {
		return fmt.Errorf("%s:1: %w", file, err)
	}
	d := json.NewDecoder(in)
	number, begun := 0, int64(0)
	err = enterEntries(d)
	for err == nil && d.More() {
		number++
		begun = d.InputOffset()
		var e harEntry
		err = d.Decode(&e)
		if err == nil {
			err = b.addEntry(&e)
		}
	}
	if err == nil {
		begun = d.InputOffset()
		_, err = d.Token() // the end of the list
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s:%d: entry %d: %w", file, s.lineAt(begun), max(1, number), err)
}

// enterEntries goes to the list of entries.
func enterEntries(d *json.Decoder) error {
	for _, name := range []string{"log", "entries"} {
		if err := expect(d, '{'); err != nil {
			return err
		}
		for {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if key == json.Delim('}') {
				return fmt.Errorf("it is not an HTTP Archive: there is no %q", name)
			}
			if key == name {
				break
			}
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return err
			}
		}
	}
	return expect(d, '[')
}

func expect(d *json.Decoder, delim json.Delim) error {
	t, err := d.Token()
	if err == nil && t != delim {
		err = fmt.Errorf("it is not an HTTP Archive: there is no %q", delim.String())
	}
	return err
}

// lineAt is the number of the line in which the entry lies that follows an offset.
func (s *source) lineAt(offset int64) int {
	line := 1
	in, err := s.open()
	if err != nil {
		return line
	}
	block := make([]byte, 64<<10)
	for {
		n, err := in.Read(block)
		here := min(int64(n), offset)
		line += bytes.Count(block[:here], []byte("\n"))
		offset -= here
		if offset == 0 && here < int64(n) {
			between := block[here:n]
			return line + bytes.Count(between[:len(between)-len(bytes.TrimLeft(between, ", \r\n\t"))], []byte("\n"))
		}
		if err != nil {
			return line
		}
	}
}

func (b *builder) addEntry(e *harEntry) error {
	if reason := e.unsent(); reason != "" && !(b.untimed && reason == withoutTimings) {
		b.skip(reason)
		return nil
	}
	at, err := time.Parse(time.RFC3339, e.StartedDateTime)
	if err != nil && b.take == nil { // without a replay no time is needed
		return fmt.Errorf("startedDateTime %.40q is not a time", e.StartedDateTime)
	}
	if e.Request.Method == "" || e.Request.URL == "" {
		return errors.New("it has no request with a method and a url")
	}
	r := request{at: at, method: harMethod(e.Request.Method), url: e.Request.URL}
	for _, h := range e.Request.Headers {
		r.headers = append(r.headers, header{h.Name, h.Value})
	}
	reason := e.body(&r)
	if reason != "" && (b.take == nil || !e.isForm()) {
		b.skip(reason)
		return nil
	}
	if b.take != nil {
		b.taken++
		b.take(&r, e)
		return nil
	}
	return b.add(&r)
}

// isForm reports whether what is posted is a form with several parts that the file has, but not as bytes.
func (e *harEntry) isForm() bool {
	p := e.Request.PostData
	return p != nil && p.Text == "" && len(p.Params) > 0 && strings.HasPrefix(p.MimeType, "multipart/form-data")
}

// setCookies are the names of the cookies that a response sets.
func (r *harResponse) setCookies() (names []string) {
	for _, h := range gjson.ParseBytes(r.Headers).Array() {
		if !strings.EqualFold(h.Get("name").Str, "Set-Cookie") {
			continue
		}
		for line := range strings.Lines(h.Get("value").Str) { // Chromium puts several into one
			name, _, found := strings.Cut(strings.TrimSpace(line), "=")
			if found && name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// harMethod is a method as browsers send it, which write some of them as pages do (Fetch standard, "normalize a
// method").
func harMethod(method string) string {
	if upper := strings.ToUpper(method); slices.Contains([]string{"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"},
		upper) {
		return upper
	}
	return method
}

// body gives the request its body, or says why it is not known.
func (e *harEntry) body(r *request) (lack string) {
	size := int64(0)
	if n := gjson.ParseBytes(e.Request.BodySize); n.Type == gjson.Number {
		size = n.Int()
	}
	post := e.Request.PostData
	if post == nil {
		post = &harPost{}
		if size < 0 && !r.has("Content-Length") && slices.Contains([]string{"POST", "PUT", "PATCH"}, r.method) {
			return r.method + noBody // -1 is "not known"
		}
	}
	body, lack := post.body()
	if lack != "" {
		return lack
	}
	r.body = body
	if post.Text == "" && len(post.Params) > 0 {
		return "" // a form that was put together again: it says the same in other bytes
	}
	if len(body) == 0 && (post.File != "" || post.SHA1 != "" || post.Comment != "") {
		size = max(size, 1)
	}
	return r.lacksBody(size)
}

// body is what was posted. A form may be there by its parameters alone.
func (p *harPost) body() (body []byte, lack string) {
	if strings.EqualFold(p.Encoding, "base64") {
		body, err := base64.StdEncoding.DecodeString(p.Text)
		if err != nil {
			return nil, "body that is said to be base64, and is not"
		}
		return body, ""
	}
	if p.Text != "" || len(p.Params) == 0 {
		return []byte(p.Text), ""
	}
	if !strings.HasPrefix(p.MimeType, "application/x-www-form-urlencoded") {
		return nil, "a form with several parts, whose bytes the file does not have"
	}
	for i, param := range p.Params {
		if i > 0 {
			body = append(body, '&')
		}
		body = append(body, formText(param.Name)+"="+formText(param.Value)...)
	}
	return body, ""
}

// formText encodes a name or value of a form. Some programs write them encoded already.
func formText(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil && url.QueryEscape(plain) == s {
		return s
	}
	return url.QueryEscape(s)
}
