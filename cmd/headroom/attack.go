package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/policycortex/headroom/loadgen/vegetaformat"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// attacker is the attack command with its flags.
type attacker struct {
	load                  vegetaformat.Attack
	rate                  string
	targets, format, body string
	output, encoding      string
	headers               []string
	tls                   attackTLS
	http2                 bool
	secrets               *scenarios.Redactor
	in                    io.Reader
	out, say              io.Writer
}

func newAttackCommand() *cobra.Command {
	a := &attacker{}
	c := &cobra.Command{
		Use:   "attack",
		Short: "Send a vegeta target file and write results that vegeta reads",
		Long: `Send the targets of a vegeta target file in turn at a constant rate, and write one result per request for vegeta report,
vegeta plot and vegeta encode. The flags are vegeta's most common ones, with one dash or two. Nothing is judged.

Latencies count from the planned send time, not from the actual one as in vegeta, and timestamps are planned send times.
So requests that wait while a service stalls show the stall. --service-time gives vegeta's latencies. How late requests
were sent is written to standard error.`,
		Example: `  echo "GET http://127.0.0.1:8080/" | headroom attack -rate 500 -duration 10s | vegeta report
  headroom attack -targets targets.json -format json -rate 100/1s -duration 1m -output results.bin`,
		Args: func(c *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(c, args)) },
		RunE: func(c *cobra.Command, _ []string) error {
			a.secrets = redactorOf(c)
			a.in, a.out, a.say = c.InOrStdin(), bare(c.OutOrStdout()), c.ErrOrStderr()
			return a.attack(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&a.rate, "rate", "50/1s",
		"requests per time `unit`: 50 or 50/1s; 0 sends as fast as --max-workers allows")
	f.DurationVar(&a.load.Duration, "duration", 0, "length of the attack; 0 runs until interrupted")
	f.StringVar(&a.targets, "targets", "stdin", "target `file`")
	f.StringVar(&a.format, "format", "http", "format of the targets: http or json")
	f.StringVar(&a.body, "body", "", "`file` with the body of targets that have none")
	f.StringArrayVar(&a.headers, "header", nil, "header of every request, as `\"Name: value\"` (repeatable)")
	f.StringVar(&a.output, "output", "stdout", "results `file`")
	f.StringVar(&a.encoding, "encoding", "gob", "encoding of the results: gob (vegeta's default), json or csv")
	f.StringVar(&a.load.Name, "name", "", "name of the attack in the results")
	f.DurationVar(&a.load.Timeout, "timeout", 30*time.Second, "timeout of a request")
	f.Uint64Var(&a.load.Workers, "workers", 10, "initial number of workers")
	f.Uint64Var(&a.load.MaxWorkers, "max-workers", 10_000, "maximum number of requests in flight")
	f.BoolVar(&a.load.KeepAlive, "keepalive", true, "keep connections open between requests")
	f.IntVar(&a.load.Connections, "connections", vegeta.DefaultConnections, "most idle connections to a host")
	f.IntVar(&a.load.Redirects, "redirects", vegeta.DefaultRedirects,
		"most redirects that a request follows; -1 follows none, and a redirect is a success")
	f.BoolVar(&a.http2, "http2", true, "speak HTTP/2 where the server offers it over TLS")
	f.BoolVar(&a.tls.insecure, "insecure", false, "accept any certificate of a server")
	f.StringVar(&a.tls.cert, "cert", "", "PEM `file` with the certificate that is shown to servers")
	f.StringVar(&a.tls.key, "key", "", "PEM `file` with the key of --cert (default: the file of --cert)")
	f.StringSliceVar(&a.tls.roots, "root-certs", nil,
		"PEM `files` with the certificates that servers' are held against, separated by commas")
	f.Int64Var(&a.load.MaxBody, "max-body", 0, "bytes of each response body to keep in the results; -1 keeps all")
	f.BoolVar(&a.load.ServiceTime, "service-time", false, "count latencies from the actual send time, as vegeta does")
	return c
}

func (a *attacker) attack(ctx context.Context) error {
	if err := a.prepare(); errors.As(err, new(inputError)) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	out, closeOut := a.out, func() error { return nil }
	if a.output != "stdout" {
		f, err := os.Create(a.output)
		if err != nil {
			return usageError{fmt.Errorf("create the results file: %w", err)}
		}
		out, closeOut = f, f.Close
	}
	buffered := bufio.NewWriterSize(out, 64<<10)
	emit, err := vegetaformat.NewEncoder(buffered, a.encoding)
	if err != nil {
		return usageError{err}
	}
	conceal, why := a.conceal(), reasons{}
	sum, err := a.load.Run(ctx, func(r *vegeta.Result) error {
		conceal(r)
		why.count(r.Error)
		return emit(r)
	})
	if err := errors.Join(err, buffered.Flush(), closeOut()); err != nil {
		return err
	}
	fmt.Fprintf(a.say, "sent %d requests", sum.Sent)
	if sum.Planned > 0 {
		fmt.Fprintf(a.say, " of %d", sum.Planned)
	}
	if a.load.Rate > 0 && sum.Lag.Count() > 0 {
		fmt.Fprintf(a.say, "; lag behind the schedule: P50 %.3f ms, P99 %.3f ms, max %.3f ms", sum.Lag.Percentile(50),
			sum.Lag.Percentile(99), sum.Lag.Max())
	}
	fmt.Fprintln(a.say, why.text(sum.Sent, sum.Failed))
	if sum.Unsent > 0 {
		fmt.Fprintf(a.say, "%d of them were not sent: the generator ran out of file descriptors or local ports; "+
			"raise the limits (ulimit -n, "+
			"net.ipv4.ip_local_port_range) or lower --max-workers\n", sum.Unsent)
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

// reasons counts failed requests by error.
type reasons map[string]int64

// mostReasons bounds the number of different errors.
const mostReasons = 1000

var localAddress = regexp.MustCompile(`\S+->`) // differs for each connection: "read tcp 127.0.0.1:40312->127.0.0.1:80"

func (r reasons) count(text string) {
	if text == "" {
		return
	}
	text = localAddress.ReplaceAllString(text, "")
	if _, known := r[text]; known || len(r) < mostReasons {
		r[text]++
	}
}

// text says how many of the requests failed, and names the most frequent error.
func (r reasons) text(sent, failed int64) string {
	if failed == 0 {
		return ""
	}
	text := fmt.Sprintf("; %d of them failed", failed)
	if failed == sent {
		text = "; nothing succeeded: all of them failed"
	}
	first := ""
	for reason, n := range r {
		if n > r[first] || n == r[first] && reason < first {
			first = reason
		}
	}
	if r[first] < failed {
		text += fmt.Sprintf(", %d of them with", r[first])
	}
	return fmt.Sprintf("%s: %.300s", text, oneLine(first))
}

// mostTargets bounds the number of targets whose secrets are redacted in responses.
const mostTargets = 1000

// cleaned caches redacted texts: addresses, errors, headers and bodies repeat, and redacting a body of 2 kB takes about
// 70 microseconds.
type cleaned struct {
	secrets *scenarios.Redactor
	texts   map[string]string
}

// mostCleaned and longestCleaned bound the cache.
const (
	mostCleaned    = 1000
	longestCleaned = 64 << 10 // bytes
)

func (c *cleaned) text(s string) string {
	clean, known := c.texts[s]
	if known {
		return clean
	}
	clean = c.secrets.Text(s)
	if len(s) <= longestCleaned {
		if len(c.texts) >= mostCleaned {
			clear(c.texts)
		}
		c.texts[s] = clean
	}
	return clean
}

// conceal returns a function that redacts the secrets in a result: in its URL, its headers, and what the service
// echoes.
func (a *attacker) conceal() func(*vegeta.Result) {
	for _, t := range a.load.Targets[:min(len(a.load.Targets), mostTargets)] {
		a.secrets.Learn(t.URL)
		a.secrets.Learn(string(t.Body))
		for name, values := range t.Header {
			for _, value := range values {
				a.secrets.LearnHeader(name, value)
			}
		}
	}
	known := cleaned{secrets: a.secrets, texts: map[string]string{}}
	return func(r *vegeta.Result) {
		r.URL, r.Error = known.text(r.URL), results.Printable(known.text(r.Error))
		if len(r.Body) > 0 {
			r.Body = []byte(known.text(string(r.Body)))
		}
		for name, values := range r.Headers {
			for i, value := range values {
				if a.secrets.IsHeader(name) {
					values[i] = scenarios.Redacted
				} else {
					values[i] = known.text(value)
				}
			}
		}
	}
}

// prepare reads the flags' values and the targets.
func (a *attacker) prepare() (err error) {
	a.load.Rate, err = parseRate(a.rate)
	if err != nil {
		return err
	}
	if a.load.Redirects < vegeta.NoFollow || a.load.Connections < 1 {
		return errors.New("--redirects must be at least -1, and --connections above 0")
	}
	a.load.HTTP1 = !a.http2
	a.load.TLS, err = a.tls.config()
	if err != nil {
		return err
	}
	if a.load.Workers == 0 || a.load.MaxWorkers == 0 || a.load.Duration < 0 || a.load.Timeout < 0 {
		return errors.New("--workers and --max-workers must be above 0, and --duration and --timeout must not " +
			"be negative")
	}
	headers := http.Header{}
	for _, h := range a.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return errors.New(`write a --header as "Name: value"`) // it may hold a secret
		}
		headers.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	var body []byte
	if a.body != "" {
		body, err = os.ReadFile(a.body)
		if err != nil {
			return fmt.Errorf("read the body: %w", err)
		}
	}
	in := a.in
	if a.targets != "stdin" {
		f, err := os.Open(a.targets)
		if err != nil {
			return fmt.Errorf("read the targets: %w", err)
		}
		defer f.Close()
		in = f
	}
	a.load.Targets, err = vegetaformat.ReadTargets(in, a.targets, a.format, body, headers)
	if err != nil {
		return inputError{err}
	}
	return nil
}

// parseRate reads "50", "50/1s" or "3000/m" as requests per second.
func parseRate(text string) (float64, error) {
	number, unit, hasUnit := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 32)
	per := time.Second
	if err == nil && hasUnit {
		if unit != "" && (unit[0] < '0' || unit[0] > '9') {
			unit = "1" + unit
		}
		per, err = time.ParseDuration(unit)
	}
	if err != nil || per <= 0 {
		return 0, fmt.Errorf("--rate %q: write it as 50 or 50/1s", text)
	}
	return float64(n) / per.Seconds(), nil
}

// twoDashes accepts flags with one dash, as vegeta's users write them.
func twoDashes(args []string) []string {
	if len(args) < 2 || args[1] != "attack" {
		return args
	}
	out := append([]string(nil), args...)
	for i, a := range out[2:] {
		if len(a) > 2 && a[0] == '-' && 'a' <= a[1] && a[1] <= 'z' {
			out[i+2] = "-" + a
		}
	}
	return out
}
