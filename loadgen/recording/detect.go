package recording

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/scenarios"
)

var errUnknownFormat = errors.New("its content does not tell its format for certain: give the scenario a format, which is combined, json-lines, har or vegeta-json")

// detect tells the format by the beginning of a file, where that is certain.
func (s *source) detect() (scenarios.RecordingFormat, error) {
	in, err := s.open()
	if err != nil {
		return "", err
	}
	beginning := make([]byte, 64<<10)
	n, err := io.ReadFull(in, beginning)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	text := bytes.TrimSpace(beginning[:n])
	if len(text) == 0 {
		return "", errors.New("it is empty")
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSpace(line)
	if text[0] != '{' {
		if newBuilder(Options{}).combined(line) == nil {
			return scenarios.Combined, nil
		}
		return "", errUnknownFormat
	}
	if inside := bytes.TrimSpace(text[1:]); bytes.HasPrefix(inside, []byte(`"log"`)) {
		return scenarios.HAR, nil
	}
	if !gjson.ValidBytes(line) {
		return "", errUnknownFormat
	}
	fields := gjson.ParseBytes(line).Map()
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return fields[name].Exists() })
	}
	switch {
	case has(jsonKeys.time...) && has(jsonKeys.method...) && has(jsonKeys.url...):
		return scenarios.RecordedJSONLines, nil
	case !has(jsonKeys.time...) && has("method") && has("url"):
		return scenarios.VegetaJSON, nil
	}
	return "", errUnknownFormat
}
