package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/wire"
)

// newCarrier returns what carries the bytes of a loop: an epoll, but for HTTPS and Unix sockets.
func newCarrier(ctx context.Context, l *loop, to *connect.To, target []*url.URL, portable bool) (carrier, error) {
	if portable || target[0].Scheme != "http" || to.Socket != "" {
		return newNetCarrier(l, to, target), nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an epoll: %w", err)
	}
	p := &epoll{loop: l, fd: fd, buffer: make([]byte, 64<<10)}
	for _, u := range target {
		address, err := wire.Resolve(ctx, u)
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		if ip := address.IP.To4(); ip != nil {
			p.addresses = append(p.addresses, &unix.SockaddrInet4{Port: address.Port, Addr: [4]byte(ip)})
		} else {
			p.addresses = append(p.addresses, &unix.SockaddrInet6{
				Port: address.Port,
				Addr: [16]byte(address.IP.To16()),
			})
		}
	}
	return p, nil
}

// epoll waits for all sockets of a loop at once, level-triggered: for each that has something to read, one read, of
// which what is left over is told again.
type epoll struct {
	loop      *loop
	fd        int
	addresses []unix.Sockaddr // of the instances
	events    [256]unix.EpollEvent
	buffer    []byte
	spare     [][]byte      // of requests that have been sent
	round     time.Duration // when the wait before the present one returned
}

func (p *epoll) name() string { return "epoll" }

func (p *epoll) wake() {} // no other goroutine touches the loop

func (p *epoll) end() { unix.Close(p.fd) }

// open begins to connect; the request is written when the connection stands.
func (p *epoll) open(s *subscriber, request []byte) error {
	to := p.addresses[s.instance]
	family := unix.AF_INET
	if _, six := to.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return err
	}
	s.fd = fd
	if n := len(p.spare); n > 0 {
		s.out, p.spare = p.spare[n-1][:0], p.spare[:n-1]
	}
	s.out = append(s.out, request...)
	if err := p.watch(unix.EPOLL_CTL_ADD, s, unix.EPOLLOUT); err != nil {
		return err
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return nil
}

// watch asks for events of a socket; the slot and the life of its subscriber come back in Fd and Pad.
func (p *epoll) watch(op int, s *subscriber, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: s.slot, Pad: s.life}
	if err := unix.EpollCtl(p.fd, op, s.fd, &e); err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return nil
}

// close closes a subscriber's socket, which ends its watch.
func (p *epoll) close(s *subscriber) {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
	p.giveBack(s)
}

// giveBack takes the buffer of a request that is needed no longer.
func (p *epoll) giveBack(s *subscriber) {
	if s.out != nil {
		p.spare = append(p.spare, s.out)
		s.out = nil
	}
}

func (p *epoll) wait(timeout time.Duration) {
	// Bytes that are there at once may have come since the wait before returned: so long the loop has been busy. Only
	// when there are none it sleeps.
	since := p.round
	n := p.poll(0)
	if n == 0 && timeout > 0 {
		n = p.poll(max(1, int((timeout+time.Millisecond-1)/time.Millisecond)))
		p.loop.clock()
		since = p.loop.now
	}
	p.loop.clock()
	p.round = p.loop.now
	for i := range p.events[:n] {
		e := &p.events[i]
		s := &p.loop.subscribers[e.Fd]
		if s.life == e.Pad && s.fd >= 0 {
			p.handle(s, since)
		}
	}
}

// poll asks for events, and waits for so many milliseconds at most. A poll that does not wait is no business of Go's
// scheduler.
func (p *epoll) poll(millis int) int {
	if millis > 0 {
		n, err := unix.EpollWait(p.fd, p.events[:], millis)
		if err != nil { // EINTR: the loop comes round again
			return 0
		}
		return n
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// handle does what a subscriber's socket is ready for.
func (p *epoll) handle(s *subscriber, since time.Duration) {
	if s.state == connecting {
		p.write(s)
		return
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&p.buffer[0])),
		uintptr(len(p.buffer)), 0, 0, 0)
	// Bytes that came while the others were read must not seem to have come earlier than they were sent.
	p.loop.clock()
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		p.loop.failed(s, errno)
	case n == 0:
		p.loop.hungUp(s)
	default:
		p.loop.recorder.Waited(p.loop.now, p.loop.now-since)
		p.loop.received(s, p.buffer[:n])
	}
}

// write sends the request, or the rest of it, on a connection that stands; on one that failed it says so.
func (p *epoll) write(s *subscriber) {
	p.loop.clock()
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		p.loop.failed(s, err)
		return
	}
	n, err := unix.SendmsgN(s.fd, s.out, nil, nil, unix.MSG_NOSIGNAL)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil:
		p.loop.failed(s, err)
		return
	case n < len(s.out):
		s.out = s.out[:copy(s.out, s.out[n:])]
		return
	}
	p.giveBack(s)
	s.state = asking
	if err := p.watch(unix.EPOLL_CTL_MOD, s, unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		p.loop.failed(s, err)
	}
}
