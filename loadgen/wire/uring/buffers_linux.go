package uring

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Buffers are receive buffers of one size that the kernel takes as data comes, so that a connection without data needs
// none (io_uring_register(2), IORING_REGISTER_PBUF_RING).
type Buffers struct {
	ring   []byte // of struct io_uring_buf
	memory []byte
	size   int
	mask   uint16
	tail   uint16
}

const (
	registerBufferRing = 22
	bufferEntry        = 16 // bytes of struct io_uring_buf: address, length, id, and in the first one the tail
	bufferTail         = 14
)

// registration is struct io_uring_buf_reg.
type registration struct {
	address uint64
	entries uint32
	group   uint16
	flags   uint16
	_       [3]uint64
}

// NewBuffers registers n buffers, a power of two, of size bytes each as the given group.
func (r *Ring) NewBuffers(group uint16, n, size int) (*Buffers, error) {
	b := &Buffers{size: size, mask: uint16(n - 1)}
	const protection, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	var err error
	b.ring, err = unix.Mmap(-1, 0, n*bufferEntry, protection, flags)
	if err != nil {
		return nil, fmt.Errorf("map a ring of buffers: %w", err)
	}
	b.memory, err = unix.Mmap(-1, 0, n*size, protection, flags)
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("map buffers: %w", err)
	}
	reg := registration{address: uint64(uintptr(unsafe.Pointer(&b.ring[0]))), entries: uint32(n), group: group}
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerBufferRing,
		uintptr(unsafe.Pointer(&reg)), 1, 0, 0); errno != 0 {
		b.Close()
		return nil, fmt.Errorf("register a ring of buffers: %w", errno)
	}
	for id := range n {
		b.put(uint16(id))
	}
	b.publish()
	return b, nil
}

// Bytes is the content of a buffer that a receive of n bytes was given.
func (b *Buffers) Bytes(id uint16, n int) []byte {
	at := int(id) * b.size
	return b.memory[at : at+n]
}

// Return gives a buffer back to the kernel.
func (b *Buffers) Return(id uint16) {
	b.put(id)
	b.publish()
}

func (b *Buffers) put(id uint16) {
	e := b.ring[int(b.tail&b.mask)*bufferEntry:]
	*(*uint64)(unsafe.Pointer(&e[0])) = uint64(uintptr(unsafe.Pointer(&b.memory[int(id)*b.size])))
	*(*uint32)(unsafe.Pointer(&e[8])) = uint32(b.size)
	*(*uint16)(unsafe.Pointer(&e[12])) = id
	b.tail++
}

// publish shows the kernel the new tail. It is 16 bits wide, for which there is no atomic store; it shares an aligned
// word with the id of the first buffer, which is written along.
func (b *Buffers) publish() {
	word := (*atomic.Uint32)(unsafe.Pointer(&b.ring[bufferTail-2]))
	id := *(*uint16)(unsafe.Pointer(&b.ring[bufferTail-2]))
	word.Store(uint32(id) | uint32(b.tail)<<16) // little-endian, as every machine that this is built for
}

// Close frees the memory. The ring must be closed before.
func (b *Buffers) Close() {
	if b.memory != nil {
		_ = unix.Munmap(b.memory)
	}
	if b.ring != nil {
		_ = unix.Munmap(b.ring)
	}
}
