// Package lightserver is a server for tests and benchmarks that is light enough not to be the limit of the generator that
// loads it: one thread, no parsing beyond the blank line that ends a request without a body, one answer for all.
package lightserver

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Answer is what every request is answered with.
const Answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n"

// Server listens on a port of the loopback address.
type Server struct {
	Port     int
	listener int
	epoll    int
	lives    []uint32 // of the connections, by file descriptor
	pending  []pending
	buffer   []byte
	delay    time.Duration
}

// pending is an answer that is due later.
type pending struct {
	due  time.Time
	fd   int
	life uint32
}

// Listen begins to listen; delay is the time from a request to its answer.
func Listen(delay time.Duration) (*Server, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("light server: %w", err)
	}
	s := &Server{listener: fd, epoll: -1, buffer: make([]byte, 64<<10), delay: delay}
	if err := s.listen(); err != nil {
		s.close()
		return nil, fmt.Errorf("light server: %w", err)
	}
	return s, nil
}

func (s *Server) listen() error {
	if err := unix.Bind(s.listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(s.listener, 1024); err != nil {
		return err
	}
	address, err := unix.Getsockname(s.listener)
	if err != nil {
		return err
	}
	s.Port = address.(*unix.SockaddrInet4).Port
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return s.watch(s.listener)
}

func (s *Server) watch(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (s *Server) close() {
	unix.Close(s.listener)
	if s.epoll >= 0 {
		unix.Close(s.epoll)
	}
}

// Run serves on the calling goroutine's thread until the process ends or the system refuses to go on.
func (s *Server) Run() error {
	runtime.LockOSThread()
	defer s.close()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // a delay is merely less exact without it
	events := make([]unix.EpollEvent, 256)
	for {
		var timeout *unix.Timespec
		if len(s.pending) > 0 {
			spec := unix.NsecToTimespec(max(0, int64(time.Until(s.pending[0].due))))
			timeout = &spec
		}
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&events[0])),
			uintptr(len(events)), uintptr(unsafe.Pointer(timeout)), 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("light server: %w", errno)
		}
		if errno == 0 {
			for _, e := range events[:n] {
				if err := s.handle(int(e.Fd)); err != nil {
					return fmt.Errorf("light server: %w", err)
				}
			}
		}
		s.answerDue()
	}
}

func (s *Server) handle(fd int) error {
	if fd != s.listener {
		s.read(fd)
		return nil
	}
	conn, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ECONNABORTED) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(conn, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	for len(s.lives) <= conn {
		s.lives = append(s.lives, 0)
	}
	s.lives[conn]++
	return s.watch(conn)
}

var blankLine = []byte("\r\n\r\n")

// read takes the requests that have come on a connection. One that comes in pieces is counted when its blank line comes
// whole.
func (s *Server) read(fd int) {
	n, err := unix.Read(fd, s.buffer)
	if errors.Is(err, unix.EAGAIN) {
		return
	}
	if n <= 0 || err != nil {
		s.lives[fd]++
		unix.Close(fd)
		return
	}
	for range bytes.Count(s.buffer[:n], blankLine) {
		if s.delay == 0 {
			s.answer(fd)
			continue
		}
		s.pending = append(s.pending, pending{time.Now().Add(s.delay), fd, s.lives[fd]})
	}
}

// answerDue sends the answers whose time has come. All wait equally long, so the first is the one that came first.
func (s *Server) answerDue() {
	if len(s.pending) == 0 {
		return
	}
	now, done := time.Now(), 0
	for _, p := range s.pending {
		if p.due.After(now) {
			break
		}
		if s.lives[p.fd] == p.life {
			s.answer(p.fd)
		}
		done++
	}
	s.pending = append(s.pending[:0], s.pending[done:]...)
}

func (s *Server) answer(fd int) {
	// What does not fit into the socket's buffer is for a client that does not read; it sees its answer cut.
	_, _ = unix.Write(fd, answer)
}

var answer = []byte(Answer)
