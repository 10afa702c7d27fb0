package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/scenarios"
)

// serveBalanced serves by several processes behind the balancer of the environment, which listens at addr. An instance
// that ends is started again.
func serveBalanced(ctx context.Context, w, wErr io.Writer, addr string, own ownServers,
	environment *containers.Environment,
) (err error) {
	address, err := balancerAddress(addr)
	if err != nil {
		return usageError{err}
	}
	logs, err := containers.NewTempDir(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Remove(context.WithoutCancel(ctx))) }()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the instances: %w", err)
	}
	all, err := startReferences(ctx, referenceSpec{
		program: self, log: filepath.Join(logs.Path, "server.log"),
		variables: slices.Concat(addressVariables(environment),
			instanceVariables(scenarios.Environment{Instances: own.Instances, Balancer: own.Balancer},
				nil, rand.Text()+rand.Text())),
	}, own.Instances)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.stop(context.WithoutCancel(ctx))) }()
	if err := environment.StartBalancer(ctx, all.behind(address)); err != nil {
		return err
	}
	fmt.Fprintf(wErr, "the instances write their logs to %s\n", logs.Path)
	fmt.Fprintf(w, "serving %s by %s %s and %s\n", environment.BalancerURL, environment.Balancer.Name,
		environment.Balancer.Version, reports.Plural(own.Instances, "instance"))
	for i, s := range all {
		fmt.Fprintf(w, "instance %d %s admin %s\n", i+1, s.url, s.admin)
	}
	if own.demo == nil {
		return all.supervise(ctx, wErr)
	}
	together, ctx := errgroup.WithContext(ctx)
	together.Go(func() error { return all.supervise(ctx, wErr) })
	together.Go(func() error { return own.sendDemo(ctx, w, environment.BalancerURL) })
	return together.Wait()
}

// balancerAddress is host:port as balancers write it; empty for a free port of loopback.
func balancerAddress(addr string) (string, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	switch {
	case err != nil:
		return "", fmt.Errorf("--addr %s: %w", addr, err)
	case tcp.Port == 0:
		return "", nil
	case tcp.IP == nil:
		return net.JoinHostPort("0.0.0.0", strconv.Itoa(tcp.Port)), nil
	}
	return tcp.String(), nil
}

// supervise starts instances that end again, until ctx ends or one cannot be started.
func (all referenceServers) supervise(ctx context.Context, wErr io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, len(all))
	for i, s := range all {
		go func() { failed <- s.keepServing(ctx, i+1, wErr) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-failed)
		if err != nil {
			stop() // the others end too
		}
	}
	return err
}

// keepServing is supervise for one instance.
func (s *referenceServer) keepServing(ctx context.Context, number int, wErr io.Writer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.process().Done():
		}
		if ctx.Err() != nil {
			return nil
		}
		fmt.Fprintf(wErr, "instance %d ended (%v) and is started again\n", number, s.process().Err())
		err := s.start(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("instance %d: %w", number, err)
		}
	}
}
