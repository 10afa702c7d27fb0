// Package lightserver is a server for tests and benchmarks that is light enough not to be the limit of the generator
// that loads it: one thread, no parsing beyond the blank line that ends a request without a body, one answer for all.
package lightserver

import (
	"bytes"
	"crypto/tls"
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
	Port int
	// Freeze, when set before Run, makes the server stop for a while, again and again.
	Freeze Freeze
	// HTTP2, when set before Run, makes the server speak HTTP/2, without being asked whether it does, in place of
	// HTTP/1.1.
	HTTP2 bool

	config   *tls.Config // nil: plain HTTP
	secured  []*secured  // the connections by TLS, by file descriptor
	began    time.Time   // the first request
	listener int
	epoll    int
	lives    []uint32 // of the connections, by file descriptor
	pending  []pending
	buffer   []byte
	delay    time.Duration
	frames   []frames // of the connections of HTTP/2, by file descriptor
	out      []byte   // what is to be sent on the present one
}

// Freeze is a server's stop for a time of For in each period of Every, the first one half a period after the first
// request. Meanwhile it neither reads nor answers, as if it had been sent SIGSTOP. Zero: none.
type Freeze struct{ Every, For time.Duration }

// left is what is left of a stop at an instant since the first request; 0 when there is none.
func (f Freeze) left(since time.Duration) time.Duration {
	if f.Every == 0 {
		return 0
	}
	stopped := since%f.Every - f.Every/2
	if stopped < 0 || stopped >= f.For {
		return 0
	}
	return f.For - stopped
}

// Secure has the server speak TLS 1.3, with a certificate that it signs itself. It is called before Run.
func (s *Server) Secure() (err error) {
	s.config, err = serverConfig()
	return err
}

// pending is an answer that is due later.
type pending struct {
	due  time.Time
	fd   int
	life uint32

	stream uint32 // of HTTP/2
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
	if err := unix.Listen(s.listener, 4096); err != nil {
		return err
	}
	address, err := unix.Getsockname(s.listener)
	if err != nil {
		return err
	}
	s.Port = address.(*unix.SockaddrInet4).Port
	s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
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

// watchAhead is how long before an answer is due Run watches the clock instead of sleeping: what a wake-up takes would
// make every answer late, and where a queue is worked off the lateness adds up.
const watchAhead = 100 * time.Microsecond

// Run serves on the calling goroutine's thread until the process ends or the system refuses to go on.
func (s *Server) Run() error {
	runtime.LockOSThread()
	defer s.close()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // a delay is merely less exact without it
	events := make([]unix.EpollEvent, 256)
	for {
		var timeout *unix.Timespec
		if len(s.pending) > 0 {
			spec := unix.NsecToTimespec(max(0, int64(time.Until(s.pending[0].due)-watchAhead)))
			timeout = &spec
		}
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&events[0])),
			uintptr(len(events)), uintptr(unsafe.Pointer(timeout)), 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("light server: %w", errno)
		}
		s.stop()
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

// stop is the freeze.
func (s *Server) stop() {
	if s.Freeze.Every == 0 || s.began.IsZero() {
		return
	}
	for left := s.Freeze.left(time.Since(s.began)); left > 0; left = s.Freeze.left(time.Since(s.began)) {
		spec := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&spec, nil) // a signal may end it early: it comes round again
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
	if s.config != nil {
		if err := s.secure(conn); err != nil {
			unix.Close(conn) // it was the client's fault
			return nil
		}
	}
	for len(s.lives) <= conn {
		s.lives, s.frames = append(s.lives, 0), append(s.frames, frames{})
	}
	s.frames[conn] = frames{partial: s.frames[conn].partial[:0]}
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
	if s.HTTP2 {
		s.readFrames(fd, s.buffer[:n])
		return
	}
	for range s.requests(fd, s.buffer[:n]) {
		s.asked(fd, 0)
	}
}

// asked takes a request, of that stream where there is one.
func (s *Server) asked(fd int, stream uint32) {
	if s.Freeze.Every > 0 && s.began.IsZero() {
		s.began = time.Now()
	}
	switch {
	case s.delay > 0:
		s.pending = append(s.pending, pending{time.Now().Add(s.delay), fd, s.lives[fd], stream})
	case s.HTTP2:
		s.out = appendAnswer(s.out, stream)
	default:
		s.answer(fd)
	}
}

// requests counts the requests that have come on a connection.
func (s *Server) requests(fd int, data []byte) int {
	if s.config != nil {
		return s.secured[fd].requests(data)
	}
	return bytes.Count(data, blankLine)
}

// answerTo is what is sent on a connection for a request.
func (s *Server) answerTo(fd int) []byte {
	if s.config != nil {
		return s.secured[fd].seal(answer)
	}
	return answer
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
		switch {
		case s.lives[p.fd] != p.life:
		case s.HTTP2:
			s.out = appendAnswer(s.out[:0], p.stream)
			_, _ = unix.Write(p.fd, s.out)
		default:
			s.answer(p.fd)
		}
		done++
	}
	s.pending = append(s.pending[:0], s.pending[done:]...)
}

func (s *Server) answer(fd int) {
	// What does not fit into the socket's buffer is for a client that does not read; it sees its answer cut.
	_, _ = unix.Write(fd, s.answerTo(fd))
}

var answer = []byte(Answer)
