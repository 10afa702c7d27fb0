package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// ImageSpec says how a service of the user's own is started from a container image.
type ImageSpec struct {
	Image string
	// Arguments are words for the image's program, separated by blanks, in which {{address}} and {{port}} stand for
	// where it is to listen. Where containers can share this machine's network, one with arguments does. Any other is
	// reached through a mapped port, which must be the only one that its image exposes.
	Arguments string
	// Ready and ReadyWithin are those of a ServiceSpec.
	Ready       string
	ReadyWithin time.Duration
	// Log is the file that gets the container's output when it is stopped; it must not be empty.
	Log string
}

// ImageService is a service in a container. The reaper of testcontainers removes it when this process ends.
type ImageService struct {
	URL string
	// Mapped says that requests go through Docker's proxy.
	Mapped bool

	run *dockerRun
	ctr testcontainers.Container
	pid int
	log string
}

// PullImages pulls those of the images that the engine does not have, and says so.
func PullImages(ctx context.Context, progress func(string), images ...string) error {
	e, err := dialEngine(ctx)
	if err != nil {
		return err
	}
	r := &dockerRun{engine: e}
	return errors.Join(r.pullMissing(ctx, Options{Progress: progress}, images...), r.close(ctx))
}

// StartImage starts a service from an image and waits until it is ready. A missing image is pulled.
func StartImage(ctx context.Context, spec ImageSpec) (_ *ImageService, err error) {
	e, err := dialEngine(ctx)
	if err != nil {
		return nil, err
	}
	e.hostNetwork = e.hostNetwork && spec.Arguments != ""
	s := &ImageService{run: &dockerRun{engine: e, mark: newPassword()}, log: spec.Log, Mapped: !e.hostNetwork}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start the image %s: %w", spec.Image, err),
				s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	options := Options{Progress: func(string) {}}
	if err := s.run.pullMissing(ctx, options, spec.Image); err != nil {
		return nil, err
	}
	inside, err := s.insidePort(ctx, spec)
	if err != nil {
		return nil, err
	}
	return s, onFreePort(func(free int) error { return s.start(ctx, spec, inside, free) })
}

// insidePort is the port that the image exposes; 0 for a container that shares this machine's network.
func (s *ImageService) insidePort(ctx context.Context, spec ImageSpec) (int, error) {
	if s.run.engine.hostNetwork {
		return 0, nil
	}
	inspected, err := s.run.engine.client.ImageInspect(ctx, spec.Image)
	if err != nil {
		return 0, err
	}
	var ports []string
	if inspected.Config != nil {
		for port := range inspected.Config.ExposedPorts {
			ports = append(ports, port)
		}
	}
	if len(ports) != 1 {
		return 0, fmt.Errorf("it exposes %d ports (%s): it must expose the one at which it serves, or take arguments "+
			"with {{address}} or {{port}}", len(ports), strings.Join(ports, ", "))
	}
	number, protocol, _ := strings.Cut(ports[0], "/")
	if protocol != "" && protocol != "tcp" {
		return 0, fmt.Errorf("it exposes the port %s, which is not of TCP", ports[0])
	}
	return strconv.Atoi(number)
}

func (s *ImageService) start(ctx context.Context, spec ImageSpec, inside, free int) error {
	address, port := s.run.listen(free, inside)
	q := request{image: spec.Image, port: port, hostPort: free}
	listen := net.JoinHostPort(address, strconv.Itoa(port))
	fill := strings.NewReplacer("{{address}}", listen, "{{port}}", strconv.Itoa(port))
	for _, word := range strings.Fields(spec.Arguments) {
		q.args = append(q.args, fill.Replace(word))
	}
	ctr, err := s.run.run(ctx, q)
	if err != nil {
		return err
	}
	s.ctr = ctr
	server := &dockerServer{run: s.run, image: spec.Image, container: ctr, inside: port}
	if err := server.locate(ctx); err != nil {
		return err
	}
	reached := net.JoinHostPort(server.host, strconv.Itoa(server.port))
	if err := s.awaitReady(ctx, spec, server, reached); err != nil {
		return err
	}
	s.URL = "http://" + reached
	inspected, err := s.run.engine.client.ContainerInspect(ctx, ctr.GetContainerID(), client.ContainerInspectOptions{})
	if err == nil && inspected.Container.State != nil && s.run.engine.local {
		s.pid = inspected.Container.State.Pid
	}
	return err
}

func (s *ImageService) awaitReady(ctx context.Context, spec ImageSpec, server *dockerServer, address string) error {
	within := spec.ReadyWithin
	if within == 0 {
		within = defaultReadyWithin
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it was not ready after %v", within))
	defer cancel()
	for {
		missing := isReady(ctx, address, spec.Ready)
		if missing == nil && s.Mapped && spec.Ready == "" {
			missing = staysOpen(ctx, address)
		}
		if missing == nil {
			return nil
		}
		if err := server.alive(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		select {
		case <-time.After(containerInterval):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), missing)
		}
	}
}

// staysOpen says whether somebody is behind Docker's proxy, which takes connections before the service does, and then
// closes them at once.
func staysOpen(ctx context.Context, address string) error {
	const moment = 200 * time.Millisecond
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(moment)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("nobody is behind the mapped port: %w", err)
}

// CPUTime is the CPU time that the container has taken, by its control group.
func (s *ImageService) CPUTime() (time.Duration, error) {
	if s.pid == 0 {
		return 0, errors.New("read the CPU time of a container: the engine is not on this machine")
	}
	return cgroupTime(s.pid)
}

// Stop saves the container's output and removes the container.
func (s *ImageService) Stop(ctx context.Context) error {
	var err error
	if s.ctr != nil {
		err = s.saveLog(ctx)
	}
	return errors.Join(err, s.run.close(ctx))
}

func (s *ImageService) saveLog(ctx context.Context) error {
	logs, err := s.ctr.Logs(ctx)
	if err != nil {
		return fmt.Errorf("read the container's output: %w", err)
	}
	defer func() { _ = logs.Close() }()
	file, err := os.Create(s.log)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, io.LimitReader(logs, 1<<20))
	return errors.Join(err, file.Close())
}
