// Command bench-capacity searches for the capacity of services whose capacity is known, with the built headroom, and
// prints how far off the answers are.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity/queue"
)

func main() { os.Exit(run(os.Stdout, os.Stderr, os.Args[1:])) }

// options are the flags.
type options struct {
	headroom string
	searches int
	maxTime  time.Duration
	mean     time.Duration
	only     string
	markdown string
}

func run(w, wErr io.Writer, args []string) int {
	var o options
	return sidebyside.Command{Name: "bench-capacity", Errors: wErr}.Run(func() (err error) {
		o, err = parse(wErr, args)
		return err
	}, func(ctx context.Context) (int, error) {
		var rows [][]string
		for _, s := range queue.Services(o.mean.Seconds()) {
			if !sidebyside.Selected(o.only, s.Name) {
				continue
			}
			row, err := o.row(ctx, wErr, s)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", s.Name, err)
			}
			rows = append(rows, row)
		}
		return sidebyside.ExitOK, sidebyside.Output(w, heading, rows, o.markdown)
	})
}

func parse(wErr io.Writer, args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench-capacity", flag.ContinueOnError)
	f.SetOutput(wErr)
	f.StringVar(&o.headroom, "headroom", "bin/headroom", "the program that searches")
	f.IntVar(&o.searches, "searches", 5, "number of searches of each service")
	f.DurationVar(&o.maxTime, "max-time", 5*time.Minute, "what a search may take")
	f.DurationVar(&o.mean, "mean", 20*time.Millisecond, "mean service time")
	f.StringVar(&o.only, "only", "", "search only services whose name contains one of these words, separated by commas")
	f.StringVar(&o.markdown, "markdown", "", "also write the table to this file, as Markdown")
	err := f.Parse(args)
	switch {
	case err != nil:
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q; see bench-capacity --help", f.Arg(0))
	case o.searches < 1 || o.mean <= 0:
		err = errors.New("--searches is at least 1, and --mean above 0")
	}
	return o, err
}

var heading = []string{
	"service", "capacity", "outcomes", "found (95 % intervals)", "off by", "intervals cover", "bound by",
	"minutes",
}

// row searches for the capacity of a service, again and again.
func (o options) row(ctx context.Context, wErr io.Writer, s queue.Service) ([]string, error) {
	var outcomes, found, off, bound []string
	covered, minutes, mean := 0, 0.0, 0.0
	for n := range o.searches {
		c, real, err := o.search(ctx, s, uint64(n+1))
		if err != nil {
			return nil, err
		}
		known := real.Capacity(0)
		mean += known / float64(o.searches)
		fmt.Fprintf(wErr, "%s: %s %v\n", s.Name, c.Outcome, c.Reasons)
		minutes += c.Elapsed / 60 / float64(o.searches)
		outcomes, bound = append(outcomes, string(c.Outcome)), append(bound, c.Bound)
		if c.Rate == nil || c.AtLeast || c.AtMost {
			found = append(found, string(c.Outcome))
			continue
		}
		want := known / (1 + s.Leak*c.Elapsed)
		if c.Rate.Low <= want && want <= c.Rate.High {
			covered++
		}
		found = append(found, fmt.Sprintf("%.4g (%.4g to %.4g)", c.Rate.Middle, c.Rate.Low, c.Rate.High))
		off = append(off, fmt.Sprintf("%+.1f %%", 100*(c.Rate.Middle/want-1)))
	}
	return []string{
		s.Name, fmt.Sprintf("%.4g/s", mean), counted(outcomes), strings.Join(found, ", "), strings.Join(off, ", "),
		fmt.Sprintf("%d of %d", covered, o.searches), counted(bound), fmt.Sprintf("%.1f", minutes),
	}, nil
}

// counted is how often each word is there, in the order in which they came first: 4 PASS, 1 UNRESOLVED.
func counted(words []string) string {
	times, order := map[string]int{}, []string(nil)
	for _, w := range words {
		if times[w] == 0 {
			order = append(order, w)
		}
		times[w]++
	}
	for i, w := range order {
		order[i] = fmt.Sprintf("%d %s", times[w], w)
	}
	return strings.Join(order, ", ")
}

// search serves a service and has headroom search for its capacity. It returns the service as it was, too.
func (o options) search(ctx context.Context, s queue.Service, seed uint64) (found *results.Capacity, real queue.Service,
	err error,
) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, real, err
	}
	handler := serve(s, seed)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	defer server.Close()
	dir, err := os.MkdirTemp("", "headroom-bench-capacity-")
	if err != nil {
		return nil, real, err
	}
	defer os.RemoveAll(dir)
	scenario := filepath.Join(dir, "known.yaml")
	err = os.WriteFile(scenario, []byte(scenarioOf(s, listener.Addr().String(), seed)), 0o644)
	if err != nil {
		return nil, real, err
	}
	out := filepath.Join(dir, "found")
	c := exec.CommandContext(ctx, o.headroom, "capacity", scenario, "--max-time", o.maxTime.String(), "--out", out,
		"--json")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return nil, real, errors.Join(err, ctx.Err())
	}
	doc, errRead := os.ReadFile(filepath.Join(out, results.CapacityFile))
	if errRead != nil {
		return nil, real, fmt.Errorf("%w: %s", errRead, text)
	}
	found = &results.Capacity{}
	return found, handler.asServed(), json.Unmarshal(doc, found)
}

// scenarioOf asks the service for what its capacity is known for.
func scenarioOf(s queue.Service, address string, seed uint64) string {
	return strings.NewReplacer(
		"ADDRESS", address, "SEED", strconv.FormatUint(seed, 10),
		"LIMIT", strconv.FormatFloat(math.Round(queue.Late*s.Mean*1e6)/1e3, 'f', -1, 64),
	).Replace(`name: known
seed: SEED
target: {url: "http://ADDRESS"}
scenarios:
  main:
    executor: constant-arrival-rate
    rate: 100
    duration: 10s
    arrivals: poisson
    maxVUs: 2000
    requests:
      - {name: get, path: /}
thresholds:
  http_req_duration: "p(95)<LIMIT"
  http_req_failed: "rate<0.001"
`)
}
