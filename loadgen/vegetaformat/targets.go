// Package vegetaformat reads vegeta's target files, sends what they name and writes vegeta's result files.
package vegetaformat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/net/http/httpguts"

	"github.com/policycortex/headroom/loadgen/recording"
)

// maxTargetLine bounds a line of a target file, in bytes.
const maxTargetLine = 16 << 20

// ReadTargets reads a vegeta target file, in the format "http" or "json", which may be compressed by gzip. body is that
// of targets that have none of their own, headers are those of all of them. An error begins with name and line:
// "targets.txt:3: ...". What vegeta reads it reads alike, with these exceptions: what vegeta would send as something
// else than is written there, or not at all, is an error; a target needs no blank line before it; and the last line
// needs no end.
func ReadTargets(r io.Reader, name, format string, body []byte, headers http.Header) ([]vegeta.Target, error) {
	t := &targetReader{name: name, body: body, headers: headers}
	var take func(line string) error
	switch format {
	case vegeta.HTTPTargetFormat:
		take = t.httpLine
	case vegeta.JSONTargetFormat:
		take = t.jsonLine
	default:
		return nil, fmt.Errorf("there is no target format %q: write http or json", format)
	}
	in, err := recording.Text(r)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxTargetLine)
	number := 1
	for ; lines.Scan() && lines.Err() == nil; number++ {
		if err := take(strings.TrimSpace(lines.Text())); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, number, err)
	}
	if len(t.targets) == 0 {
		return nil, fmt.Errorf("%s:1: there are no targets", name)
	}
	return t.targets, nil
}

// targetReader makes targets of the lines of a file.
type targetReader struct {
	name    string
	body    []byte
	headers http.Header
	targets []vegeta.Target
	open    bool // in the format http: the last target may have more lines
}

func (t *targetReader) jsonLine(line string) error {
	if line == "" {
		return nil
	}
	target, err := recording.ParseTarget([]byte(line))
	if err != nil {
		return err
	}
	if err := t.add(target.Method, target.URL); err != nil {
		return err
	}
	last := &t.targets[len(t.targets)-1]
	if len(target.Body) > 0 {
		last.Body = target.Body
	}
	for name, values := range target.Header {
		for _, value := range values {
			if err := addHeader(last.Header, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// httpLine takes a line of a file such as the following. Its errors do not quote the line: it may be a header with a
// secret that is written wrongly.
//
//	# a comment
//	POST http://127.0.0.1:8080/items
//	Content-Type: application/json
//	@item.json
func (t *targetReader) httpLine(line string) error {
	switch {
	case line == "":
		t.open = false
	case line[0] == '#':
	case isTarget(line) || !t.open:
		t.open = true
		return t.httpTarget(line)
	case line[0] == '@': // the body, which ends the target
		t.open = false
		body, err := os.ReadFile(line[1:])
		if err != nil {
			return fmt.Errorf("read the target's body: %w", err)
		}
		t.targets[len(t.targets)-1].Body = body
	default:
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			return errors.New("the line is neither a header, as in \"Name: value\", nor the body's file, as in " +
				"@body.json, nor a target, as in \"GET http://127.0.0.1/\"")
		}
		return addHeader(t.targets[len(t.targets)-1].Header, name, value)
	}
	return nil
}

var targetLine = regexp.MustCompile(`^[A-Z]+\s+[^:\s]+://`)

// isTarget reports whether a line begins another target, and is no header of the last one.
func isTarget(line string) bool { return targetLine.MatchString(line) }

func (t *targetReader) httpTarget(line string) error {
	words := strings.Fields(line)
	switch {
	case line[0] == '{' || line[0] == '[':
		return errors.New("it is JSON, not a target of the format http: use -format json")
	case len(words) < 2:
		return errors.New("the line is no target: write a method and a URL, as in \"GET http://127.0.0.1/\"")
	case len(words) == 3 && strings.HasPrefix(words[2], "HTTP/"):
		return fmt.Errorf("%q stands behind the URL: leave it out, which version is spoken is found out with "+
			"the server", words[2])
	case len(words) > 2:
		return errors.New("the URL has a blank: write %20")
	}
	if !allCapitals(words[0]) {
		return errors.New("the line is no target: it begins with the method in capitals, as in \"GET " +
			"http://127.0.0.1/\"")
	}
	return t.add(words[0], words[1])
}

func allCapitals(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool { return c < 'A' || c > 'Z' })
}

// add appends a target that can be sent.
func (t *targetReader) add(method, address string) error {
	if !httpguts.ValidHeaderFieldName(method) { // a token, too
		return errors.New("the method is none: write it as GET")
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the URL cannot be parsed") // net/url's words may have a part of its password
	}
	if u.Host != "" && u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the URL has the scheme %.40s, and must have http or https", u.Scheme)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the URL is not absolute: write it as http://127.0.0.1:8080/path")
	}
	headers := http.Header{}
	for name, values := range t.headers {
		headers[name] = slices.Clone(values)
	}
	t.targets = append(t.targets, vegeta.Target{Method: method, URL: address, Body: t.body, Header: headers})
	return nil
}

// addHeader adds a header as it is written: vegeta keeps capitals and small letters.
func addHeader(to http.Header, name, value string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return errors.New("what stands before the colon is no name of a header")
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("the header %s has a control character", name)
	}
	to[name] = append(to[name], value)
	return nil
}
