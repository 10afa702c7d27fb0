package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

const (
	// drainDelay is how long an instance that is to end goes on serving, so that a balancer that asks whether it is
	// ready has noticed that it is not.
	drainDelay = time.Second
	// drainLimit is how long an instance may take to end before it is killed: more than its drain delay and the grace
	// for requests in progress.
	drainLimit = 20 * time.Second
	// settleTime is how long a rolling restart waits before it goes on: longer than a balancer leaves out an instance
	// that did not answer.
	settleTime = 2 * time.Second
	// accountLimit bounds the question to an instance for its account before it goes, and accountEvery is how often one
	// that finishes its requests is asked.
	accountLimit = 2 * time.Second
	accountEvery = 100 * time.Millisecond
)

// isOfInstance reports whether a fault happens to instances of the reference server.
func isOfInstance(f scenarios.Fault) bool {
	return f.Target == scenarios.TargetInstance || f.Target == scenarios.TargetInstances
}

// fault injects a fault into an instance, or into all of them, and returns when it has happened.
func (all referenceServers) fault(ctx context.Context, f scenarios.Fault) error {
	var err error
	switch s := all[max(f.Instance, 1)-1]; f.Action {
	case scenarios.RollingRestart:
		err = all.rollingRestart(ctx)
	case "kill":
		err = s.kill(ctx)
	case "pause":
		err = s.pause(ctx)
	case "resume":
		err = s.resume()
	case "restart":
		err = s.restart(ctx)
	default:
		err = errors.New("there is no such action")
	}
	if err != nil {
		return fmt.Errorf("fault %s: %w", f, err)
	}
	return nil
}

// rollingRestart asks one instance after the other to end, and starts each again before the next.
func (all referenceServers) rollingRestart(ctx context.Context) error {
	for i, s := range all {
		if i > 0 {
			select {
			case <-time.After(settleTime):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := s.drain(ctx)
		if err == nil {
			err = s.again(ctx)
		}
		if err != nil {
			return fmt.Errorf("instance %d: %w", i+1, err)
		}
	}
	return nil
}

// kill ends the process. What it does between its last account and its end is in no account.
func (s *referenceServer) kill(ctx context.Context) error {
	s.freeze(ctx)
	err := s.process().Kill(ctx)
	if err == nil {
		s.holdNothing()
	}
	return err
}

func (s *referenceServer) pause(ctx context.Context) error {
	s.freeze(ctx)
	return s.process().Pause(ctx)
}

func (s *referenceServer) resume() error {
	err := s.process().Resume()
	if err == nil {
		s.keep(nil)
	}
	return err
}

// restart starts the server again at the same address, after killing it if it still runs.
func (s *referenceServer) restart(ctx context.Context) error {
	select {
	case <-s.process().Done():
	default:
		if err := s.kill(ctx); err != nil {
			return err
		}
	}
	return s.again(ctx)
}

// drain asks the process to end, and waits until it has finished its requests. Meanwhile it is asked for its account.
func (s *referenceServer) drain(ctx context.Context) error {
	s.freeze(ctx)
	ended := make(chan error, 1)
	child := s.process()
	go func() { ended <- child.Stop(ctx) }()
	tick := time.NewTicker(accountEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			s.holdNothing()
			return err
		case <-tick.C:
			if account, err := s.account(ctx); err == nil {
				s.keep(&account)
				s.figures.takeLast(ctx)
			}
		}
	}
}

// again starts the process anew, at the address that it had.
func (s *referenceServer) again(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.frozen = s.frozen, nil
	return nil
}

// freeze keeps the account of a server that will not answer: as it is, or as it was when it answered last.
func (s *referenceServer) freeze(ctx context.Context) {
	if s.isDown() {
		return
	}
	account, err := s.account(ctx)
	if latest := s.latest.Load(); err != nil && latest != nil {
		account = *latest
	}
	s.figures.takeLast(ctx)
	s.keep(&account)
}

// holdNothing is for a process that has ended: what it held is free, what it counted stays in its account.
func (s *referenceServer) holdNothing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		return
	}
	account := *s.frozen
	account.Footprint = results.Footprint{}
	s.frozen = &account
}

// account asks the process itself.
func (s *referenceServer) account(ctx context.Context) (results.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, accountLimit)
	defer cancel()
	return s.ask(ctx, "/snapshot")
}

// keep sets the account that is given in place of the server's answer; nil for none.
func (s *referenceServer) keep(account *results.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = account
}

// isDown reports whether a fault keeps the server from answering.
func (s *referenceServer) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen != nil
}
