package vegetaformat

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/results"
)

const (
	// roundOff is the share of one request by which a product of floating-point numbers may exceed a whole number.
	roundOff = 1e-6
	// longestSleep bounds how long vegeta itself waits, because it does so even when ctx is cancelled.
	longestSleep = 100 * time.Millisecond
	// longestHold bounds how long an attack without a rate waits because there were no files or ports.
	longestHold = time.Second
)

// Attack sends the targets of a vegeta target file in turn, at a constant rate.
type Attack struct {
	Name       string
	Targets    []vegeta.Target
	Rate       float64       // requests per second; 0: as fast as MaxWorkers allow
	Duration   time.Duration // 0: until ctx is cancelled
	Timeout    time.Duration
	Workers    uint64 // at the start
	MaxWorkers uint64
	KeepAlive  bool
	MaxBody    int64 // bytes of each answer's body that the result keeps; negative: all
	// Redirects is how many of them a request follows; -1 follows none, and takes a redirect for the answer.
	Redirects   int
	Connections int         // most idle connections to a host; 0: vegeta's default
	HTTP1       bool        // speak HTTP/1.1 where TLS would lead to HTTP/2
	TLS         *tls.Config // nil: the system's certificates
	// ServiceTime times each request from its actual sending, as vegeta does; otherwise from the instant at which the
	// schedule meant to send it, so that a service which stalls does not hide the requests that wait for it meanwhile.
	ServiceTime bool
}

// Summary is how the schedule of a Attack went.
type Summary struct {
	Planned int64 // 0 for an attack without a rate or without an end
	Sent    int64
	Unsent  int64              // those of Sent for which the generator had no file descriptor or port
	Failed  int64              // likewise, those that failed, of which Unsent are a part
	Lag     *results.Histogram // actual minus intended send instant
}

// options are those of vegeta's attacker. HTTP/2 is set up for the TLS configuration that is there.
func (a Attack) options() []func(*vegeta.Attacker) {
	all := []func(*vegeta.Attacker){
		vegeta.Timeout(a.Timeout), vegeta.Workers(a.Workers), vegeta.MaxWorkers(a.MaxWorkers),
		vegeta.KeepAlive(a.KeepAlive), vegeta.Redirects(a.Redirects),
		vegeta.Connections(cmp.Or(a.Connections, vegeta.DefaultConnections)),
	}
	if a.TLS != nil {
		all = append(all, vegeta.TLSConfig(a.TLS.Clone()))
	}
	return append(all, vegeta.HTTP2(!a.HTTP1))
}

// Run attacks and gives emit one result after the other, in the order in which answers come; it keeps none. A cancelled
// ctx ends it, and what is in flight is still waited for.
func (a Attack) Run(ctx context.Context, emit func(*vegeta.Result) error) (Summary, error) {
	sum := Summary{Lag: results.NewHistogram()}
	if a.Rate > 0 && a.Duration > 0 {
		sum.Planned = int64(math.Ceil(a.Rate*a.Duration.Seconds() - roundOff))
	}
	attacker := vegeta.NewAttacker(a.options()...)
	stopped := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stopped()
	pace := &steadyPace{ctx: ctx, rate: a.Rate, duration: a.Duration, planned: uint64(sum.Planned)}
	var fault error
	for r := range attacker.Attack(vegeta.NewStaticTargeter(a.Targets...), pace, 0, a.Name) {
		if fault != nil {
			continue // the attack is ending
		}
		sum.Sent++
		if r.Error != "" {
			sum.Failed++
		}
		if record.IsShortage(record.ClassOfText(r.Error, false)) {
			sum.Unsent++
			pace.hold.Add(int64(time.Millisecond))
		}
		if a.Rate > 0 {
			intended := time.Unix(0, pace.began.Load()).
				Add(time.Duration(float64(r.Seq) / a.Rate * float64(time.Second)))
			lag := max(0, r.Timestamp.Sub(intended))
			sum.Lag.Record(lag)
			if !a.ServiceTime {
				r.Timestamp, r.Latency = r.Timestamp.Add(-lag), r.Latency+lag
			}
		}
		if a.MaxBody >= 0 && int64(len(r.Body)) > a.MaxBody {
			r.Body = r.Body[:a.MaxBody]
		}
		fault = emit(r)
		if fault != nil {
			attacker.Stop()
		}
	}
	if fault != nil {
		return sum, fmt.Errorf("write results: %w", fault)
	}
	return sum, nil
}

// steadyPace releases hit n at n/rate after the beginning.
type steadyPace struct {
	ctx      context.Context // of the attack
	rate     float64
	duration time.Duration
	planned  uint64
	began    atomic.Int64 // Unix nanoseconds, as vegeta's clock has it
	// nanoseconds to wait, without a rate, because there was no file or port: else the next try would follow at once
	hold atomic.Int64
}

func (p *steadyPace) Rate(time.Duration) float64 { return p.rate }

func (p *steadyPace) Pace(elapsed time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if hits == 0 {
		p.began.Store(time.Now().Add(-elapsed).UnixNano())
	}
	if p.rate == 0 {
		hold := min(time.Duration(p.hold.Swap(0)), longestHold)
		return hold, p.duration > 0 && elapsed >= p.duration
	}
	if p.duration > 0 && hits >= p.planned {
		return 0, true
	}
	wait = time.Duration(float64(hits)/p.rate*float64(time.Second)) - elapsed
	if wait <= longestSleep {
		return wait, false
	}
	before := time.Now()
	early := time.NewTimer(wait - longestSleep) // vegeta would sleep on when ctx is cancelled
	defer early.Stop()
	select {
	case <-early.C:
	case <-p.ctx.Done():
	}
	return wait - time.Since(before), p.ctx.Err() != nil
}

// NewEncoder writes vegeta's results in one of its encodings: gob, json or csv.
func NewEncoder(w io.Writer, encoding string) (func(*vegeta.Result) error, error) {
	switch encoding {
	case "gob":
		return vegeta.NewEncoder(w), nil
	case "json":
		return vegeta.NewJSONEncoder(w), nil
	case "csv":
		return vegeta.NewCSVEncoder(w), nil
	}
	return nil, fmt.Errorf("there is no encoding %q: write gob, json or csv", encoding)
}
