package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Recording is a file of recorded traffic that executor replay sends again. What it holds is known when it has been
// read: see [Plan.Recorded].
type Recording struct {
	File           string          // as written: relative to the scenario file
	Format         RecordingFormat // empty: found out from the content
	Speed          float64         // by which the original timing is divided
	Name           string          // of all its requests; empty: made from method and path
	Fields         RecordedFields  // of JSON lines
	SkipBadLines   bool            // leave out lines that cannot be read, and count them
	Headers        []Header        // on all its requests, in place of those of the file
	ExpectedStatus []int           // empty: any status from 200 to 399
	Timeout        time.Duration
	Line, Column   int // of its key file; 0 when an override or an included file gave it
}

// RecordingFormat is how recorded traffic is written.
type RecordingFormat string

// The formats of recordings.
const (
	Combined          RecordingFormat = "combined"    // an access log of Apache or nginx
	RecordedJSONLines RecordingFormat = "json-lines"  // an access log of a JSON object a line
	HAR               RecordingFormat = "har"         // HTTP Archive 1.2
	VegetaJSON        RecordingFormat = "vegeta-json" // vegeta's targets, which have no times
	LoadBalancerLog   RecordingFormat = "aws-alb"     // an access log of an AWS load balancer
	W3C               RecordingFormat = "w3c"         // the extended log format of W3C, as IIS and CloudFront write it
	HAProxyLog        RecordingFormat = "haproxy"     // HAProxy's HTTP log
	EnvoyLog          RecordingFormat = "envoy"       // Envoy's default access log
	URLs              RecordingFormat = "urls"        // a URL or path a line, which have no times
)

var recordingFormats = []string{
	string(Combined), string(RecordedJSONLines), string(HAR), string(VegetaJSON), string(LoadBalancerLog), string(W3C),
	string(HAProxyLog), string(EnvoyLog), string(URLs),
}

// Timed reports whether files of the format say when each request was sent.
func (f RecordingFormat) Timed() bool { return f != VegetaJSON && f != URLs }

// RecordedFields are where JSON lines have the parts of a request. A part without a path is found by the names that
// servers give it.
type RecordedFields struct{ Time, Method, URL, Query, Body, Headers, UserAgent, Referer JSONPath }

var recordedFieldsShape = &shape{keys: []key{
	{"time", value},
	{"method", value},
	{"url", value},
	{"query", value},
	{"body", value},
	{"headers", value},
	{"userAgent", value},
	{"referer", value},
}}

// maxSpeed bounds the factor of a replay's timing.
const maxSpeed = 1000

// replay reads a load of executor replay.
func (r *reader) replay(n *node) Replay {
	load := Replay{
		Recording: Recording{Speed: 1, Timeout: defaultTimeout},
		MaxVUs:    int(r.whole(n.get("maxVUs"), defaultMaxVUs, 1, maxUsers)),
	}
	rec := &load.Recording
	r.recordingFile(n, rec)
	rec.Format = RecordingFormat(r.word(n.get("format"), "", recordingFormats))
	if speed := n.get("speed"); speed != nil {
		rec.Speed, _ = r.positive(speed, maxSpeed)
	}
	load.Rate = r.recordingRate(n, rec.Format)
	load.Repeat = r.repeat(n, load.Rate)
	rec.Fields = r.recordedFields(n.get("fields"), rec.Format)
	rec.SkipBadLines = r.flag(n.get("skipBadLines"))
	if name := n.get("name"); given(name) && r.name(name.at, "the request", name.text) {
		rec.Name = name.text
	}
	rec.Headers = r.shared.headers
	r.calling = false // it is of HTTP, whatever the request before it is
	rec.ExpectedStatus = r.statuses(n.get("expectedStatus"))
	if timeout := n.get("timeout"); timeout != nil {
		rec.Timeout, _ = r.positiveDuration(timeout)
	}
	if requests := n.get("requests"); requests != nil {
		r.faultAt(requests.keyAt, "remove it", "%s: what executor %s sends, its file says", requests.path,
			load.Executor())
	}
	return load
}

// repeat reads how long a file without times is sent again and again; 0: once.
func (r *reader) repeat(n *node, rate float64) time.Duration {
	duration := n.get("duration")
	if duration == nil {
		return 0
	}
	if n.get("rate") == nil {
		r.faultAt(duration.keyAt, "a file with times takes as long as they say; for one without, add rate: 100",
			"%s goes with rate only", duration.path)
		return 0
	}
	d, _ := r.positiveDuration(duration)
	return d
}

// recordedFields reads where JSON lines have the parts of a request.
func (r *reader) recordedFields(n *node, format RecordingFormat) (f RecordedFields) {
	if n == nil {
		return f
	}
	if format != "" && format != RecordedJSONLines {
		r.faultAt(n.keyAt, "remove it", "%s goes with the format %s only", n.path, RecordedJSONLines)
	}
	for name, path := range map[string]*JSONPath{
		"time": &f.Time, "method": &f.Method, "url": &f.URL, "query": &f.Query, "body": &f.Body,
		"headers": &f.Headers, "userAgent": &f.UserAgent, "referer": &f.Referer,
	} {
		*path = r.jsonPath(n.get(name))
	}
	return f
}

func (r *reader) recordingFile(n *node, rec *Recording) {
	file := n.get("file")
	if file == nil {
		r.missing(n, "file", "file: access.log")
		return
	}
	if file.keyAt.override == "" && file.keyAt.file == "" {
		rec.Line, rec.Column = file.keyAt.line, file.keyAt.column
	}
	if given(file) {
		rec.File = r.beside(file)
	}
	if given(file) && strings.TrimSpace(file.text) == "" {
		r.fault(file, "", "%s names no file", file.path)
	}
}

// recordingRate reads the rate, in iterations per second, that a recording without times needs, as far as its format is
// known already.
func (r *reader) recordingRate(n *node, format RecordingFormat) (rate float64) {
	given, unit, speed := n.get("rate"), n.get("timeUnit"), n.get("speed")
	rate, _ = r.rate(given, r.timeUnit(n))
	switch {
	case given == nil && unit != nil:
		r.faultAt(unit.keyAt, "", "%s goes with rate only", unit.path)
	case given != nil && speed != nil:
		r.faultAt(speed.keyAt, "rate is for files without times, speed for those with",
			"%s has both rate and speed", n.path)
	case given != nil && format != "" && format.Timed():
		r.faultAt(given.keyAt, rateHint, "%s: a file of the format %s has its own times", given.path, format)
	case speed != nil && format != "" && !format.Timed():
		r.faultAt(speed.keyAt, "use rate", "%s: a file of the format %s has no times", speed.path, format)
	case given == nil && format != "" && !format.Timed():
		r.missing(n, "rate", "rate: 100; a file of the format "+string(format)+" has no times")
	}
	return rate
}

const rateHint = "remove it, and use speed to make the replay faster or slower"

// RecordedName is the name and the method of some of a recording's requests.
type RecordedName struct {
	Name   string
	Method string // "several" where it is not one
}

// Recorded is what a recording holds.
type Recorded struct {
	Format   RecordingFormat
	Requests int64
	Length   time.Duration // by the file's times; 0 when it has none
	Names    []RecordedName
}

// Recorded returns the plan with what the recordings hold, by scenario: the loads of executor replay have their
// Duration then, and their scenarios their Requests. An error is of type [Errors]: a file may not fit what the scenario
// says about it.
func (p *Plan) Recorded(recorded map[string]Recorded) (*Plan, error) {
	full := *p
	full.Scenarios = slices.Clone(p.Scenarios)
	var faults Errors
	for i := range full.Scenarios {
		s := &full.Scenarios[i]
		replay, ok := s.Load.(Replay)
		if !ok {
			continue
		}
		if fault := s.replay(replay, recorded[s.Name]); fault != nil {
			fault.File, fault.Line, fault.Column = p.Source.File, replay.Recording.Line, replay.Recording.Column
			faults = append(faults, *fault)
		}
	}
	if len(faults) == 0 {
		faults = full.unmatched()
	}
	if len(faults) > 0 {
		return nil, faults.sorted()
	}
	return &full, nil
}

// replay takes over what a recording holds.
func (s *Scenario) replay(load Replay, r Recorded) *Error {
	file, length := load.Recording.File, float64(r.Length)/load.Recording.Speed
	switch {
	case r.Length == 0 && load.Rate == 0:
		return &Error{
			Message: fmt.Sprintf("%s has no times (it is of the format %s), and scenario %s no rate", file, r.Format,
				s.Name),
			Hint: "add one, for example rate: 100",
		}
	case r.Length > 0 && load.Rate > 0:
		return &Error{
			Message: fmt.Sprintf("%s has its own times (it is of the format %s), and scenario %s has a rate", file,
				r.Format, s.Name),
			Hint: rateHint,
		}
	case load.Repeat > 0:
		length = float64(load.Repeat)
	case r.Length == 0:
		length = float64(r.Requests) / load.Rate * float64(time.Second)
	}
	if length > float64(longest) {
		takes := time.Duration(min(length, math.MaxInt64/2)).Round(time.Second)
		return &Error{
			Message: fmt.Sprintf("%s would take %v, more than 24h", file, takes),
			Hint:    "replay a part of it, or faster",
		}
	}
	load.Duration = time.Duration(math.Ceil(length))
	if s.Warmup >= load.Duration {
		return &Error{
			Message: fmt.Sprintf("the warmup of scenario %s, %v, is not shorter than the replay of %s, %v", s.Name,
				s.Warmup, file, load.Duration),
			Hint: "make it shorter",
		}
	}
	s.Load = load
	for _, name := range r.Names {
		s.Requests = append(s.Requests, Request{
			Name: name.Name, Weight: 1, Method: name.Method, Headers: load.Recording.Headers,
			ExpectedStatus: load.Recording.ExpectedStatus, Timeout: load.Recording.Timeout,
		})
	}
	return nil
}

// unmatched are the thresholds and gates whose selectors pick none of the requests that recordings turned out to have.
func (p *Plan) unmatched() (faults Errors) {
	sets, words := newTagIndex(p.tagSets()), suggester{}
	check := func(metric Metric, selector map[string]string, line, column int) {
		if metric.Name == Checks || !metric.perRequest() || sets.picks(selector) {
			return
		}
		faults = append(faults, Error{
			File: p.Source.File, Line: line, Column: column,
			Message: metricName(metric.Name, selector) + " selects no request of the file that is replayed",
			Hint:    words.suggest(selector[tagName], sets.values[tagName]),
		})
	}
	for _, t := range p.Thresholds {
		metric, _ := t.Metric.Metric()
		check(metric, t.Selector, t.Line, t.Column)
	}
	for _, g := range p.Experiment.Regressions {
		metric, _ := g.Metric.RegressionMetric()
		check(metric.Metric, g.Selector, g.Line, g.Column)
	}
	return faults
}
