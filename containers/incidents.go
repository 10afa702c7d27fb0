package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Incidents returns what has happened to the servers since the last call and was not caused by Fault, one sentence
// each: a server ended, was killed, frozen or restarted, or ran out of disk space. With ask, each server must also
// answer a query within five seconds. While Fault is at work, Incidents returns nothing.
func (e *Environment) Incidents(ctx context.Context, ask bool) []string {
	if !e.faultMutex.TryLock() {
		return nil
	}
	defer e.faultMutex.Unlock()
	var all []string
	targets := []Target{TargetPrimary, TargetReplica, TargetCache, TargetBalancer}
	for n := range e.edges {
		targets = append(targets, EdgeTarget(n))
	}
	for _, r := range e.Regions {
		targets = append(targets, ReplicaOf(r.Name))
	}
	for _, target := range targets {
		server, ok := e.servers[target]
		if !ok {
			continue
		}
		for _, what := range server.incidents(ctx, ask) {
			text := "the " + string(target) + ": " + what
			if !slices.Contains(e.reported, text) {
				e.reported = append(e.reported, text)
				all = append(all, text)
			}
		}
	}
	return all
}

// unanswered is the incident of a server that gives no answer.
func unanswered(err error) string { return "it does not respond: " + oneLine(err) }

func (s *processServer) incidents(ctx context.Context, ask bool) []string {
	if s.paused || s.down {
		return nil // by a fault
	}
	all := s.child.Incidents()
	if !s.running() {
		return append(all, s.troubleInLog()...)
	}
	for _, pid := range helpersOf(s.child.Pid()) {
		if state, _, err := processState(pid); err == nil && state == 'T' {
			all = append(all, fmt.Sprintf("its process %d is frozen (stopped by a signal)", pid))
		}
	}
	all = append(all, s.troubleInLog()...)
	if ask && len(all) == 0 {
		if _, err := s.ask(ctx); err != nil && ctx.Err() == nil {
			all = append(all, unanswered(err))
		}
	}
	return all
}

// trouble matches what PostgreSQL logs when one of its processes was killed or crashed, and when the disk is full. The
// servers run in locale C.
var trouble = regexp.MustCompile(
	`(?m)^.*\b(?:LOG|ERROR|FATAL|PANIC):  (.*(?:was terminated by signal|No space left on device).*)$`)

// troubleInLog returns the first new line of trouble in the server's log.
func (s *processServer) troubleInLog() []string {
	file, err := os.Open(filepath.Join(s.workshop.dir, s.log))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.NewSectionReader(file, s.logRead, 1<<20))
	if err != nil {
		return nil
	}
	whole := strings.LastIndexByte(string(content), '\n') + 1
	s.logRead += int64(whole)
	var all []string
	for _, match := range trouble.FindAllStringSubmatch(string(content[:whole]), -1) {
		if text := "its log says: " + match[1]; len(all) == 0 { // later ones follow from the first
			all = append(all, text)
		}
	}
	return all
}

func (s *dockerServer) incidents(ctx context.Context, ask bool) []string {
	if s.paused || s.down {
		return nil
	}
	state, err := s.container.State(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return []string{"the state of its container is unknown: " + oneLine(err)}
	case state.OOMKilled:
		return []string{"its container was killed because it ran out of memory"}
	case !state.Running:
		return []string{fmt.Sprintf("its container ended with exit code %d", state.ExitCode)}
	case state.Paused:
		return []string{"its container is paused"}
	}
	if s.since == "" {
		s.since = state.StartedAt
	}
	if s.since != state.StartedAt {
		return []string{"its container was restarted"}
	}
	if s.run.engine.local && runtime.GOOS == "linux" {
		if frozen, _, err := processState(state.Pid); err == nil && frozen == 'T' {
			return []string{fmt.Sprintf("its process %d is frozen (stopped by a signal)", state.Pid)}
		}
	}
	if ask {
		if _, err := s.ask(ctx, s.host, s.port); err != nil && ctx.Err() == nil {
			return []string{unanswered(err)}
		}
	}
	return nil
}

// A cache inside this process ends with it.
func (miniredisServer) incidents(context.Context, bool) []string { return nil }

// Incidents returns what has happened to the child since the last call and was not caused by Stop, Kill or Pause: it
// ended, or it was stopped by a signal and, on Linux, continued. Its end is in every answer.
func (c *Child) Incidents() []string {
	select {
	case <-c.done:
		if c.stopping.Load() {
			return nil
		}
		return []string{c.ending()}
	default:
	}
	if c.paused.Load() {
		return nil
	}
	stopped, continued := stopsOf(c.pid)
	state, _, err := processState(c.pid)
	switch {
	case err == nil && state == 'T':
		return []string{fmt.Sprintf("process %d is frozen (stopped by a signal)", c.pid)}
	case stopped || continued:
		return []string{fmt.Sprintf("process %d was frozen for a time (stopped by a signal, and continued)", c.pid)}
	}
	return nil
}

// ending describes how a child ended.
func (c *Child) ending() string {
	if exit, ok := errors.AsType[*exec.ExitError](c.err); ok {
		return fmt.Sprintf("process %d ended: %v", c.pid, exit)
	}
	if c.err != nil {
		return fmt.Sprintf("process %d ended: %v", c.pid, c.err)
	}
	return fmt.Sprintf("process %d ended by itself with exit status 0", c.pid)
}
