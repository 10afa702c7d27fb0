package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// ServiceSpec says how a service of the user's own is started.
type ServiceSpec struct {
	// Command is a line for the shell. {{address}} stands for the host and port at which the service is to listen, as
	// 127.0.0.1:41234, {{port}} for the port alone. A signal to stop reaches the shell, where it has not been
	// replaced by the last command of the line, and all that it has started.
	Command string
	// Dir is the working directory; empty means the current.
	Dir string
	// Env is the environment; nil means that of this process.
	Env []string
	// Ready is the path that answers a GET with a status below 400 once the service is ready; empty means that it is
	// ready once its port takes connections.
	Ready string
	// ReadyWithin is how long the service may take to be ready; 0 means 30 s.
	ReadyWithin time.Duration
	// Log is the file that gets the service's output; it must not be empty.
	Log string
}

const (
	defaultReadyWithin = 30 * time.Second
	readyInterval      = 20 * time.Millisecond
	readyTimeout       = 2 * time.Second // of one question
)

// Service is a running service of the user's own. It ends when this process ends, however that happens.
type Service struct {
	*Child
	// URL is http://host:port.
	URL string
	log *os.File
}

// StartService starts a service on a free port of the loopback interface and waits until it is ready. The error of one
// that ends before, or is not ready in time, has the end of its output.
func StartService(ctx context.Context, spec ServiceSpec) (*Service, error) {
	var s *Service
	err := onFreePort(func(port int) (err error) {
		s, err = startService(ctx, spec, port)
		return err
	})
	return s, err
}

func startService(ctx context.Context, spec ServiceSpec, port int) (*Service, error) {
	log, err := os.Create(spec.Log)
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	address := net.JoinHostPort(loopback, strconv.Itoa(port))
	line := strings.NewReplacer("{{address}}", address, "{{port}}", strconv.Itoa(port)).Replace(spec.Command)
	child, err := StartChild(ctx, ChildSpec{
		Path: "/bin/sh", Args: []string{"-c", line}, Dir: spec.Dir, Env: spec.Env, Stdout: log, Stderr: log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the service: %w", err), log.Close())
	}
	s := &Service{Child: child, URL: "http://" + address, log: log}
	if err := s.awaitReady(ctx, spec, address); err != nil {
		err = fmt.Errorf("start the service by %q: %w", line, err)
		return nil, errors.Join(err, s.Stop(ctx))
	}
	return s, nil
}

// awaitReady waits until the service answers, has ended, or takes too long.
func (s *Service) awaitReady(ctx context.Context, spec ServiceSpec, address string) error {
	within := spec.ReadyWithin
	if within == 0 {
		within = defaultReadyWithin
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it was not ready after %v", within))
	defer cancel()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	var answer error
	for {
		last := isReady(ctx, address, spec.Ready)
		if last == nil {
			return nil
		}
		if answer == nil || ctx.Err() == nil { // the end of the time is not what was missing
			answer = last
		}
		select {
		case <-s.Done():
			how := "it ended"
			if err := s.Err(); err != nil {
				how = err.Error()
			}
			output := LogTail(spec.Log)
			failure := fmt.Errorf("%s; the end of its output:\n%s", how, output)
			if strings.Contains(strings.ToLower(output), "address already in use") {
				failure = fmt.Errorf("%w: %w", errPortTaken, failure)
			}
			return failure
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; the end of its output:\n%s", context.Cause(ctx), answer, LogTail(spec.Log))
		case <-tick.C:
		}
	}
}

// isReady asks once; the error says what is missing.
func isReady(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if path == "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // its content does not matter
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("GET %s answers %s", path, resp.Status)
	}
	return nil
}

// Stop asks the service, and all that its command line has started, to end, kills what does not within ten seconds, and
// closes the log.
func (s *Service) Stop(ctx context.Context) error {
	return errors.Join(s.Child.stopGroup(ctx), s.log.Close())
}
