package wire

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// newSocketIO prepares what moves a loop's bytes.
func newSocketIO(l *loop, by Backend) (socketIO, waker, error) {
	if by == NetConn {
		io, w := newNetIO(l)
		return io, w, nil
	}
	if by == IOUring && !ringsWork() {
		return nil, nil, fmt.Errorf("this machine has no io_uring")
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("create an eventfd: %w", err)
	}
	w := eventfd(fd)
	p, err := newEpollIO(l, w)
	if err != nil {
		w.close()
		return nil, nil, err
	}
	p.ring = by == IOUring || by == Best && ringsWork()
	return p, w, nil
}

// ringsVariable set to "off" makes the wire engine do without io_uring, as on a machine that has none.
const ringsVariable = "HEADROOM_IO_URING"

// ringsWork tries once whether an io_uring can be used.
var ringsWork = sync.OnceValue(func() bool {
	if os.Getenv(ringsVariable) == "off" {
		return false
	}
	works := make(chan error)
	go func() {
		runtime.LockOSThread() // a ring belongs to a thread; this one ends with the goroutine
		works <- uringWorks()
	}()
	return <-works == nil
})

// eventfd is a waker that a wait for sockets can wait for too.
type eventfd int

func (w eventfd) wake() {
	one := [8]byte{1}
	_, _ = unix.Write(int(w), one[:]) // it fails only when a wake-up is pending already
}

func (w eventfd) close() { unix.Close(int(w)) }

func socketAddress(to net.Addr) (family int, address unix.Sockaddr) {
	a, ok := to.(*net.TCPAddr)
	if !ok {
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: to.String()}
	}
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: a.Port, Addr: [16]byte(a.IP.To16())}
}

// openSocket makes a connection's socket.
func openSocket(c *conn, family int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.fd = fd
	// A request is one write and its answer is waited for, so Nagle's algorithm could only delay it. It fails on a Unix
	// socket alone.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	return nil
}

// Backends are those that this machine has.
func Backends() []Backend {
	if !ringsWork() {
		return []Backend{Epoll, NetConn}
	}
	return []Backend{IOUring, Epoll, NetConn}
}
