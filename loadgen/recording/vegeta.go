package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Target is a target of vegeta's JSON format.
type Target struct {
	Method string              `json:"method"`
	URL    string              `json:"url"`
	Body   []byte              `json:"body"` // in base64
	Header map[string][]string `json:"header"`
}

// ParseTarget reads a line of a target file in vegeta's JSON format: one object. What is in it beyond method, url, body
// and header is an error, and not passed over as vegeta does.
func ParseTarget(line []byte) (t Target, err error) {
	if bytes.HasPrefix(line, []byte("[")) {
		return t, errors.New("the line begins a JSON array, and a target is an object on a line of its own: jq -c " +
			"'.[]' FILE")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err = d.Decode(&t)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return t, targetFault(err)
	}
	if t.Method == "" || t.URL == "" {
		return t, errors.New("the target has no method or no url")
	}
	return t, nil
}

// targetFault says in words what is wrong with a target.
func targetFault(err error) error {
	const not = "the line is not a target of vegeta's JSON format"
	var kind *json.UnmarshalTypeError
	switch text := err.Error(); {
	case strings.Contains(text, "illegal base64"), errors.As(err, &kind) && kind.Field == "body":
		return fmt.Errorf("%s: its body must be in base64 (aGVsbG8= is hello)", not)
	case strings.Contains(text, "unknown field"):
		return fmt.Errorf("%s: %w; there are method, url, body and header", not, err)
	case errors.As(err, &kind) && strings.HasPrefix(kind.Field, "header"):
		return fmt.Errorf(`%s: its header must be an object of lists, {"X-Name": ["value"]}`, not)
	}
	return fmt.Errorf("%s: %w", not, err)
}

// target takes a line of a target file in vegeta's JSON format, which has no times.
func (b *builder) target(line []byte) error {
	t, err := ParseTarget(line)
	if err != nil {
		return err
	}
	r := request{method: t.Method, url: t.URL, body: t.Body}
	for _, name := range slices.Sorted(maps.Keys(t.Header)) {
		for _, value := range t.Header[name] {
			r.headers = append(r.headers, header{name, value})
		}
	}
	return b.add(&r)
}
