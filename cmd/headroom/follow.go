package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/reports/live"
	"github.com/policycortex/headroom/reports/metrics"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// anyPort is where the live page is without an address.
const anyPort = "127.0.0.1:0"

// deliverTime bounds how long a run waits at its end until its metrics have been delivered.
const deliverTime = 10 * time.Second

// followFlags are the flags of those who follow a run while it goes on.
type followFlags struct {
	address string // of the live page; empty: none
	metrics []string
}

func (f *followFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.address, "live", "", "serve a page that shows the run while it goes on, at an `address` "+
		"of this machine (--live=127.0.0.1:8080); without one, at a free port")
	c.Flags().Lookup("live").NoOptDefVal = anyPort
	c.Flags().StringArrayVar(&f.metrics, "metrics", nil, "send what is measured while the run goes on, as "+
		"`format=destination`: "+strings.Join(metrics.Formats(), ", ")+"; may be given several times")
}

// followers are those who follow a run while it goes on.
type followers struct {
	page    *live.Server // nil: none
	outputs []*metrics.Output
}

// openPage begins to serve the live page, and says where.
func (f *followFlags) openPage(w io.Writer) (*live.Server, error) {
	if f.address == "" {
		return nil, nil
	}
	page, err := live.Listen(f.address)
	if err != nil {
		return nil, usageError{fmt.Errorf("--live: %w", err)}
	}
	fmt.Fprintf(w, "live page: %s\n", page.URL())
	return page, nil
}

// destinations are where the metrics go, of runs of so many files.
func (f *followFlags) destinations(files int) ([]metrics.Destination, error) {
	var all []metrics.Destination
	var faults []error
	for _, value := range f.metrics {
		d, err := metrics.ParseDestination(value)
		if err != nil {
			faults = append(faults, usageError{fmt.Errorf("--metrics %v: %w", d, err)})
		}
		if d.IsFile() && files > 1 {
			faults = append(faults, usageError{fmt.Errorf("--metrics %v is for a single scenario: run the files one "+
				"by one", d)})
		}
		all = append(all, d)
	}
	return all, errors.Join(faults...)
}

// follow begins to follow a run of a plan. page may be nil.
func follow(page *live.Server, to []metrics.Destination, plan *scenarios.Plan,
	shard *results.Shard,
) (*followers, error) {
	f := &followers{page: page}
	if page != nil {
		page.Begin(plan.Name, plan.Thresholds)
	}
	run := metrics.Run{Test: plan.Name}
	if shard != nil {
		run.Shard = shard.String()
	}
	for _, d := range to {
		output, err := metrics.Open(d, run)
		if err != nil {
			f.abandon()
			return nil, usageError{fmt.Errorf("--metrics %v: %w", d, err)}
		}
		f.outputs = append(f.outputs, output)
	}
	return f, nil
}

// abandon closes the outputs that are still open: those of a run that was not measured.
func (f *followers) abandon() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, o := range f.outputs {
		o.Close(ended)
	}
}

// second is what tells them of each second; nil when there is nobody to tell.
func (f *followers) second() func(loadgen.Second) {
	if f.page == nil && len(f.outputs) == 0 {
		return nil
	}
	return func(s loadgen.Second) {
		if f.page != nil {
			f.page.Second(live.Second{
				Elapsed: s.Elapsed, Total: s.Total, Scenarios: liveScenarios(s), Measurements: s.Measurements,
				Flushed: s.Flushed,
			})
		}
		told := metrics.Second{
			Started: s.Measurements.Started, Points: s.Measurements.Points, Streams: s.Measurements.StreamPoints,
			Health: s.Measurements.Health.Seconds, InFlight: map[string]int64{}, Elapsed: s.Elapsed,
		}
		for _, one := range s.Scenarios {
			if !one.Streams {
				told.InFlight[one.Name] = one.InFlight
			}
		}
		for _, o := range f.outputs {
			o.Send(told)
		}
	}
}

// liveScenarios are the scenarios as the page shows them.
func liveScenarios(s loadgen.Second) (all []reports.LiveScenario) {
	for i, p := range s.Scenarios {
		all = append(all, reports.LiveScenario{
			Name: p.Name, State: string(p.State), Last: p.Last, Sent: p.Sent, Failed: p.Failed, InFlight: p.InFlight,
			Open: s.Measurements.Loads[i].Open,
		})
	}
	return all
}

// delivered waits until the outputs have delivered what they were told, and says what they could not.
func (f *followers) delivered(ctx context.Context) (warnings []string) {
	ctx, cancel := context.WithTimeout(ctx, deliverTime)
	defer cancel()
	for _, o := range f.outputs {
		if lost := o.Close(ctx).Text(); lost != "" {
			warnings = append(warnings, lost)
		}
	}
	return warnings
}

// endPage has the page say what came of all runs, and stops serving it.
func endPage(page *live.Server, err error, dirs []string) error {
	if page == nil {
		return nil
	}
	text := "PASS."
	if err != nil {
		text = strings.TrimSuffix(err.Error(), ".") + "."
	}
	if len(dirs) > 0 {
		text += " The report is in " + strings.Join(dirs, ", ") + "."
	}
	page.End(text)
	return page.Close()
}
