package wire

import (
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/wire/uring"
)

// uringIO moves bytes by an io_uring: everything that a round of the loop has to send goes to the kernel in the one
// call that also waits, and what comes is in a buffer when the call returns.
type uringIO struct {
	loop    *loop
	ring    *uring.Ring
	buffers *uring.Buffers

	targets []ringTarget // the instances; the kernel reads their addresses
}

// ringTarget is where a socket is connected to.
type ringTarget struct {
	family   int
	address4 unix.RawSockaddrInet4
	address6 unix.RawSockaddrInet6
	path     unix.RawSockaddrUnix
}

const (
	uringEntries    = 1024
	uringBuffers    = 256
	uringBufferSize = 16 << 10
	uringGroup      = 0
)

// What a completion is of; with the connection's slot and life it makes the user data.
const (
	ofConnect = iota
	ofSend
	ofReceive
	ofWaker
)

// newUringIO must be called by the loop's own thread.
func newUringIO(l *loop, w eventfd) (*uringIO, error) {
	ring, err := uring.New(uringEntries)
	if err != nil {
		return nil, err
	}
	u := &uringIO{loop: l, ring: ring}
	u.buffers, err = ring.NewBuffers(uringGroup, uringBuffers, uringBufferSize)
	if err != nil {
		ring.Close()
		return nil, err
	}
	for i := range l.instances {
		u.targets = append(u.targets, newRingTarget(l.instances[i].address))
	}
	e := ring.Prepare()
	e.Op, e.FD, e.OpFlags, e.Length, e.UserData = uring.OpPollAdd, int32(w), unix.POLLIN, uring.PollMultishot, ofWaker
	return u, nil
}

func newRingTarget(to net.Addr) (t ringTarget) {
	var address unix.Sockaddr
	t.family, address = socketAddress(to)
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		t.address4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkOrder(a.Port), Addr: a.Addr}
	case *unix.SockaddrInet6:
		t.address6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkOrder(a.Port), Addr: a.Addr}
	case *unix.SockaddrUnix:
		t.path.Family = unix.AF_UNIX
		for i, c := range []byte(a.Name) {
			t.path.Path[i] = int8(c)
		}
	}
	return t
}

// uringWorks reports why this machine's kernel, or a container's seccomp profile, does not let an io_uring be used; nil
// when it does.
func uringWorks() error {
	ring, err := uring.New(8)
	if err != nil {
		return err
	}
	defer ring.Close()
	buffers, err := ring.NewBuffers(uringGroup, 8, 4096)
	if err != nil {
		return err
	}
	return multishotWorks(ring, buffers)
}

// multishotWorks sends a byte through a socket pair: a kernel that has rings may still lack receives that repeat.
func multishotWorks(ring *uring.Ring, buffers *uring.Buffers) error {
	defer buffers.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a pair of sockets: %w", err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	ring.Prepare().ReceiveAll(pair[0], uringGroup, 0)
	if _, err := unix.Write(pair[1], []byte{1}); err != nil {
		return fmt.Errorf("write to a pair of sockets: %w", err)
	}
	err = fmt.Errorf("io_uring: nothing was received")
	ring.Enter(time.Second)
	ring.Completions(func(c *uring.Completion) {
		if _, ok := c.Buffer(); c.Result == 1 && ok && c.More() {
			err = nil
		} else if c.Result < 0 {
			err = fmt.Errorf("io_uring: receive: %w", unix.Errno(-c.Result))
		}
	})
	return err
}

func networkOrder(port int) uint16 { return uint16(port>>8) | uint16(port&0xff)<<8 }

func userData(of int, c *conn) uint64 {
	return uint64(of) | uint64(uint32(c.slot))<<8 | uint64(uint32(c.life))<<32
}

func (u *uringIO) enter() socketIO { return u }

func (u *uringIO) name() Backend { return IOUring }

// open begins to connect.
func (u *uringIO) open(c *conn) error {
	to := &u.targets[c.instance]
	if err := openSocket(c, to.family); err != nil {
		return err
	}
	e := u.ring.Prepare()
	e.Op, e.FD, e.UserData = uring.OpConnect, int32(c.fd), userData(ofConnect, c)
	switch to.family {
	case unix.AF_INET:
		e.Address, e.Offset = uint64(uintptr(unsafe.Pointer(&to.address4))), uint64(unsafe.Sizeof(to.address4))
	case unix.AF_INET6:
		e.Address, e.Offset = uint64(uintptr(unsafe.Pointer(&to.address6))), uint64(unsafe.Sizeof(to.address6))
	case unix.AF_UNIX:
		e.Address, e.Offset = uint64(uintptr(unsafe.Pointer(&to.path))), uint64(unsafe.Sizeof(to.path))
	}
	return nil
}

// send hands c.out to the kernel, which reads c.out until the send has completed or the socket is shut down.
func (u *uringIO) send(c *conn) {
	c.sending = true
	e := u.ring.Prepare()
	e.Op, e.FD, e.UserData = uring.OpSend, int32(c.fd), userData(ofSend, c)
	e.Address, e.Length = uint64(uintptr(unsafe.Pointer(&c.out[0]))), uint32(len(c.out))
	e.OpFlags = unix.MSG_NOSIGNAL | unix.MSG_WAITALL
}

// close closes the socket. The receive under way holds it open, so it is shut down first, which ends that.
func (u *uringIO) close(c *conn) {
	if c.fd < 0 {
		return
	}
	_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // it fails where there is no connection to end
	unix.Close(c.fd)
	c.fd = -1
}

func (u *uringIO) wait(timeout time.Duration) {
	u.ring.Enter(timeout)
	u.loop.clock()
	u.ring.Completions(u.handle)
}

func (u *uringIO) rest(d time.Duration) { rest(d) }

func (u *uringIO) handle(done *uring.Completion) {
	of := done.UserData & 0xff
	if of == ofWaker {
		return
	}
	c, life := u.loop.conns[done.UserData>>8&0xffffff], int32(done.UserData>>32)
	if id, ok := done.Buffer(); ok {
		defer u.buffers.Return(id)
	}
	if c.life != life || c.state == connClosed {
		return
	}
	switch of {
	case ofConnect:
		if done.Result < 0 {
			u.loop.failed(c, unix.Errno(-done.Result))
			return
		}
		u.ring.Prepare().ReceiveAll(c.fd, uringGroup, userData(ofReceive, c))
		u.loop.connected(c)
	case ofSend:
		if done.Result < 0 {
			u.loop.failed(c, unix.Errno(-done.Result))
			return
		}
		u.loop.sent(c)
	case ofReceive:
		u.received(c, life, done)
	}
}

// received takes what a receive brought, and asks for more when the kernel has ended it.
func (u *uringIO) received(c *conn, life int32, done *uring.Completion) {
	id, ok := done.Buffer()
	switch {
	case done.Result > 0 && ok:
		u.loop.arrived(c, u.buffers.Bytes(id, int(done.Result)))
	case done.Result == -int32(unix.ENOBUFS): // all buffers are full of what has not been looked at yet
	case done.Result == 0:
		u.loop.hungUp(c)
		return
	default:
		u.loop.failed(c, unix.Errno(-done.Result))
		return
	}
	if !done.More() && c.life == life && c.state != connClosed {
		u.ring.Prepare().ReceiveAll(c.fd, uringGroup, userData(ofReceive, c))
	}
}

func (u *uringIO) end() {
	u.ring.Close()
	u.buffers.Close()
}
