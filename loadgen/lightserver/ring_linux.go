package lightserver

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/wire/uring"
)

// RunRing serves like Run, but at once and without stops, by an io_uring: with one system call for all that has come, a
// request costs the server less than it costs any generator. It returns an error before anything was served when this
// machine has no io_uring.
func (s *Server) RunRing() error {
	runtime.LockOSThread()
	ring, err := uring.New(1024)
	if err != nil {
		return fmt.Errorf("light server: %w", err)
	}
	buffers, err := ring.NewBuffers(0, 256, 16<<10)
	if err != nil {
		ring.Close()
		return fmt.Errorf("light server: %w", err)
	}
	defer buffers.Close()
	defer ring.Close()
	defer s.close()
	r := ringServer{s, ring, buffers}
	ring.Prepare().AcceptAll(s.listener, acceptData)
	for {
		ring.Enter(time.Hour)
		ring.Completions(r.handle)
	}
}

// ringServer is what a Server serves with by an io_uring. The data of a receive is its connection.
type ringServer struct {
	*Server
	ring    *uring.Ring
	buffers *uring.Buffers
}

// What a completion is of, if not of a receive.
const (
	acceptData = 1<<32 + iota
	sendData
)

func (r *ringServer) handle(c *uring.Completion) {
	switch c.UserData {
	case acceptData:
		r.accepted(c)
	case sendData: // only what failed completes: the client has gone, which the receive tells too
	default:
		r.received(int(c.UserData), c)
	}
}

func (r *ringServer) accepted(c *uring.Completion) {
	if c.Result < 0 {
		return
	}
	fd := int(c.Result)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if r.config != nil {
		if err := r.secure(fd); err != nil {
			unix.Close(fd) // it was the client's fault
			return
		}
	}
	r.ring.Prepare().ReceiveAll(fd, 0, uint64(fd))
}

func (r *ringServer) received(fd int, c *uring.Completion) {
	if id, ok := c.Buffer(); ok {
		for range r.requests(fd, r.buffers.Bytes(id, int(c.Result))) {
			answer := r.answerTo(fd)
			e := r.ring.Prepare()
			e.Op, e.FD, e.UserData, e.Flags = uring.OpSend, int32(fd), sendData, uring.SkipSuccess
			e.Address, e.Length = uint64(uintptr(unsafe.Pointer(&answer[0]))), uint32(len(answer))
			e.OpFlags = unix.MSG_NOSIGNAL | unix.MSG_WAITALL
		}
		r.buffers.Return(id)
	}
	switch {
	case c.More():
	case c.Result > 0 || c.Result == -int32(unix.ENOBUFS):
		r.ring.Prepare().ReceiveAll(fd, 0, uint64(fd))
	default:
		unix.Close(fd)
	}
}
