package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// containerInterval is how often the engine is asked for the state of a container that is to end.
const containerInterval = 20 * time.Millisecond

// dockerServer is one server in a container.
type dockerServer struct {
	run       *dockerRun
	image     string
	container testcontainers.Container
	host      string
	port      int // as reached from here
	inside    int // the server's own
	ask       func(ctx context.Context, host string, port int) (Server, error)

	paused, down bool   // by a fault
	since        string // when the container was started; empty until that has been looked at
}

// locate finds out where the server is reached.
func (s *dockerServer) locate(ctx context.Context) (err error) {
	s.host, s.port = loopback, s.inside
	if s.run.engine.hostNetwork {
		return nil
	}
	s.host, err = s.container.Host(ctx)
	if err != nil {
		return fmt.Errorf("find the container's host: %w", err)
	}
	mapped, err := s.container.MappedPort(ctx, strconv.Itoa(s.inside)+"/tcp")
	if err != nil {
		return errors.Join(err, s.alive(ctx))
	}
	s.port = int(mapped.Num())
	return nil
}

// await waits until the server answers.
func (s *dockerServer) await(ctx context.Context) (Server, error) {
	return awaitServer(ctx, func(ctx context.Context) (Server, error) { return s.ask(ctx, s.host, s.port) }, s.alive)
}

// alive returns an error with the end of the container's log when it no longer runs.
func (s *dockerServer) alive(ctx context.Context) error {
	state, err := s.container.State(ctx)
	if err != nil {
		return fmt.Errorf("ask whether the container runs: %w", err)
	}
	if state.Running {
		return nil
	}
	logs, err := s.container.Logs(ctx)
	if err != nil {
		return fmt.Errorf("the container of %s ended, and its log cannot be read: %w", s.image, err)
	}
	defer func() { _ = logs.Close() }()
	output, err := io.ReadAll(io.LimitReader(logs, 1<<20))
	if err != nil {
		return fmt.Errorf("the container of %s ended, and its log cannot be read: %w", s.image, err)
	}
	return serverFailure("the container of "+s.image, string(output[max(0, len(output)-4096):]))
}

func (s *dockerServer) kill(ctx context.Context) error {
	s.down = true
	_, err := s.run.engine.client.ContainerKill(ctx, s.container.GetContainerID(),
		client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	for {
		state, err := s.container.State(ctx)
		if err != nil {
			return fmt.Errorf("ask whether the container still runs: %w", err)
		}
		if !state.Running {
			return nil
		}
		select {
		case <-time.After(containerInterval):
		case <-ctx.Done():
			return fmt.Errorf("the container still runs after SIGKILL: %w", context.Cause(ctx))
		}
	}
}

func (s *dockerServer) pause(ctx context.Context) error {
	_, err := s.run.engine.client.ContainerPause(ctx, s.container.GetContainerID(), client.ContainerPauseOptions{})
	s.paused = err == nil
	return err
}

func (s *dockerServer) resume(ctx context.Context) error {
	state, err := s.container.State(ctx)
	if err != nil {
		return fmt.Errorf("ask whether the container is paused: %w", err)
	}
	if !state.Paused {
		return errNotPaused
	}
	_, err = s.run.engine.client.ContainerUnpause(ctx, s.container.GetContainerID(), client.ContainerUnpauseOptions{})
	s.paused = s.paused && err != nil
	return err
}

func (s *dockerServer) restart(ctx context.Context) error {
	state, err := s.container.State(ctx)
	if err != nil {
		return fmt.Errorf("ask whether the container runs: %w", err)
	}
	if state.Running {
		if err := s.kill(ctx); err != nil {
			return err
		}
	}
	if _, err := s.run.engine.client.ContainerStart(ctx, s.container.GetContainerID(),
		client.ContainerStartOptions{}); err != nil {
		return err
	}
	host, port := s.host, s.port
	if err := s.locate(ctx); err != nil {
		return err
	}
	if s.host != host || s.port != port {
		return fmt.Errorf("the engine brought it back at port %d instead of %d: only an engine on this machine can "+
			"keep the port", s.port, port)
	}
	s.down, s.paused, s.since = false, false, ""
	_, err = s.await(ctx)
	return err
}
