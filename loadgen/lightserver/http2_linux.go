package lightserver

import (
	"encoding/binary"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

// frames is what has come on a connection of HTTP/2 and is not a whole frame yet.
type frames struct {
	greeted bool // the client's preface has come
	partial []byte
}

const frameHeader = 9

// http2Answer is an answer's two frames, but for the number of the stream: status 200, the type and length of the body,
// which are not put into the client's table; and the body.
var http2Answer = func() []byte {
	block := append([]byte{0x88, 0x0f, 0x10, 10}, "text/plain"...)
	block = append(block, 0x0f, 0x0d, 2, '1', '4')
	b := append(frameOf(http2.FrameHeaders, http2.FlagHeadersEndHeaders, len(block)), block...)
	b = append(b, frameOf(http2.FrameData, http2.FlagDataEndStream, len("Hello, world!\n"))...)
	return append(b, "Hello, world!\n"...)
}()

// secondStream is where the body's frame has its number.
var secondStream = len(http2Answer) - len("Hello, world!\n") - 4

func frameOf(kind http2.FrameType, flags http2.Flags, length int) []byte {
	return []byte{0, 0, byte(length), byte(kind), byte(flags), 0, 0, 0, 0}
}

// appendAnswer appends the answer of a stream.
func appendAnswer(dst []byte, stream uint32) []byte {
	at := len(dst)
	dst = append(dst, http2Answer...)
	binary.BigEndian.PutUint32(dst[at+5:], stream)
	binary.BigEndian.PutUint32(dst[at+secondStream:], stream)
	return dst
}

// readFrames takes the frames that have come on a connection. It looks at no more of a request than its number, and at
// no window: the answers are few bytes.
func (s *Server) readFrames(fd int, data []byte) {
	c := &s.frames[fd]
	if len(c.partial) > 0 {
		c.partial = append(c.partial, data...)
		data = c.partial
	}
	s.out = s.out[:0]
	if !c.greeted && len(data) >= len(http2.ClientPreface) {
		c.greeted = true
		data = data[len(http2.ClientPreface):]
		s.out = append(s.out, frameOf(http2.FrameSettings, 0, 0)...)
	}
	for c.greeted && len(data) >= frameHeader {
		n := frameHeader + (int(data[0])<<16 | int(data[1])<<8 | int(data[2]))
		if len(data) < n {
			break
		}
		s.frame(fd, data[:n])
		data = data[n:]
	}
	c.partial = append(c.partial[:0], data...)
	if len(s.out) > 0 {
		_, _ = unix.Write(fd, s.out) // as in answer
	}
}

// frame takes one frame, whose answer goes to s.out or, where it is due later, to s.pending.
func (s *Server) frame(fd int, f []byte) {
	switch kind, flags := http2.FrameType(f[3]), http2.Flags(f[4]); {
	case kind == http2.FrameHeaders:
		s.asked(fd, binary.BigEndian.Uint32(f[5:]))
	case kind == http2.FrameSettings && !flags.Has(http2.FlagSettingsAck):
		s.out = append(s.out, frameOf(http2.FrameSettings, http2.FlagSettingsAck, 0)...)
	case kind == http2.FramePing && !flags.Has(http2.FlagPingAck):
		s.out = append(append(s.out, frameOf(http2.FramePing, http2.FlagPingAck, 8)...), f[frameHeader:]...)
	}
}
