package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// target takes a line of a target file in vegeta's JSON format, which has no times.
func (b *builder) target(line []byte) error {
	var t struct {
		Method string              `json:"method"`
		URL    string              `json:"url"`
		Body   []byte              `json:"body"` // in base64
		Header map[string][]string `json:"header"`
	}
	if err := json.Unmarshal(line, &t); err != nil {
		return fmt.Errorf("the line is not a target of vegeta's JSON format: %w", err)
	}
	if t.Method == "" || t.URL == "" {
		return errors.New("the target has no method or no url")
	}
	r := request{method: t.Method, url: t.URL, body: t.Body}
	for _, name := range slices.Sorted(maps.Keys(t.Header)) {
		for _, value := range t.Header[name] {
			r.headers = append(r.headers, header{name, value})
		}
	}
	return b.add(&r)
}
