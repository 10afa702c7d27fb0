package uring

import (
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring makes a ring for the test's thread, and a pair of connected sockets.
func ring(t *testing.T) (r *Ring, ours, theirs int) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, err := New(8)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skipf("this machine has no io_uring: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close() // first: what is under way on the sockets ends with it
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	return r, pair[0], pair[1]
}

func buffers(t *testing.T, r *Ring, n, size int) *Buffers {
	t.Helper()
	b, err := r.NewBuffers(0, n, size)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// completed waits for so many completions at least.
func completed(t *testing.T, r *Ring, n int) []Completion {
	t.Helper()
	var all []Completion
	for deadline := time.Now().Add(30 * time.Second); len(all) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d completions, want %d", len(all), n)
		}
		r.Enter(100 * time.Millisecond)
		r.Completions(func(c *Completion) { all = append(all, *c) })
	}
	return all
}

func write(t *testing.T, fd int, text string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(text)); n != len(text) || err != nil {
		t.Fatalf("wrote %d bytes, %v", n, err)
	}
}

// TestMultishotReceive: one submission receives until the other side closes, and says when it is over.
func TestMultishotReceive(t *testing.T) {
	r, ours, theirs := ring(t)
	b := buffers(t, r, 4, 16)
	r.Prepare().ReceiveAll(ours, 0, 7)
	for _, text := range []string{"hello", "world", "again", "and", "again", "more than there are buffers"[:16]} {
		write(t, theirs, text)
		c := completed(t, r, 1)[0]
		id, ok := c.Buffer()
		if !ok || !c.More() || c.UserData != 7 || string(b.Bytes(id, int(c.Result))) != text {
			t.Fatalf("%q came as %+v", text, c)
		}
		b.Return(id)
	}
	unix.Shutdown(theirs, unix.SHUT_WR)
	if c := completed(t, r, 1)[0]; c.Result != 0 || c.More() {
		t.Errorf("the end came as %+v", c)
	}
}

// TestBuffersExhausted: a receive that finds no buffer ends with ENOBUFS, loses nothing, and can be asked for again.
func TestBuffersExhausted(t *testing.T) {
	r, ours, theirs := ring(t)
	b := buffers(t, r, 2, 4)
	r.Prepare().ReceiveAll(ours, 0, 1)
	write(t, theirs, "aaaabbbbcccc")
	got := ""
	var held []uint16
	for got = ""; ; {
		c := completed(t, r, 1)
		over := false
		for _, c := range c {
			if c.Result == -int32(unix.ENOBUFS) && !c.More() {
				over = true
				continue
			}
			id, ok := c.Buffer()
			if !ok {
				t.Fatalf("no buffer in %+v", c)
			}
			got += string(b.Bytes(id, int(c.Result)))
			held = append(held, id)
		}
		if over {
			break
		}
	}
	if got != "aaaabbbb" {
		t.Fatalf("two buffers held %q", got)
	}
	for _, id := range held {
		b.Return(id)
	}
	r.Prepare().ReceiveAll(ours, 0, 2)
	c := completed(t, r, 1)[0]
	if id, ok := c.Buffer(); !ok || c.UserData != 2 || string(b.Bytes(id, int(c.Result))) != "cccc" {
		t.Errorf("the rest came as %+v", c)
	}
}

// TestQueueLongerThanTheRing: Prepare submits when the submission queue is full.
func TestQueueLongerThanTheRing(t *testing.T) {
	r, ours, theirs := ring(t)
	text := []byte("x")
	for i := range 20 {
		e := r.Prepare()
		e.Op, e.FD, e.UserData, e.Address, e.Length = OpSend, int32(ours), uint64(i),
			uint64(uintptr(unsafe.Pointer(&text[0]))), 1
	}
	seen := map[uint64]bool{}
	for _, c := range completed(t, r, 20) {
		if c.Result != 1 {
			t.Errorf("a send of one byte came to %d", c.Result)
		}
		seen[c.UserData] = true
	}
	var all [32]byte
	if n, err := unix.Read(theirs, all[:]); n != 20 || err != nil || len(seen) != 20 {
		t.Errorf("%d bytes of 20 sends, %v; %d completions", n, err, len(seen))
	}
	runtime.KeepAlive(text)
}

// TestEnterWaitsAndReturns: without completions Enter returns when its time is up.
func TestEnterWaitsAndReturns(t *testing.T) {
	r, _, _ := ring(t)
	start := time.Now()
	r.Enter(20 * time.Millisecond)
	if took := time.Since(start); took < 19*time.Millisecond {
		t.Errorf("waited %v of 20 ms", took)
	}
	r.Enter(0)
	r.Completions(func(c *Completion) { t.Errorf("completed: %+v", c) })
}

// ended reports whether the end of a connection comes in time.
func ended(t *testing.T, fd int, within time.Duration) bool {
	t.Helper()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, int(within.Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// TestCloseEndsWhatIsUnderWay: a receive under way holds its socket open until the ring is closed.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	r, ours, theirs := ring(t)
	b := buffers(t, r, 4, 16)
	r.Prepare().ReceiveAll(ours, 0, 1)
	r.Enter(0)
	if err := unix.Dup3(theirs, ours, unix.O_CLOEXEC); err != nil { // closes ours, and keeps its number from others
		t.Fatal(err)
	}
	if ended(t, theirs, 50*time.Millisecond) {
		t.Error("the socket was closed under a receive")
	}
	r.Close()
	b.Close()
	if !ended(t, theirs, 5*time.Second) {
		t.Error("the ring is closed and the socket is not")
	}
}
