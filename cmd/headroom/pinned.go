package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// referenceName names the pinned reference. Whoever changes its server or its load gives it another version.
const referenceName = "light server 1"

// referenceLoad is the load of the reference: 2,000 requests a second for 3 s, of which 2.5 s are measured.
const referenceLoad = `name: reference
target: {url: %q}
scenarios:
  reference:
    executor: constant-arrival-rate
    arrivals: poisson
    rate: 2000
    duration: 3s
    warmup: 500ms
    maxVUs: 32
    gracefulStop: 1s
    requests: [{name: hello, path: /}]
`

const referenceServerName = "reference-server"

// newReferenceServerCommand is the reference as a process of its own, so that its CPU time can be told.
func newReferenceServerCommand() *cobra.Command {
	return &cobra.Command{
		Use: referenceServerName, Hidden: true, Short: "Serve the pinned reference of run --calibrate",
		Args: func(c *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(c, args)) },
		RunE: func(c *cobra.Command, _ []string) error { return serveReference(c.OutOrStdout()) },
	}
}

// referenceBefore measures the reference before the load, where --calibrate asks for it.
func (r *runner) referenceBefore(ctx context.Context) (*results.Reference, error) {
	if !r.calibrate {
		return nil, nil
	}
	before, err := measureReference(ctx)
	return &results.Reference{Name: referenceName, Before: before}, err
}

// referenceAfter measures the reference after the load. Where that fails, the run has none: it is not lost by that.
func (r *runner) referenceAfter(ctx context.Context, reference *results.Reference) *results.Reference {
	if reference == nil || ctx.Err() != nil {
		return nil
	}
	after, err := measureReference(ctx)
	if err != nil {
		fmt.Fprintln(r.progress, "warning: the run has no reference:", err)
		return nil
	}
	reference.After = after
	return reference
}

// measureReference starts the reference, sends its load, and stops it.
func measureReference(ctx context.Context) (m results.ReferenceMeasured, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("measure the reference: %w", err)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	ready := &firstLine{line: make(chan string, 1)}
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: self, Args: []string{referenceServerName}, Stdout: ready, Stderr: os.Stderr, KillAfter: time.Second,
	})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, child.Stop(context.WithoutCancel(ctx))) }()
	var address string
	select {
	case address = <-ready.line:
	case <-child.Done():
		return m, fmt.Errorf("its server ended: %w", child.Err())
	case <-time.After(serverStart):
		return m, errors.New("its server did not start")
	case <-ctx.Done():
		return m, ctx.Err()
	}
	plan, err := scenarios.Parse("reference", fmt.Appendf(nil, referenceLoad, strings.TrimSpace(address)))
	if err != nil {
		return m, err
	}
	before, errBefore := referenceCPU(child.Pid())
	measured, err := loadgen.Run(ctx, plan, plan.Target.URL, loadgen.Options{Shared: true})
	if err != nil {
		return m, err
	}
	after, errAfter := referenceCPU(child.Pid())
	sum, err := measured.Summarize(nil)
	if err != nil {
		return m, err
	}
	if sum.Requests == 0 || sum.Failed > 0 {
		return m, fmt.Errorf("%d of %d requests failed", sum.Failed, sum.Requests)
	}
	m.P50, m.P95, m.P99 = sum.Response.Percentile(50), sum.Response.Percentile(95), sum.Response.Percentile(99)
	if sent := measured.Loads[0].Sent; errBefore == nil && errAfter == nil && sent > 0 {
		m.CPU = (after - before).Seconds() / float64(sent)
	}
	return m, nil
}
