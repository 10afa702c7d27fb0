// Package uring is as much of Linux's io_uring (see io_uring(7)) as a load generator needs: one ring a thread, its
// submission and completion queues, and receive buffers that the kernel chooses itself. Kernels from 6.1 on have it
// all.
package uring

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is a submission queue and a completion queue shared with the kernel. Only the thread that made it may use it.
type Ring struct {
	fd      int
	rings   []byte // both queues
	entries []byte // the array of submission entries

	sqHead, sqTail *atomic.Uint32
	sqMask         uint32
	sqes           []Entry
	tail           uint32 // of the entries prepared

	cqHead, cqTail *atomic.Uint32
	cqMask         uint32
	cqes           []Completion

	timeout unix.Timespec
	extra   getEvents
	came    bool // something has, in the last wait

	completed Completion // that is being told, here so that none is allocated
}

// Entry is one submission (struct io_uring_sqe).
type Entry struct {
	Op       uint8
	Flags    uint8
	Priority uint16
	FD       int32
	Offset   uint64
	Address  uint64
	Length   uint32
	OpFlags  uint32
	UserData uint64
	Buffer   uint16 // index or group
	_        uint16
	_        int32
	_        [2]uint64
}

// ReceiveAll makes the entry a receive that completes for everything that comes on a socket, into buffers of the group.
func (e *Entry) ReceiveAll(fd int, group uint16, data uint64) {
	e.Op, e.FD, e.UserData = OpRecv, int32(fd), data
	e.Flags, e.Priority, e.Buffer = BufferSelect, Multishot, group
}

// AcceptAll makes the entry an accept that completes for every connection that is made to a listening socket.
func (e *Entry) AcceptAll(fd int, data uint64) {
	e.Op, e.FD, e.UserData, e.Priority = OpAccept, int32(fd), data, AcceptMultishot
	e.OpFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
}

// Completion is the result of one submission (struct io_uring_cqe).
type Completion struct {
	UserData uint64
	Result   int32 // what the system call would have returned, or minus the error number
	Flags    uint32
}

// Buffer returns the provided buffer that a receive was given, if any.
func (c *Completion) Buffer() (id uint16, ok bool) {
	return uint16(c.Flags >> 16), c.Flags&completionBuffer != 0
}

// More reports whether the submission will complete again.
func (c *Completion) More() bool { return c.Flags&completionMore != 0 }

// Operations, and flags of entries and operations, as in linux/io_uring.h.
const (
	OpAccept  = 13
	OpConnect = 16
	OpSend    = 26
	OpRecv    = 27
	OpPollAdd = 6

	BufferSelect    = 1 << 5 // an entry's flag: the kernel picks a buffer of the group
	SkipSuccess     = 1 << 6 // an entry's flag: it completes only when it fails
	AcceptMultishot = 1 << 0 // an accept's priority: it completes for every connection
	Multishot       = 1 << 1 // a receive's priority: it completes for everything that comes
	PollMultishot   = 1 << 0 // in Length of a poll

	completionBuffer = 1 << 0
	completionMore   = 1 << 1
)

const (
	setupClamp        = 1 << 4
	setupSubmitAll    = 1 << 7
	setupCQSize       = 1 << 3
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	featureSingleMmap = 1 << 0
	featureExtArg     = 1 << 8

	offsetRings   = 0
	offsetEntries = 0x10000000
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq, cq                                                                 offsets
}

// offsets is struct io_sqring_offsets or io_cqring_offsets, which differ after the first six.
type offsets struct {
	head, tail, mask, entries, fifth, sixth, seventh, _ uint32
	_                                                   uint64
}

// getEvents is struct io_uring_getevents_arg.
type getEvents struct {
	sigmask     uint64
	sigmaskSize uint32
	_           uint32
	timespec    uint64
}

// New makes a ring for the calling thread, which must be locked to its goroutine. entries is the size of the submission
// queue, a power of two; the completion queue is four times as long.
func New(entries uint32) (*Ring, error) {
	p := params{
		flags:     setupClamp | setupSubmitAll | setupCQSize | setupSingleIssuer | setupDeferTaskrun,
		cqEntries: 4 * entries,
	}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &Ring{fd: int(fd)}
	if p.features&featureSingleMmap == 0 || p.features&featureExtArg == 0 {
		unix.Close(r.fd)
		return nil, fmt.Errorf("io_uring_setup: the kernel is too old")
	}
	if err := r.mmap(&p); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// mmap maps the queues. In a submission ring fifth is the flags, seventh the array; in a completion ring sixth is the
// array of completions.
func (r *Ring) mmap(p *params) error {
	const protection, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(p.sq.seventh+4*p.sqEntries, p.cq.sixth+p.cqEntries*uint32(unsafe.Sizeof(Completion{})))
	var err error
	r.rings, err = unix.Mmap(r.fd, offsetRings, int(size), protection, flags)
	if err != nil {
		return fmt.Errorf("map the queues of an io_uring: %w", err)
	}
	r.entries, err = unix.Mmap(r.fd, offsetEntries, int(p.sqEntries)*int(unsafe.Sizeof(Entry{})), protection, flags)
	if err != nil {
		return fmt.Errorf("map the entries of an io_uring: %w", err)
	}
	word := func(offset uint32) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&r.rings[offset])) }
	r.sqHead, r.sqTail, r.sqMask = word(p.sq.head), word(p.sq.tail), word(p.sq.mask).Load()
	r.cqHead, r.cqTail, r.cqMask = word(p.cq.head), word(p.cq.tail), word(p.cq.mask).Load()
	r.sqes = unsafe.Slice((*Entry)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*Completion)(unsafe.Pointer(&r.rings[p.cq.sixth])), p.cqEntries)
	array := unsafe.Slice((*uint32)(unsafe.Pointer(&r.rings[p.sq.seventh])), p.sqEntries)
	for i := range array { // entry i always stands at place i
		array[i] = uint32(i)
	}
	return nil
}

// Prepare returns the next free entry, zeroed, to be submitted by the next Enter. When the queue is full it submits
// first.
func (r *Ring) Prepare() *Entry {
	for r.tail-r.sqHead.Load() > r.sqMask {
		r.enter(0, 0, 0, true)
	}
	e := &r.sqes[r.tail&r.sqMask]
	*e = Entry{}
	r.tail++
	return e
}

// ShortWait is how long a wait may be of which the Go scheduler is not told.
const ShortWait = 2 * time.Millisecond

// MostUntold bounds such a wait also where GODEBUG=asyncpreemptoff=1 has no signal sent.
const MostUntold = 10 * time.Millisecond

// Enter submits what was prepared and waits until something has completed, the timeout at most; 0 does not wait. It may
// return earlier.
//
// The Go scheduler is not told of a wait that is short, or may well be because something came in the last one: the
// thread keeps its place in GOMAXPROCS meanwhile. A scheduler that is told takes the place of a thread that mostly
// waits away, again and again, and looks every 20 µs whether it is to do so: a tenth of the CPU time of a slow load.
// When it needs the thread to stop, as for the garbage collector, or the wait has lasted for 10 ms, it sends a signal,
// which ends the wait.
func (r *Ring) Enter(timeout time.Duration) {
	if timeout <= 0 || r.cqHead.Load() != r.cqTail.Load() {
		r.enter(0, enterGetEvents, 0, true)
		return
	}
	short := timeout <= ShortWait || r.came
	if short {
		timeout = min(timeout, MostUntold)
	}
	r.timeout = unix.NsecToTimespec(int64(timeout))
	r.extra.timespec = uint64(uintptr(unsafe.Pointer(&r.timeout)))
	r.enter(1, enterGetEvents|enterExtArg, uintptr(unsafe.Pointer(&r.extra)), short)
	r.came = r.cqHead.Load() != r.cqTail.Load()
	runtime.KeepAlive(r)
}

func (r *Ring) enter(wait, flags, extra uintptr, short bool) {
	r.sqTail.Store(r.tail)
	n := uintptr(r.tail - r.sqHead.Load())
	size := uintptr(0)
	if extra != 0 {
		size = unsafe.Sizeof(r.extra)
	}
	// The result is not looked at: ETIME and EINTR bring the caller round again, and how much was submitted the queue's
	// head tells.
	if short {
		_, _, _ = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), n, wait, flags, extra, size)
	} else {
		_, _, _ = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), n, wait, flags, extra, size)
	}
}

// Completions calls f for everything that has completed. f may not keep what it is given.
func (r *Ring) Completions(f func(*Completion)) {
	head := r.cqHead.Load()
	for tail := r.cqTail.Load(); head != tail; tail = r.cqTail.Load() {
		for ; head != tail; head++ {
			r.completed = r.cqes[head&r.cqMask] // f may make room for more
			r.cqHead.Store(head + 1)
			f(&r.completed)
		}
	}
}

// Close frees the ring; the kernel ends what is under way.
func (r *Ring) Close() {
	if r.entries != nil {
		_ = unix.Munmap(r.entries)
	}
	if r.rings != nil {
		_ = unix.Munmap(r.rings)
	}
	if r.fd >= 0 {
		unix.Close(r.fd)
	}
	r.fd, r.rings, r.entries = -1, nil, nil
}
