// Package recording reads recorded HTTP traffic (access logs, HAR files, vegeta's targets) into a compact form, from
// which it can be sent again.
package recording

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Log is recorded traffic, in the order in which it is to be sent. A request takes 24 bytes, and each different path,
// set of headers and body is held once.
type Log struct {
	Format scenarios.RecordingFormat
	Names  []scenarios.RecordedName // at most 100
	// Length is the time that the traffic took: at least a millisecond more than the last request's instant, or where
	// the file knows whole seconds only, to the end of the last one. 0 when the file has no times.
	Length time.Duration
	// LeftOut says what of the file is not replayed and why, as "10 × POST, …".
	LeftOut []string
	// Hosts are the hosts that the file's URLs name, where there are several.
	Hosts []string
	// SHA256 is the sum of what the file holds, in hexadecimal digits: decompressed, and but for a mark at its
	// beginning.
	SHA256 string

	entries []entry
	texts   texts
}

// entry is one request. What it consists of are places in the texts.
type entry struct {
	at                  int64 // nanoseconds since the first request
	path, headers, body uint32
	name                uint16
	method              uint8
}

// methods are what can be replayed.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Len is the number of requests.
func (l *Log) Len() int64 { return int64(len(l.entries)) }

// entry is that of request n: after the last one, the file begins again.
func (l *Log) entry(n int64) *entry {
	if n >= int64(len(l.entries)) {
		n %= int64(len(l.entries))
	}
	return &l.entries[n]
}

// At is the instant of request n, since the first one; 0 when the file has no times.
func (l *Log) At(n int64) time.Duration { return time.Duration(l.entries[n].at) }

// Name is the index in Names of request n's name.
func (l *Log) Name(n int64) int { return int(l.entry(n).name) }

// Method is that of request n.
func (l *Log) Method(n int64) string { return methods[l.entry(n).method] }

// Path is request n's path, which begins with "/", and its query. Both can be written into a request line as they are.
func (l *Log) Path(n int64) []byte { return l.texts.get(l.entry(n).path) }

// Headers are request n's, each as "\r\nName: value", the name in its canonical form. Host and what belongs to the
// connection are not among them.
func (l *Log) Headers(n int64) []byte { return l.texts.get(l.entry(n).headers) }

// Body is that of request n.
func (l *Log) Body(n int64) []byte { return l.texts.get(l.entry(n).body) }

// Options say how a file is read.
type Options struct {
	Format scenarios.RecordingFormat // empty: found out from the content
	Name   string                    // of all requests; empty: made from method and path
	// Replaced are the names of headers that are not taken from the file.
	Replaced []string
	// Fields are where JSON lines have the parts of a request, where that is not under a usual name.
	Fields scenarios.RecordedFields
	// SkipBadLines leaves out lines that cannot be read, and counts them. Otherwise they are an error.
	SkipBadLines bool
}

// Bounds of a file.
const (
	maxRequests = 10_000_000
	maxLine     = 16 << 20 // bytes
)

// Read reads a file of recorded traffic, which may be compressed by gzip. An error names the file and, where there is
// one, the line.
func Read(in io.ReadSeeker, file string, o Options) (*Log, error) {
	s := &source{in}
	lines, sum, err := s.survey()
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, lines, err)
	}
	if o.Format == "" {
		o.Format, err = s.detect(&o)
		if err != nil {
			return nil, fmt.Errorf("%s:1: %w", file, err)
		}
	}
	b := newBuilder(o)
	if o.Format != scenarios.HAR {
		b.entries = make([]entry, 0, min(lines, maxRequests)) // growing, they would be there twice
	}
	if take := b.takes()[o.Format]; take != nil {
		err = s.readLines(file, b.tolerant(take))
	} else {
		err = b.readHAR(s, file)
	}
	if err != nil {
		return nil, err
	}
	log, err := b.log()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	log.SHA256 = sum
	return log, nil
}

// takes are what reads a line, by format. HAR is not one of lines.
func (b *builder) takes() map[scenarios.RecordingFormat]func(line []byte) error {
	return map[scenarios.RecordingFormat]func([]byte) error{
		scenarios.Combined: b.combined, scenarios.RecordedJSONLines: b.jsonLine, scenarios.VegetaJSON: b.target,
		scenarios.LoadBalancerLog: b.loadBalancerLine, scenarios.W3C: b.w3cLine, scenarios.HAProxyLog: b.haproxyLine,
		scenarios.EnvoyLog: b.envoyLine, scenarios.URLs: b.urlLine,
	}
}

// tolerant takes lines as take does, and where bad ones are to be skipped counts those that it cannot read.
func (b *builder) tolerant(take func(line []byte) error) func(number int, line []byte) error {
	return func(number int, line []byte) error {
		err := take(line)
		if err == nil || errors.As(err, new(tooLarge)) {
			return err
		}
		if !b.options.SkipBadLines {
			if len(b.entries) > 0 { // else the format may be another
				err = fmt.Errorf("%w; skipBadLines: true leaves out such lines", err)
			}
			return err
		}
		b.badLines++
		if b.badLines == 1 {
			b.firstBad = fmt.Sprintf("bad line, the first of them line %d: %v", number, err)
		}
		return nil
	}
}

// tooLarge says what of a file goes beyond a limit, so that skipping a line does not help.
type tooLarge struct{ error }

// log puts the requests in the order of their times, and their times on the way that they are to be sent.
func (b *builder) log() (*Log, error) {
	l := &Log{Format: b.options.Format, entries: b.entries, texts: b.texts, LeftOut: b.leftOutTexts()}
	l.texts.slots = nil
	if len(l.entries) == 0 {
		if len(l.LeftOut) > 0 {
			return nil, fmt.Errorf("nothing of it can be replayed: %s", strings.Join(l.LeftOut, "; "))
		}
		return nil, errors.New("it has no requests")
	}
	if len(b.hosts) > 1 {
		l.Hosts = b.hosts
	}
	if l.Format.Timed() {
		l.arrange()
	}
	l.Names = b.names.settle(l.entries)
	return l, nil
}

// arrange sorts the requests by their times, those of one time as they are in the file: logs are written when requests
// end. Where the file knows whole seconds only, the requests of one second are spread evenly over it.
func (l *Log) arrange() {
	byTime := func(a, b entry) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(l.entries, byTime) {
		slices.SortStableFunc(l.entries, byTime)
	}
	whole := true
	for i := range l.entries {
		whole = whole && l.entries[i].at%int64(time.Second) == 0
	}
	first := l.entries[0].at
	for i := range l.entries {
		l.entries[i].at -= first
	}
	last := time.Duration(l.entries[len(l.entries)-1].at)
	if whole {
		l.Length = last + time.Second
		l.spread()
		return
	}
	l.Length = last.Truncate(time.Millisecond) + 2*time.Millisecond
}

// spread gives the k-th of m requests of one second the instant k/m in it.
func (l *Log) spread() {
	for from := 0; from < len(l.entries); {
		second, to := l.entries[from].at, from+1
		for to < len(l.entries) && l.entries[to].at == second {
			to++
		}
		for i := from; i < to; i++ {
			l.entries[i].at = second + int64(time.Second)*int64(i-from)/int64(to-from)
		}
		from = to
	}
}

// PeakRate is the requests per second of the busiest minute, or of the whole where it is shorter; 0 where the file has
// no times.
func (l *Log) PeakRate() float64 {
	window := min(time.Minute, l.Length)
	if window <= 0 {
		return 0
	}
	var most, first int64
	for last := range l.Len() {
		for l.At(last)-l.At(first) >= window {
			first++
		}
		most = max(most, last-first+1)
	}
	return float64(most) / window.Seconds()
}
