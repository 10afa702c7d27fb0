// Package metrics sends what a run measures to other programs while it goes on: JSON lines to a file, metrics by OTLP,
// and by Prometheus' remote write. The run never waits for them: what they cannot take in time is lost for them, and
// counted.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostWaiting is how much may wait for an output, in what was told at once: two minutes of seconds.
	mostWaiting = 120
	// patience bounds one attempt to deliver, attempts how many there are.
	patience = 5 * time.Second
	attempts = 3
)

// The formats.
const (
	formatJSONLines   = "jsonl"
	formatOTLP        = "otlp"
	formatRemoteWrite = "remote-write"
)

// Formats are the formats with their destinations, as they are written.
func Formats() []string {
	return []string{formatJSONLines + "=FILE", formatOTLP + "=URL", formatRemoteWrite + "=URL"}
}

// Destination is where metrics are sent, and how.
type Destination struct {
	Format string
	To     string // a file, or a URL
}

// String is the destination as it may be shown: without the password of its URL.
func (d Destination) String() string {
	u, err := url.Parse(d.To)
	if d.Format == formatJSONLines || err != nil {
		return d.Format + "=" + d.To
	}
	return d.Format + "=" + u.Redacted()
}

// IsFile says that the destination is a file, which has the metrics of one run.
func (d Destination) IsFile() bool { return d.Format == formatJSONLines }

// ParseDestination reads FORMAT=DESTINATION.
func ParseDestination(value string) (Destination, error) {
	format, to, ok := strings.Cut(value, "=")
	d := Destination{format, to}
	switch {
	case !ok || to == "":
		return d, fmt.Errorf("write FORMAT=DESTINATION, one of %s", strings.Join(Formats(), ", "))
	case format == formatJSONLines:
		return d, nil
	case format != formatOTLP && format != formatRemoteWrite:
		return d, fmt.Errorf("there is no format %q: use one of %s", format, strings.Join(Formats(), ", "))
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		example := "http://127.0.0.1:9090/api/v1/write"
		if format == formatOTLP {
			example = "http://127.0.0.1:4318/v1/metrics"
		}
		return d, fmt.Errorf("the destination is no URL of HTTP: write it in full, such as %s", example)
	}
	return d, nil
}

// Run is what all metrics of a run say of it.
type Run struct {
	Test  string
	Shard string // empty: it is no shard
}

// labels are the pairs of names and values that all samples of the run have, in the order of the names. The run is
// told by the instant at which its load began.
func (r Run) labels(started time.Time) []string {
	all := []string{labelRun, started.UTC().Format("2006-01-02T15:04:05Z")}
	if r.Shard != "" {
		all = append(all, labelShard, r.Shard)
	}
	return append(all, labelTest, r.Test)
}

// writer delivers what was told at once.
type writer interface {
	// write delivers it, or says why not. It gives up when ctx ends.
	write(ctx context.Context, s Second) error
	// close ends the delivery.
	close(ctx context.Context) error
}

// Output sends the metrics of one run to one destination, from a goroutine of its own.
type Output struct {
	to      Destination
	writer  writer
	queue   chan Second
	lost    atomic.Int64
	ended   chan struct{} // closed when all has been delivered or given up
	giveUp  context.CancelFunc
	working context.Context
	once    sync.Once

	mu  sync.Mutex
	why error // of the first loss
}

// Open begins to send to a destination. It fails where a file cannot be written; a receiver that does not answer is
// found out later.
func Open(to Destination, run Run) (*Output, error) {
	var w writer
	var err error
	switch to.Format {
	case formatJSONLines:
		w, err = newJSONLines(to.To, run)
	case formatOTLP:
		w = newOTLP(to.To, run)
	case formatRemoteWrite:
		w, err = newRemoteWrite(to.To, run)
	default:
		err = fmt.Errorf("there is no format %q", to.Format)
	}
	if err != nil {
		return nil, err
	}
	o := &Output{to: to, writer: w, queue: make(chan Second, mostWaiting), ended: make(chan struct{})}
	o.working, o.giveUp = context.WithCancel(context.Background())
	go o.work()
	return o, nil
}

// Send hands over what a run told. It never waits: what there is no room for is lost. It may not be called after Close.
func (o *Output) Send(s Second) {
	s.Points, s.Streams, s.Health = slices.Clone(s.Points), slices.Clone(s.Streams), slices.Clone(s.Health)
	select {
	case o.queue <- s:
	default:
		o.lose(errors.New("it took longer than the run"))
	}
}

func (o *Output) lose(why error) {
	o.lost.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why == nil {
		o.why = why
	}
}

func (o *Output) work() {
	defer close(o.ended)
	for s := range o.queue {
		err := o.working.Err()
		if err == nil {
			err = o.writer.write(o.working, s)
		}
		if err != nil {
			o.lose(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if o.working.Err() != nil {
		cancel()
	}
	err := o.writer.close(ctx)
	if err != nil {
		o.lose(err)
	}
}

// Loss is what could not be delivered.
type Loss struct {
	To      Destination
	Seconds int64
	Why     error // of the first
}

// Close waits until all has been delivered, or until ctx ends, and says what was lost. What is not delivered then is
// given up. It may be called several times.
func (o *Output) Close(ctx context.Context) Loss {
	o.once.Do(func() { close(o.queue) })
	select {
	case <-o.ended:
	case <-ctx.Done():
		o.giveUp()
		<-o.ended
	}
	o.giveUp()
	o.mu.Lock()
	defer o.mu.Unlock()
	return Loss{o.to, o.lost.Load(), o.why}
}

// Text says what was lost, in one line; empty where nothing was.
func (l Loss) Text() string {
	if l.Seconds == 0 {
		return ""
	}
	times := "once"
	if l.Seconds > 1 {
		times = fmt.Sprintf("%d times", l.Seconds)
	}
	return fmt.Sprintf("metrics %v: what was measured in about a second was not delivered, %s; the first time "+
		"because: %v", l.To, times, l.Why)
}
