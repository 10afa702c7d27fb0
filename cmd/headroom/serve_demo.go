package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/fixtures"
	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/scenarios"
	"github.com/policycortex/headroom/server"
)

// demoScenario is the shipped scenario that a demo sends.
const demoScenario = "scenarios/demo.yaml"

// prepareDemo reads the scenario and takes from it what the flags leave open: which servers to start, and how many.
func (own *ownServers) prepareDemo(c *cobra.Command, o server.Options) error {
	switch {
	case o.PostgresURL != "":
		return usageError{errors.New("--demo changes data, so it starts its own servers: leave out --postgres, " +
			"--replica and --cache")}
	case o.AuthJWKS != "" || o.AuthSharedKey != "":
		return usageError{errors.New("--demo sends requests without a token: unset HEADROOM_AUTH_JWKS and " +
			"HEADROOM_AUTH_SHARED_KEY")}
	}
	plan, err := scenarios.Read(demoScenario)
	if err != nil {
		return asInput(err)
	}
	own.demo = plan
	flags, wanted := c.Flags(), plan.Environment
	if !flags.Changed("resources") {
		own.Resources = wanted.Resources
	}
	if !flags.Changed("with-replica") {
		own.Replica = wanted.Replica
	}
	if !flags.Changed("instances") {
		own.Instances = wanted.Instances
	}
	if !flags.Changed("balancer") {
		own.Balancer = wanted.Balancer
	}
	return nil
}

// fixture is what the servers are loaded with.
func (own ownServers) fixture() fixtures.Options {
	return fixtures.Options{Seed: 1, Resources: own.Resources}
}

// sendDemo sends the scenario to a server again and again until ctx ends, and says each time what became of it.
func (own ownServers) sendDemo(ctx context.Context, w io.Writer, target string) error {
	tenants, err := fixtures.Keys("tenant_id", own.fixture())
	if err != nil {
		return err
	}
	query := url.Values{"tenant": {string(tenants.Append(nil, 0))}}
	fmt.Fprintf(w, "open %s/ui/activity?%s to see changes as they happen; Ctrl-C ends everything\n", target,
		query.Encode())
	for ctx.Err() == nil {
		own.demo.Seed = uint64(time.Now().UnixNano()) // other requests than the last time
		measured, err := loadgen.Run(ctx, own.demo, target, loadgen.Options{Fixture: fixtureKeys(own.fixture())})
		if err != nil {
			return fmt.Errorf("send the load of the demo: %w", err)
		}
		var requests, failed int64
		for _, s := range measured.Series {
			requests += s.Requests
			failed += s.Failed
		}
		fmt.Fprintf(w, "in the last %v: %d requests, %d failed\n",
			time.Duration(measured.Elapsed*float64(time.Second)).Round(time.Second), requests, failed)
	}
	return nil
}
