package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/results"
)

// referenceServers are the instances of the reference server. They share the other servers of the environment, and each
// listens to a port of its own.
type referenceServers []*referenceServer

// startReferences starts so many instances, one after the other. What was started when it fails is stopped.
func startReferences(ctx context.Context, spec referenceSpec, instances int) (referenceServers, error) {
	specs := []referenceSpec{spec}
	for number := 2; number <= instances; number++ {
		specs = append(specs, spec.called(strconv.Itoa(number)))
	}
	return startEach(ctx, specs)
}

// called is the spec of an instance whose log has its name.
func (s referenceSpec) called(name string) referenceSpec {
	extension := filepath.Ext(s.log)
	s.log = strings.TrimSuffix(s.log, extension) + "-" + name + extension
	return s
}

// startEach starts an instance of each spec, one after the other. What was started when it fails is stopped.
func startEach(ctx context.Context, specs []referenceSpec) (referenceServers, error) {
	var all referenceServers
	for i, spec := range specs {
		spec.variables = append(spec.traces.traceVariables(i), spec.variables...)
		s, err := startInstance(ctx, spec)
		if err != nil {
			return nil, errors.Join(err, all.stop(context.WithoutCancel(ctx)))
		}
		all = append(all, s)
	}
	return all, nil
}

// startInstance starts a server at an address that it can have again after a fault.
func startInstance(ctx context.Context, spec referenceSpec) (s *referenceServer, err error) {
	for range 3 { // another process may take the port in the meantime
		spec.addr, err = containers.LastingAddress()
		if err != nil {
			return nil, err
		}
		s, err = startReference(ctx, spec)
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			return s, err
		}
	}
	return nil, err
}

// urls are where the instances are reached.
func (all referenceServers) urls() (urls []string) {
	for _, s := range all {
		urls = append(urls, s.url)
	}
	return urls
}

// behind is a balancer before the instances, at an address; empty for a free port.
func (all referenceServers) behind(address string) containers.BalancerSpec {
	spec := containers.BalancerSpec{Address: address, Ready: readyPath}
	for _, url := range all.urls() {
		spec.Instances = append(spec.Instances, strings.TrimPrefix(url, "http://"))
	}
	return spec
}

// snapshot is the account of all instances together since their start.
func (all referenceServers) snapshot(ctx context.Context) (results.Snapshot, error) {
	return all.ask(func(s *referenceServer) (results.Snapshot, error) { return s.snapshot(ctx) })
}

// sample is the snapshot without the queries, which costs little.
func (all referenceServers) sample(ctx context.Context) (results.Snapshot, error) {
	return all.ask(func(s *referenceServer) (results.Snapshot, error) { return s.sample(ctx) })
}

// ask asks all instances at the same time, so that their accounts are of one instant.
func (all referenceServers) ask(account func(*referenceServer) (results.Snapshot, error)) (results.Snapshot, error) {
	taken, faults := make([]results.Snapshot, len(all)), make([]error, len(all))
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() { taken[i], faults[i] = account(s) })
	}
	wait.Wait()
	if err := errors.Join(faults...); err != nil {
		return results.Snapshot{}, err
	}
	return results.SumSnapshots(taken)
}

// latest is the sum of the accounts that the instances have given last. ok is false when one of them has given none.
func (all referenceServers) latest() (sum results.Snapshot, ok bool) {
	var taken []results.Snapshot
	for _, s := range all {
		latest := s.latest.Load()
		if latest == nil {
			return sum, false
		}
		taken = append(taken, *latest)
	}
	sum, err := results.SumSnapshots(taken)
	return sum, err == nil && len(taken) > 0
}

// ended reports whether an instance has ended without a fault.
func (all referenceServers) ended() bool {
	for _, s := range all {
		if s.isDown() {
			continue
		}
		select {
		case <-s.process().Done():
			return true
		default:
		}
	}
	return false
}

// incidents are what happened to the processes of the instances, with the file that has their messages.
func (all referenceServers) incidents() (texts []string) {
	for _, s := range all {
		for _, text := range s.process().Incidents() {
			texts = append(texts, fmt.Sprintf("the reference server: %s; see %s", text, filepath.Base(s.log.Name())))
		}
	}
	return texts
}

// stop stops all instances at the same time, as far as they were started.
func (all referenceServers) stop(ctx context.Context) error {
	faults := make([]error, len(all))
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() { faults[i] = s.stop(ctx) })
	}
	wait.Wait()
	return errors.Join(faults...)
}
