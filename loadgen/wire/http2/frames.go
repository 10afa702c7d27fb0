package http2

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
)

// frameHeader is the length of what stands before the payload of a frame (RFC 9113, section 4.1).
const frameHeader = 9

// frame is a whole frame. Its payload is valid as long as what was fed.
type frame struct {
	kind    http2.FrameType
	flags   http2.Flags
	stream  uint32
	payload []byte
}

func readFrame(b []byte) frame {
	return frame{
		kind: http2.FrameType(b[3]), flags: http2.Flags(b[4]),
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31), payload: b[frameHeader:],
	}
}

// payloadLength is that of a frame of which the header has come.
func payloadLength(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// unpadded is the payload without the padding, and without the priority that a HEADERS frame may begin with.
func (f *frame) unpadded() ([]byte, error) {
	p := f.payload
	padding := 0
	if f.flags.Has(http2.FlagDataPadded) { // the same bit in HEADERS
		if len(p) == 0 {
			return nil, fault(http2.ErrCodeFrameSize, "a padded %v frame has no padding length", f.kind)
		}
		padding, p = int(p[0]), p[1:]
	}
	if f.kind == http2.FrameHeaders && f.flags.Has(http2.FlagHeadersPriority) {
		if len(p) < 5 {
			return nil, fault(http2.ErrCodeFrameSize, "a HEADERS frame is too short for its priority")
		}
		p = p[5:]
	}
	if padding > len(p) {
		return nil, fault(http2.ErrCodeProtocol, "the padding of a %v frame is longer than the frame", f.kind)
	}
	return p[:len(p)-padding], nil
}

// appendHeader appends what stands before a payload.
func appendHeader(dst []byte, length int, kind http2.FrameType, flags http2.Flags, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(dst, stream)
}

// appendWord appends a frame whose payload is a number.
func appendWord(dst []byte, kind http2.FrameType, stream, word uint32) []byte {
	return binary.BigEndian.AppendUint32(appendHeader(dst, 4, kind, 0, stream), word)
}

func appendSetting(dst []byte, id http2.SettingID, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, uint16(id)), value)
}

// Error is what makes a connection useless: the server does not keep to the protocol.
type Error struct {
	Code http2.ErrCode
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("HTTP/2 %v: %s", e.Code, e.Text) }

func fault(code http2.ErrCode, format string, a ...any) *Error {
	return &Error{code, fmt.Sprintf(format, a...)}
}
