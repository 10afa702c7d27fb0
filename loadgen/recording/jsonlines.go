package recording

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// jsonKeys are the names that the parts of a request have in JSON lines; of several in one line the first counts.
var jsonKeys = struct{ time, method, url, body, headers []string }{
	time:    []string{"time", "ts", "timestamp", "@timestamp"},
	method:  []string{"method", "request_method"},
	url:     []string{"path", "uri", "request_uri", "url"},
	body:    []string{"body", "request_body"},
	headers: []string{"headers", "request_headers"},
}

// jsonLine takes a line that is a JSON object. A request that is neither GET nor HEAD is replayed only with its body, which
// may be empty: whether one was sent is not known without it.
func (b *builder) jsonLine(line []byte) error {
	if !gjson.ValidBytes(line) || line[0] != '{' {
		return errors.New("the line is not a JSON object")
	}
	fields := gjson.ParseBytes(line)
	find := func(names []string) (found gjson.Result) {
		best := len(names)
		fields.ForEach(func(key, value gjson.Result) bool {
			if i := slices.Index(names, key.Str); i >= 0 && i < best {
				found, best = value, i
			}
			return true
		})
		return found
	}
	when, method, url, body := find(jsonKeys.time), find(jsonKeys.method), find(jsonKeys.url), find(jsonKeys.body)
	r := request{method: method.String(), url: url.String(), body: []byte(body.String())}
	var err error
	if r.at, err = jsonTime(when); err != nil {
		return err
	}
	if method.Type != gjson.String {
		return fmt.Errorf("there is no %s, or it is not a text", strings.Join(jsonKeys.method, " or "))
	}
	if url.Type != gjson.String {
		return fmt.Errorf("there is no %s, or it is not a text", strings.Join(jsonKeys.url, " or "))
	}
	if body.Type != gjson.String && body.Type != gjson.Null {
		return errors.New("the body is not a text")
	}
	if body.Type == gjson.Null && r.method != "GET" && r.method != "HEAD" {
		b.skip(shortened(r.method) + noBody)
		return nil
	}
	if r.headers, err = jsonHeaders(find(jsonKeys.headers)); err != nil {
		return err
	}
	return b.add(&r)
}

// jsonHeaders reads an object of texts, or of lists of texts.
func jsonHeaders(object gjson.Result) (headers []header, err error) {
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
			headers = append(headers, header{name.Str, v.String()})
		}
		return true
	})
	return headers, err
}

// milliseconds is the number from which on a time is taken for Unix milliseconds, and not seconds: the year 5138.
const milliseconds = 1e11

// jsonTime reads RFC 3339, or Unix seconds or milliseconds as a number or as a text.
func jsonTime(v gjson.Result) (time.Time, error) {
	if v.Type == gjson.String {
		if at, err := time.Parse(time.RFC3339, v.Str); err == nil {
			return at, nil
		}
		if number := gjson.Parse(v.Str); number.Type == gjson.Number && gjson.Valid(v.Str) {
			v = number
		}
	}
	if v.Type != gjson.Number {
		return time.Time{}, fmt.Errorf("there is no %s that is RFC 3339 or Unix seconds", strings.Join(jsonKeys.time, " or "))
	}
	seconds := v.Num
	if seconds >= milliseconds {
		seconds /= 1000
	}
	if !(seconds > 0 && seconds < milliseconds) {
		return time.Time{}, fmt.Errorf("%s is not a time", v.Raw)
	}
	whole, part := math.Modf(seconds)
	const microsecond = 1e-6 // what a float64 can tell of today's seconds
	return time.Unix(int64(whole), int64(math.Round(part/microsecond))*int64(time.Microsecond)), nil
}
