package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/scenarios"
)

var errUnknownFormat = errors.New("its content does not tell its format for certain: give the scenario a format, " +
	"which is combined, json-lines, har, vegeta-json, aws-alb, w3c, haproxy, envoy or urls")

// detect tells the format by the beginning of a file, where that is certain.
func (s *source) detect(o *Options) (scenarios.RecordingFormat, error) {
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
	for _, path := range pathsOf(&o.Fields) {
		if path != nil {
			return scenarios.RecordedJSONLines, nil // no other format has such fields
		}
	}
	if text[0] == '{' {
		return detectJSON(text[1:], line)
	}
	for _, log := range otherLogs {
		if log.pattern.Match(line) {
			return log.format, nil
		}
	}
	if isURLLine(firstURLLine(text)) {
		return scenarios.URLs, nil
	}
	if err := newBuilder(Options{}).combined(line); err == nil {
		return scenarios.Combined, nil
	} else if !errors.Is(err, errNotCombined) {
		return "", err
	}
	if text[0] == '[' {
		return "", errors.New("it is a JSON array, and a log has an object on each line: jq -c '.[]' FILE")
	}
	return "", errUnknownFormat
}

// detectJSON tells the format of a file whose first line begins an object; inside is what follows the brace.
func detectJSON(inside, line []byte) (scenarios.RecordingFormat, error) {
	if err := wrapped(line); err != nil {
		return "", err
	}
	if bytes.HasPrefix(bytes.TrimSpace(inside), []byte(`"log"`)) {
		return scenarios.HAR, nil
	}
	if !gjson.ValidBytes(line) {
		return "", errUnknownFormat
	}
	fields := gjson.ParseBytes(line)
	var j jsonRequest
	j.read(fields, "")
	method, url := j.asked()
	switch {
	case j.has(partTime) && method.Exists() && url.Exists():
		return scenarios.RecordedJSONLines, nil
	case !j.has(partTime) && fields.Get("method").Exists() && fields.Get("url").Exists():
		return scenarios.VegetaJSON, nil
	}
	return "", errUnknownFormat
}

// wrapped is the fault of a line that is one of another program's log around the server's; nil for another line.
func wrapped(line []byte) error {
	if !gjson.ValidBytes(line) {
		return nil
	}
	fields := gjson.ParseBytes(line)
	switch {
	case fields.Get("log").Type == gjson.String && fields.Get("stream").Exists():
		return errors.New("it is the log that Docker keeps of a container, with a line of the service inside each of " +
			"its own: docker logs CONTAINER > access.log, or jq -j .log FILE")
	case fields.Get("MESSAGE").Exists() && fields.Get("__REALTIME_TIMESTAMP").Exists():
		return errors.New("it is a journal of systemd, with a line of the service inside each of its own: journalctl " +
			"-u UNIT -o cat > access.log")
	}
	return nil
}

// otherLogs are the formats of access logs besides the combined one, by what tells their lines from others.
var otherLogs = []struct {
	pattern *regexp.Regexp
	format  scenarios.RecordingFormat
}{
	{regexp.MustCompile(`^(https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT\S+ \S+ \S+ `), scenarios.LoadBalancerLog},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+Z \S+ [\d.]+:\d+ \S+ -?[\d.]+ -?[\d.]+ -?[\d.]+ `), scenarios.LoadBalancerLog},
	{
		regexp.MustCompile(`\[\d\d/\w{3}/\d{4}:[\d:]{8}\.\d{3}\] \S+ \S+/\S+ -?\d+/`),
		scenarios.HAProxyLog,
	},
	{regexp.MustCompile(`^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] "`), scenarios.EnvoyLog},
	{regexp.MustCompile(`^#(Software|Version|Fields|Date):`), scenarios.W3C},
}

// notCombined is the fault of a line that is not of the combined format: where it can be told, what it is of.
func notCombined(line []byte) error {
	if line[0] == '{' {
		if err := wrapped(line); err != nil {
			return err
		}
	}
	for _, log := range otherLogs {
		if log.pattern.Match(line) {
			return fmt.Errorf("the line is of the format %s: give the scenario that format", log.format)
		}
	}
	return errNotCombined
}
