package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/nethttp"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/reports/live"
	"github.com/policycortex/headroom/reports/metrics"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// runner is the run command with its flags.
type runner struct {
	in               io.Reader
	w, wErr          io.Writer
	command          []string // as typed
	out              string
	provider         string
	postgres         string
	replica, cache   string
	scenario         scenarioFlags
	secrets          *scenarios.Redactor
	quiet, json      bool
	export           exportFlag
	follow           followFlags
	page             *live.Server          // nil without --live
	metricsTo        []metrics.Destination // of --metrics
	saved            []string              // the directories of the runs
	calibrate        bool                  // measure the pinned reference before and after the load
	shard            *results.Shard        // nil: the whole run
	startAt          time.Time             // zero: as soon as all is ready
	progress, result io.Writer             // where progress and results go; io.Discard for nowhere
}

func newRunCommand(args []string) *cobra.Command {
	r := &runner{command: args}
	var shard, startAt string
	c := &cobra.Command{
		Use:   "run FILE...",
		Short: "Run scenarios, judge them, and write their reports",
		Long: `Run scenario files one after another: start the servers they need, send the load, judge the measurements by the scenario's
thresholds, save the run, and write report.html, summary.json and junit.xml beside it. FILE is a scenario file, the name
of a built-in scenario, or - for standard input.`,
		Example: `  headroom run scenarios/smoke.yaml
  headroom run scenarios/reference.yaml --provider process --set scenarios.warm.rate=5000
  headroom run my-service.yaml --set target.url=http://127.0.0.1:8080 --json | jq .verdict`,
		Args: atLeastOne("a scenario file"),

		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, files []string) error {
			r.in, r.w, r.wErr, r.secrets = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), redactorOf(c)
			r.progress, r.result = r.wErr, r.w
			if r.quiet {
				r.progress = io.Discard
			}
			if r.json {
				r.result = r.wErr
			}
			var err, err2 error
			r.shard, err = parseShard(shard)
			r.startAt, err2 = parseStart(startAt)
			var err3 error
			r.metricsTo, err3 = r.follow.destinations(len(files))
			if err := errors.Join(err, err2, err3, r.checkExport(files)); err != nil {
				return err
			}
			r.page, err = r.follow.openPage(r.wErr)
			if err != nil {
				return err
			}
			err = r.runAll(c.Context(), files)
			return errors.Join(err, endPage(r.page, err, r.saved))
		},
	}
	c.Flags().StringVar(&r.out, "out", "",
		"`directory` of the saved run; with several files, the parent of one directory each (default "+
			"results/runs/<time>-<name>)")
	addSystemFlags(c, r)
	r.scenario.add(c)
	c.Flags().StringVar(&shard, "shard", "", "run shard `i/n` of the schedule, with i from 0; /n takes i from "+
		completionIndex+"; headroom merge joins the shards")
	c.Flags().StringVar(&startAt, "start-at", "", "start the load at this `time`, such as 2026-01-02T15:04:05Z")
	c.Flags().BoolVar(&r.quiet, "quiet", false, "do not show progress")
	r.export.add(c)
	r.follow.add(c)
	c.Flags().BoolVar(&r.calibrate, "calibrate", false, "measure a pinned reference for 3 s before and after the "+
		"load, to which history add relates the figures")
	c.Flags().BoolVar(&r.json, "json", false,
		"write the summary as JSON to standard output, and everything else to standard error")
	return c
}

// addSystemFlags adds the flags that choose the servers behind the reference server.
func addSystemFlags(c *cobra.Command, r *runner) {
	addProviderFlag(c, &r.provider)
	c.Flags().StringVar(&r.postgres, "postgres", "", "`URL` of the Postgres for provider external")
	c.Flags().StringVar(&r.replica, "replica", "", "`URL` of a streaming replica of that Postgres")
	c.Flags().StringVar(&r.cache, "cache", "", "`URL` of the cache for provider external")
}

// runAll runs all files, if all of them are valid. The worst outcome counts: a crossed threshold is worse than an
// invalid measurement.
func (r *runner) runAll(ctx context.Context, files []string) error {
	var all []loaded
	var faults []error
	in, err := r.scenario.inputs(r.secrets)
	if err != nil {
		return err
	}
	for _, file := range files {
		l, err := load(ctx, file, r.in, in)
		all, faults = append(all, l), append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if err := errors.Join(r.checkShard(all), r.checkAddresses()); err != nil {
		return err
	}
	worst := results.Pass
	for _, l := range all {
		outcome, err := r.runOne(ctx, l, r.directory(l.plan, len(all) > 1))
		if err != nil {
			return err
		}
		worst = worst.Worse(outcome)
	}
	if worst != results.Pass {
		return verdictError{worst}
	}
	return nil
}

// checkExport verifies that all that is to be exported has a place.
func (r *runner) checkExport(files []string) error {
	if len(r.export.targets) > 0 && len(files) > 1 {
		return usageError{errors.New("--export is for a single scenario: run the files one by one")}
	}
	return r.export.check()
}

// checkAddresses verifies that the addresses of running servers are given if, and only if, they are used.
func (r *runner) checkAddresses() error {
	both, any := r.postgres != "" && r.cache != "", r.postgres != "" || r.cache != "" || r.replica != ""
	switch {
	case r.provider == "external" && !both:
		return usageError{errors.New("--provider external uses running servers: give their addresses with " +
			"--postgres URL and " +
			"--cache URL, and with --replica URL if there is a replica")}
	case any && !both:
		return usageError{errors.New("give the addresses of running servers together: --postgres URL and --cache " +
			"URL, and --replica URL if there is a replica")}
	case any && r.provider != "external" && r.provider != "auto":
		return usageError{fmt.Errorf("--provider %s starts its own servers: remove --postgres, --replica and "+
			"--cache, or use --provider external", r.provider)}
	}
	return nil
}

func (r *runner) directory(plan *scenarios.Plan, several bool) string {
	switch {
	case r.out == "":
		return filepath.Join("results", "runs", time.Now().Format("20060102T150405")+"-"+plan.Name)
	case several:
		return filepath.Join(r.out, plan.Name)
	}
	return r.out
}

func (r *runner) runOne(ctx context.Context, l loaded, dir string) (outcome results.Outcome, err error) {
	dir, taken, err := takeRunDirectory(dir, r.out == "")
	if err != nil {
		return "", err
	}
	defer taken.Close()
	defer os.Remove(dir) // only succeeds when nothing was saved
	plan := l.plan
	if plan.TraceRatio == nil && plan.Target.URL == "" {
		plan.TraceRatio = new(defaultTraceRatio)
	}
	following, err := follow(r.page, r.metricsTo, plan, r.shard)
	if err != nil {
		return "", err
	}
	defer following.abandon()
	system, err := r.startSystem(ctx, plan, dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, system.stop(ctx)) }()

	if few := loadgen.FewFiles(plan); few != "" {
		fmt.Fprintln(r.progress, "warning:", few)
	}
	screen := newScreen(r.progress, plan)
	reference, err := r.referenceBefore(ctx)
	if err != nil {
		return "", err
	}
	watch := system.watch(ctx, screen.say)
	measured, err := loadgen.Run(ctx, plan, system.url, loadgen.Options{
		Shard: r.shard, StartAt: r.startAt, Fixture: system.keys, Feeders: l.feeders, Recordings: l.recordings,
		Snapshot: system.snapshot, Sample: system.sample, Fault: system.fault, Processes: system.processes(),
		Shared: system.isLocal(), Others: system.others, Regions: system.regions, Progress: screen.show,
		Second: system.traces.watching(following.second()), Secrets: r.secrets,
	})
	if err != nil {
		watch.end(ctx, time.Now())
		return "", system.withIncidents(ctx, err)
	}
	screen.close()
	system.record.GeneratorSettings = settingsOfLoad()
	system.traces.keep(ctx, measured)
	measured.Incidents = watch.end(ctx, measured.Started)
	measured.Warnings = append(measured.Warnings, system.warnings(ctx)...)
	measured.Warnings = append(measured.Warnings, following.delivered(context.WithoutCancel(ctx))...)
	verdict, err := r.judge(measured, plan.Thresholds)
	if err != nil {
		return "", err
	}
	reference = r.referenceAfter(ctx, reference)
	saved := &results.Run{
		Name: plan.Name, Description: plan.Description, Tool: toolVersion(), Command: redacted(r.command, r.secrets),
		Scenario:    results.ScenarioOf(plan),
		Environment: system.record, Shard: r.shard, Measurements: *measured, Verdict: verdict,
		Reference: reference, Evidence: system.evidence(ctx, measured),
	}
	if err := r.publishRun(dir, saved); err != nil {
		return "", err
	}
	r.saved = append(r.saved, dir)
	if measured.Interrupted {
		return "", errInterrupted
	}
	return verdict.Outcome, nil
}

// publishRun publishes a run.
func (r *runner) publishRun(dir string, run *results.Run) error {
	run.Redact(r.secrets)
	return r.publish(dir, publication{
		what:     "run",
		save:     func(dir string) error { return results.Save(dir, run) },
		draw:     func(dir string) error { return reports.Write(dir, run) },
		text:     func(w io.Writer) error { return reports.Text(w, run) },
		json:     func(w io.Writer) error { return reports.SummaryJSON(w, run) },
		exported: func() (exported, error) { return exportedRun(run) },
	})
}

// otherPlace is what to do where a run cannot be saved.
const otherPlace = "; name a directory that can be written, with --out"

// makeRunDirectory makes the run's directory before anything is measured, so that nothing is lost for want of a place.
func makeRunDirectory(dir string) error {
	if saved := results.Held(dir); saved != "" {
		return usageError{fmt.Errorf("%s holds a saved %s already: give another --out, or remove it", dir, saved)}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return usageError{fmt.Errorf("make the run's directory: %w%s", err, otherPlace)}
	}
	probe, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return usageError{fmt.Errorf("write into the run's directory: %w%s", err, otherPlace)}
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// isLocal reports whether the address of a service is a loopback address.
func isLocal(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// reachable fails if an instance of the user's own service cannot be reached or its certificate is not valid: it is
// better to say so now than after a minute of failed requests.
func reachable(ctx context.Context, plan *scenarios.Plan) error {
	key := "target.url"
	if len(plan.Target.Others) > 0 {
		key += "s"
	}
	to, err := connect.Load(plan)
	if err != nil {
		return inputError{err}
	}
	for _, url := range plan.Target.URLs() {
		if err := reachableAt(ctx, to, url, key); err != nil {
			return err
		}
	}
	return nil
}

// reachableAt is reachable for the service at a URL, which stands at a key of the scenario.
func reachableAt(ctx context.Context, to *connect.To, address, key string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	err := nethttp.Reach(ctx, to, address)
	if err == nil {
		return nil
	}
	what := "target"
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == nethttp.ReachProxy {
		what, address, key = "proxy", to.Proxy, "target.proxy"
	}
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	if to.Socket != "" {
		key = "target.socket"
	}
	fault, remedy := unreachable(err, key)
	return fmt.Errorf("the %s %s %s: %w; %s", what, address, fault, err, remedy)
}

// reachTimeout bounds the check of the target before the load.
const reachTimeout = 10 * time.Second

// refusedHandshake is the operation of an error that crypto/tls returns when the other end has sent an alert.
const refusedHandshake = "remote error"

// unreachable describes what is wrong with an address, and how to fix it. key is its place in the scenario.
func unreachable(err error, key string) (fault, remedy string) {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "cannot be reached", "raise the limit with ulimit -n"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "has a certificate that is not valid today", "renew it, or correct the clock of this machine"
	case errors.As(err, new(x509.HostnameError)):
		return "has a certificate for another name",
			"correct " + key + ", give the name of the certificate in tls.serverName, or correct the certificate"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "has a certificate that this machine does not trust",
			"name it, or the certificate of its authority, in tls.ca or SSL_CERT_FILE"
	case errors.Is(err, connect.ErrNoHTTP2):
		return "does not speak HTTP/2", "write version: 1.1 or auto under http"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "has a certificate that is not valid", "replace it"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "does not speak TLS", "write http:// in " + key
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == refusedHandshake {
		return "refuses the TLS handshake",
			"see tls.minVersion and http.version; if it wants a certificate, name it in tls.cert and tls.key"
	}
	return "does not answer", "start it, or correct " + key
}
