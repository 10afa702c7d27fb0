package wire

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/wire/uring"
)

// epollIO waits for many sockets at once, edge-triggered, with timeouts to the nanosecond.
type epollIO struct {
	loop    *loop
	fd      int
	waker   eventfd
	ring    bool           // to be exchanged for an io_uring
	targets []socketTarget // the instances
	events  [256]unix.EpollEvent
	came    bool // something has, in the last wait
	buffer  []byte
}

// socketTarget is where a socket is connected to.
type socketTarget struct {
	family  int
	address unix.Sockaddr
}

// wakerSlot marks the events of the waker.
const wakerSlot = -1

func newEpollIO(l *loop, w eventfd) (*epollIO, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an epoll: %w", err)
	}
	p := &epollIO{loop: l, fd: fd, waker: w, buffer: make([]byte, 64<<10)}
	for i := range l.instances {
		family, address := socketAddress(l.instances[i].address)
		p.targets = append(p.targets, socketTarget{family, address})
	}
	if err := p.watch(int(w), wakerSlot, 0); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return p, nil
}

// enter makes the thread the loop's own, for good: its timer slack is changed, so it ends with the goroutine. A ring
// can only be made by the thread that uses it; when it cannot be had after all (locked memory may have run out since it
// was tried), the loop stays with epoll.
func (p *epollIO) enter() socketIO {
	runtime.LockOSThread()
	preciseTimers()
	if p.ring {
		if ring, err := newUringIO(p.loop, p.waker); err == nil {
			p.end()
			return ring
		}
	}
	return p
}

func (p *epollIO) name() Backend { return Epoll }

// watch asks for all events of a socket, once and for all; slot and life come back in Fd and Pad.
func (p *epollIO) watch(fd int, slot, life int32) error {
	e := socketEvents(slot, life)
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return nil
}

func socketEvents(slot, life int32) unix.EpollEvent {
	return unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: slot, Pad: life}
}

// wait waits until something comes, the timeout at most; [uring.Ring.Enter] says of which waits the Go scheduler is not
// told.
func (p *epollIO) wait(timeout time.Duration) {
	short := timeout <= uring.ShortWait || p.came
	if short {
		timeout = min(timeout, uring.MostUntold)
	}
	spec := unix.NsecToTimespec(int64(timeout))
	var n uintptr
	var errno unix.Errno
	if short {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), uintptr(unsafe.Pointer(&spec)), 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), uintptr(unsafe.Pointer(&spec)), 0, 0)
	}
	p.loop.clock()
	p.came = errno == 0 && n > 0
	if errno != 0 { // EINTR: the loop comes round again
		return
	}
	for i := range p.events[:n] {
		p.handle(&p.events[i])
	}
}

func (p *epollIO) rest(d time.Duration) { rest(d) }

// rest sleeps. A signal may end it early: the loop comes round again.
func rest(d time.Duration) {
	spec := unix.NsecToTimespec(int64(d))
	switch {
	case d <= 0:
	case d <= uring.ShortWait:
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&spec)), 0, 0)
	default:
		_ = unix.Nanosleep(&spec, nil)
	}
}

// handle does what a connection is ready for.
func (p *epollIO) handle(e *unix.EpollEvent) {
	if e.Fd == wakerSlot {
		return
	}
	c := p.loop.conns[e.Fd]
	if c.life != e.Pad || c.state == connClosed {
		return
	}
	if c.state == connConnecting {
		if e.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return
		}
		code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err != nil {
			p.loop.failed(c, err)
			return
		}
		p.loop.connected(c)
		return
	}
	if c.sending && e.Events&unix.EPOLLOUT != 0 {
		p.write(c)
	}
	const ending = unix.EPOLLRDHUP | unix.EPOLLERR | unix.EPOLLHUP
	if e.Events&(unix.EPOLLIN|ending) != 0 {
		p.read(c, e.Pad, e.Events&ending != 0)
	}
}

// open begins to connect; the request is written when the connection stands.
func (p *epollIO) open(c *conn) error {
	to := p.targets[c.instance]
	if err := openSocket(c, to.family); err != nil {
		return err
	}
	if err := p.watch(c.fd, c.slot, c.life); err != nil {
		return err
	}
	if err := unix.Connect(c.fd, to.address); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return nil
}

func (p *epollIO) send(c *conn) {
	c.sending, c.written = true, 0
	p.write(c)
}

// write writes the rest of out.
func (p *epollIO) write(c *conn) {
	for c.written < len(c.out) {
		n, err := rawWrite(c.fd, c.out[c.written:])
		switch {
		case err == unix.EAGAIN:
			return
		case err == unix.EINTR:
		case err != nil:
			p.unwritten(c, err)
			return
		default:
			c.written += n
		}
	}
	p.loop.sent(c)
}

// unwritten deals with what could not be written. A server that answers before it has read the request, and
// closes, resets the connection behind its answer.
func (p *epollIO) unwritten(c *conn, err error) {
	life := c.life
	if n, _ := rawRead(c.fd, p.buffer); n > 0 {
		p.loop.arrived(c, p.buffer[:n])
	}
	if c.life == life && c.sending {
		p.loop.failed(c, err)
	}
}

// readsAtOnce bounds what is read of one connection while the others wait, in buffers.
const readsAtOnce = 16

// read reads what has come; ending says that the connection's end has come too.
func (p *epollIO) read(c *conn, life int32, ending bool) {
	for reads := 0; c.life == life && c.state != connClosed; reads++ {
		if reads == readsAtOnce {
			p.tellAgain(c)
			return
		}
		n, err := rawRead(c.fd, p.buffer)
		switch {
		case err == unix.EAGAIN:
			return
		case err == unix.EINTR:
		case err != nil:
			p.loop.failed(c, err)
		case n == 0:
			p.loop.hungUp(c)
			return
		default:
			p.loop.arrived(c, p.buffer[:n])
			// a short read has emptied the socket; whatever comes next is another event
			if n < len(p.buffer) && !ending {
				return
			}
		}
	}
}

// tellAgain has what is left to read of a connection told with the next events.
func (p *epollIO) tellAgain(c *conn) {
	e := socketEvents(c.slot, c.life)
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, c.fd, &e); err != nil {
		p.loop.failed(c, err)
	}
}

// close closes a connection's socket, which ends its watch.
func (p *epollIO) close(c *conn) {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

func (p *epollIO) end() { unix.Close(p.fd) }

// rawRead and rawWrite are for non-blocking sockets: these calls never block, so that the scheduler need not know; and
// being for sockets alone they are cheaper than read(2) and write(2).
func rawRead(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func rawWrite(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// preciseTimers makes the calling thread's timers fire when they are due: by default the kernel may delay them by 50 µs
// to fire several together (prctl(2), PR_SET_TIMERSLACK).
func preciseTimers() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it they are merely less precise, which the lag shows
}
