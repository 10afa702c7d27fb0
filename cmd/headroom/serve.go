package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/fixtures"
	"github.com/policycortex/headroom/scenarios"
	"github.com/policycortex/headroom/server"
)

// readyFormat is the line that serve prints to standard output when it is ready. The run command reads it.
const readyFormat = "serving http://%s admin http://%s\n"

// ownServers are the servers that serve starts if it gets no addresses.
type ownServers struct {
	Provider  string
	Replica   bool
	Resources int
	Instances int             // of the API
	Balancer  string          // before them; empty without
	demo      *scenarios.Plan // the load that is sent to them; nil without
}

func newServeCommand() *cobra.Command {
	var flags server.Options
	var own ownServers
	var demo bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the reference API alone",
		Long: `Run the reference API until interrupted. Without --postgres and --cache, it starts the servers that it needs, loads a
fixture, and removes the servers at the end. Other settings are environment variables that begin with HEADROOM_: see
docs/server.md in the source.

With --demo, it starts all that belongs to the reference system, sends a light load, and prints the address of a page that
shows changes as they happen.`,
		Example: `  headroom serve
  headroom serve --demo
  headroom serve --instances 3 --balancer nginx
  headroom serve --addr 127.0.0.1:9000 --postgres postgres://user:password@127.0.0.1/headroom --cache redis://127.0.0.1:6379/0`,
		Args: func(c *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(c, args)) },
		RunE: func(c *cobra.Command, _ []string) error {
			var o server.Options
			if err := env.Parse(&o); err != nil {
				return usageError{err}
			}
			for flag, target := range map[string]*string{
				"addr": &o.Addr, "admin": &o.AdminAddr,
				"postgres": &o.PostgresURL, "replica": &o.PostgresReplicaURL, "cache": &o.CacheURL,
			} {
				if f := c.Flags().Lookup(flag); f.Changed {
					*target = f.Value.String()
				}
			}
			if (o.PostgresURL == "") != (o.CacheURL == "") {
				return usageError{errors.New("give both --postgres and --cache, or neither")}
			}
			if o.PostgresURL == "" && o.PostgresReplicaURL != "" {
				return usageError{errors.New("--replica needs --postgres, the address of its primary; --with-replica " +
					"starts a replica")}
			}
			if o.PostgresURL != "" && own.Replica {
				return usageError{errors.New("--with-replica is for servers that serve starts itself: give the " +
					"address of your replica with --replica")}
			}
			if demo {
				if err := own.prepareDemo(c, o); err != nil {
					return err
				}
			}
			if err := own.check(o); err != nil {
				return err
			}
			for _, address := range []string{o.PostgresURL, o.PostgresReplicaURL, o.CacheURL} {
				redactorOf(c).Learn(address)
			}
			o.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return serve(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), o, own)
		},
	}
	c.Flags().StringVar(&flags.Addr, "addr", "", "`host:port` to listen on (default 127.0.0.1:8080)")
	c.Flags().StringVar(&flags.AdminAddr, "admin", "",
		"loopback `host:port` for measurements and profiles (default none)")
	c.Flags().StringVar(&flags.PostgresURL, "postgres", "", "`URL` of the Postgres to use")
	c.Flags().StringVar(&flags.PostgresReplicaURL, "replica", "",
		"`URL` of a streaming replica of that Postgres, for reads")
	c.Flags().StringVar(&flags.CacheURL, "cache", "", "`URL` of the Redis-protocol cache to use")
	addProviderFlag(c, &own.Provider)
	c.Flags().BoolVar(&own.Replica, "with-replica", false,
		"also start a streaming replica, if serve starts its own servers")
	c.Flags().IntVar(&own.Resources, "resources", 5000, "number of resources to load, if serve starts its own Postgres")
	c.Flags().IntVar(&own.Instances, "instances", 1, "`number` of processes that serve the API, behind a balancer")
	c.Flags().StringVar(&own.Balancer, "balancer", "", "balancer before the instances, at --addr: nginx or haproxy")
	c.Flags().BoolVar(&demo, "demo", false,
		"start two instances behind nginx with all servers they need, and send a light load to them")
	// The function cannot fail: the flag was added in the line above.
	_ = c.RegisterFlagCompletionFunc("balancer",
		cobra.FixedCompletions(scenarios.Balancers, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func addProviderFlag(c *cobra.Command, provider *string) {
	c.Flags().StringVar(provider, "provider", "auto",
		"how to run Postgres and the cache: auto, docker, process, embedded or external")
	// The function cannot fail: the flag was added in the line above.
	_ = c.RegisterFlagCompletionFunc("provider",
		cobra.FixedCompletions([]string{"auto", "docker", "process", "embedded", "external"},
			cobra.ShellCompDirectiveNoFileComp))
}

// check refuses instances that have no address, and a balancer that there is not.
func (own ownServers) check(o server.Options) error {
	switch {
	case own.Instances < 1 || own.Instances > scenarios.MostInstances:
		return usageError{fmt.Errorf("--instances must be from 1 to %d", scenarios.MostInstances)}
	case own.Balancer != "" && !slices.Contains(scenarios.Balancers, own.Balancer):
		return usageError{fmt.Errorf("--balancer cannot be %q: use %s", own.Balancer,
			strings.Join(scenarios.Balancers, " or "))}
	case own.Instances > 1 && own.Balancer == "":
		return usageError{errors.New("--instances needs --balancer nginx or haproxy, which gives them one address")}
	case own.Balancer != "" && o.AdminAddr != "":
		return usageError{errors.New("--admin, or HEADROOM_ADMIN_ADDR, is for one instance: each behind a balancer " +
			"has an admin listener of its own, which serve prints")}
	}
	return nil
}

// start starts the servers and loads the fixture, or looks at the servers that the options name.
func (own ownServers) start(ctx context.Context, wErr io.Writer, o server.Options) (_ *containers.Environment,
	err error,
) {
	wanted := containers.Options{
		Provider: own.Provider, Replica: own.Replica || o.PostgresReplicaURL != "", PostgresURL: o.PostgresURL,
		ReplicaURL: o.PostgresReplicaURL, CacheURL: o.CacheURL, Balancer: own.Balancer,
		Progress: func(m string) { fmt.Fprintln(wErr, m) },
	}
	if o.PostgresURL != "" {
		wanted.Provider = "external"
	}
	environment, err := containers.Start(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for _, w := range environment.Warnings {
		fmt.Fprintln(wErr, "warning: "+w)
	}
	if o.PostgresURL != "" {
		return environment, nil
	}
	fixture := own.fixture()
	fixture.Progress = fixtureProgress(wErr)
	_, err = fixtures.Load(ctx, environment.PostgresURL, fixture)
	if err != nil {
		return nil, errors.Join(err, environment.Stop(ctx))
	}
	tenants, err := fixtures.Keys("tenant_id", fixture)
	if err != nil {
		return nil, errors.Join(err, environment.Stop(ctx))
	}
	fmt.Fprintf(wErr, "most of the fixture belongs to one tenant: send the header X-Tenant-ID: %s\n",
		tenants.Append(nil, 0))
	return environment, nil
}

func serve(ctx context.Context, w, wErr io.Writer, o server.Options, own ownServers) (err error) {
	if err := o.Check(); err != nil { // before servers are started in vain
		return usageError{err}
	}
	if err := server.CheckAddresses(ctx, o); err != nil {
		return err
	}
	if o.PostgresURL == "" || own.Balancer != "" {
		environment, errStart := own.start(ctx, wErr, o)
		if errStart != nil {
			return errStart
		}
		defer func() { err = errors.Join(err, environment.Stop(ctx)) }()
		if own.Balancer != "" {
			return serveBalanced(ctx, w, wErr, o.Addr, own, environment)
		}
		o.PostgresURL, o.PostgresReplicaURL, o.CacheURL = environment.PostgresURL, environment.ReplicaURL,
			environment.CacheURL
	}
	return server.Run(ctx, o, func(addr, admin string) { fmt.Fprintf(w, readyFormat, addr, admin) })
}
