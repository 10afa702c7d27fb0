// Package http2 is the client's side of HTTP/2 connections without input and output: requests become bytes to be sent,
// and the bytes that come become answers, without allocating. It keeps to RFC 9113, and holds the server to it.
//
// The frames are few and simple enough to be read where they lie. The framer of golang.org/x/net/http2 reads from an
// io.Reader and allocates for each header block; its tests beside this package hold the one against the other.
package http2

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/net/http2"
)

const (
	// streamWindow and connWindow are how many bytes a server may send ahead of what was read, of one answer and of
	// all: so many that it never waits, because everything is read at once.
	streamWindow = 4 << 20
	connWindow   = 1 << 30
	firstWindow  = 65535 // of a connection, and of streams until settings say otherwise

	// maxHeaders bounds the header block of an answer in bytes, and what becomes of it.
	maxHeaders = 256 << 10
	maxFrame   = 16 << 10 // of a payload that we take: the default

	// firstStreams is how many streams are open at most before the server has said how many it takes: the least that
	// RFC 9113 recommends to servers (section 6.5.2).
	firstStreams = 100

	lastStreamID = math.MaxInt32

	// maxReplies bounds in bytes what is to be sent because of what has come, while the server takes none of it.
	maxReplies = 64 << 10
)

// Conn is one connection. Begin it with [Conn.Start].
type Conn struct {
	// Encoder writes the header blocks of its requests.
	Encoder Encoder

	out     []byte
	replies int // bytes of out that answer frames of the server
	streams map[uint32]*Stream
	nextID  uint32
	unsent  []*Stream // whose body the server has no room for yet
	ended   []*Stream
	failed  bool

	// What the server has said.
	settingsKnown bool
	maxStreams    uint32
	maxFrame      int
	initialWindow int64  // of new streams
	sendWindow    int64  // of all streams together
	lastTaken     uint32 // the last stream that it takes, by GOAWAY
	goneAway      string // why it takes no more; empty: it does

	// What of it has come.
	receiveWindow int64 // bytes of bodies that it may still send
	partial       []byte
	decoder       decoder
	head          headBlock
}

// Stream is a request and its answer. It may be used again when it has ended.
type Stream struct {
	// Status and Body say what the answer is: its status code, and how many bytes of its body have come.
	Status int
	Body   int64
	// Err is why it ended without a whole answer; nil: it has one.
	Err error
	// Tag is the caller's own.
	Tag int32
	// OnBegin, when not nil, is called when anything of an answer has come. OnHeader is given every header field of the
	// final answer, OnHead is called behind them, and OnBody is given every piece of the body. They must copy what they
	// keep; Status is known when they are called.
	OnBegin  func()
	OnHeader func(name, value []byte)
	OnHead   func()
	OnBody   func(piece []byte)

	id            uint32
	state         state
	head          bool  // the answer to a HEAD request has no body
	length        int64 // of the body, as the answer says; -1: it does not
	sendWindow    int64 // that the server leaves for the request's body
	receiveWindow int64 // that is left to the server for the answer's
	body          []byte
	sent          int64 // bytes of the request's body
}

type state uint8

const (
	closed  state = iota
	waiting       // nothing of an answer has come
	interim       // an informational answer has
	answering
)

// Begun reports whether anything of an answer has come.
func (s *Stream) Begun() bool { return s.Status > 0 }

// Active reports whether the stream has not ended.
func (s *Stream) Active() bool { return s.state != closed }

// Sent is how many bytes of the request's body were handed over to be sent.
func (s *Stream) Sent() int64 { return s.sent }

// ErrRefused is the error of a request on which the server has not begun to work: it may be sent again, whatever its
// method (RFC 9113, section 8.7).
var ErrRefused = errors.New("refused by the server")

// ErrMalformed is the error of an answer that is none.
var ErrMalformed = errors.New("malformed HTTP/2 answer")

// ErrReset is the error of a stream that the server ended before its answer.
var ErrReset = errors.New("stream reset by the server")

// Start begins a new connection: its preface is ready to be sent. The fields are those of the requests.
func (c *Conn) Start(f *Fields) {
	streams := c.streams
	if streams == nil {
		streams = map[uint32]*Stream{}
	}
	clear(streams)
	*c = Conn{
		Encoder: c.Encoder, out: c.out[:0], streams: streams, nextID: 1, unsent: c.unsent[:0], ended: c.ended[:0],
		maxStreams: firstStreams, maxFrame: maxFrame, initialWindow: firstWindow, sendWindow: firstWindow,
		lastTaken: lastStreamID, receiveWindow: connWindow, partial: c.partial[:0], decoder: c.decoder,
		head: headBlock{block: c.head.block[:0]},
	}
	if c.decoder.emit == nil {
		c.decoder.emit = c.field
	}
	c.decoder.start()
	c.Encoder.start(f)
	c.out = append(c.out, http2.ClientPreface...)
	c.out = appendHeader(c.out, 3*6, http2.FrameSettings, 0, 0)
	c.out = appendSetting(c.out, http2.SettingEnablePush, 0)
	c.out = appendSetting(c.out, http2.SettingInitialWindowSize, streamWindow)
	c.out = appendSetting(c.out, http2.SettingMaxHeaderListSize, maxHeaders)
	c.out = appendWord(c.out, http2.FrameWindowUpdate, 0, connWindow-firstWindow)
}

// Room is how many more requests the connection takes now.
func (c *Conn) Room() int {
	if c.failed || c.goneAway != "" {
		return 0
	}
	return max(0, int(min(c.maxStreams, lastStreamID))-len(c.streams))
}

// Active is the number of streams that are open.
func (c *Conn) Active() int { return len(c.streams) }

// Leaving reports whether the connection takes no more requests, ever.
func (c *Conn) Leaving() bool { return c.failed || c.goneAway != "" }

// SettingsKnown reports whether the server's settings have come, and so whether it has spoken HTTP/2.
func (c *Conn) SettingsKnown() bool { return c.settingsKnown }

// GoAway is the server's GOAWAY frame in words; empty: none has come.
func (c *Conn) GoAway() string { return c.goneAway }

// Open sends a request: a header block of c.Encoder, and the body, which must stay as it is until the stream has ended.
// There must be [Conn.Room]. head says that it is a HEAD request.
func (c *Conn) Open(s *Stream, block, body []byte, head bool) {
	s.Status, s.Body, s.Err = 0, 0, nil
	s.id, s.state, s.head, s.length = c.nextID, waiting, head, -1
	s.sendWindow, s.receiveWindow, s.body, s.sent = c.initialWindow, streamWindow, body, 0
	c.streams[s.id] = s
	c.nextID += 2
	if c.nextID > lastStreamID {
		c.goneAway = "the numbers of streams have run out"
	}
	flags := http2.Flags(0)
	if len(body) == 0 {
		flags = http2.FlagHeadersEndStream
	}
	c.appendBlock(s.id, block, flags)
	if len(body) > 0 && !c.sendBody(s) {
		c.unsent = append(c.unsent, s)
	}
}

// appendBlock appends a header block, in several frames where it is too long for one.
func (c *Conn) appendBlock(stream uint32, block []byte, flags http2.Flags) {
	kind := http2.FrameHeaders
	for len(block) > c.maxFrame {
		c.out = append(appendHeader(c.out, c.maxFrame, kind, flags, stream), block[:c.maxFrame]...)
		block, kind, flags = block[c.maxFrame:], http2.FrameContinuation, 0
	}
	c.out = append(appendHeader(c.out, len(block), kind, flags|http2.FlagHeadersEndHeaders, stream), block...)
}

// sendBody sends what the server has room for of a request's body. It reports whether that was all.
func (c *Conn) sendBody(s *Stream) bool {
	for {
		n := int(min(int64(len(s.body)), int64(c.maxFrame), s.sendWindow, c.sendWindow))
		if n <= 0 {
			return false
		}
		flags := http2.Flags(0)
		if n == len(s.body) {
			flags = http2.FlagDataEndStream
		}
		c.out = append(appendHeader(c.out, n, http2.FrameData, flags, s.id), s.body[:n]...)
		s.body = s.body[n:]
		s.sent += int64(n)
		s.sendWindow -= int64(n)
		c.sendWindow -= int64(n)
		if len(s.body) == 0 {
			return true
		}
	}
}

// sendMore sends what the server has got room for.
func (c *Conn) sendMore() {
	rest := c.unsent[:0]
	for _, s := range c.unsent {
		if !c.sendBody(s) {
			rest = append(rest, s)
		}
	}
	c.unsent = rest
}

// Cancel ends a stream whose answer is no longer waited for. It is not among those that [Conn.Ended] returns.
func (c *Conn) Cancel(s *Stream) {
	if s.state == closed {
		return
	}
	c.reset(s, http2.ErrCodeCancel)
	c.close(s)
}

func (c *Conn) reset(s *Stream, code http2.ErrCode) {
	c.out = appendWord(c.out, http2.FrameRSTStream, s.id, uint32(code))
}

// close forgets a stream.
func (c *Conn) close(s *Stream) {
	delete(c.streams, s.id)
	s.state = closed
	if len(s.body) > 0 {
		s.body = nil
		if i := slices.Index(c.unsent, s); i >= 0 {
			c.unsent = slices.Delete(c.unsent, i, i+1)
		}
	}
}

// end ends a stream with its answer, or the error that it met instead.
func (c *Conn) end(s *Stream, err error) {
	c.close(s)
	s.Err = err
	c.ended = append(c.ended, s)
}

// Ended are the streams that the last [Conn.Feed] has ended.
func (c *Conn) Ended() []*Stream { return c.ended }

// HasOutput reports whether there is something to be sent.
func (c *Conn) HasOutput() bool { return len(c.out) > 0 }

// TakeOutput appends what is to be sent to dst.
func (c *Conn) TakeOutput(dst []byte) []byte {
	dst = append(dst, c.out...)
	c.out, c.replies = c.out[:0], 0
	return dst
}

// SwapOutput exchanges the memory of what is to be sent for other memory, whose content is of no more use: nothing is
// copied.
func (c *Conn) SwapOutput(old []byte) []byte {
	out := c.out
	c.out, c.replies = old[:0], 0
	return out
}

// Abandon takes note that the connection has ended, and returns the streams that were still open, in the order of their
// requests.
func (c *Conn) Abandon() []*Stream {
	c.failed = true
	c.ended = c.ended[:0]
	for _, s := range c.streams {
		c.ended = append(c.ended, s)
	}
	byNumber(c.ended)
	for _, s := range c.ended {
		s.state, s.body, s.Err = closed, nil, nil
	}
	clear(c.streams)
	c.unsent = c.unsent[:0]
	return c.ended
}

// byNumber puts streams into the order in which they were opened.
func byNumber(streams []*Stream) {
	slices.SortFunc(streams, func(a, b *Stream) int { return cmp.Compare(a.id, b.id) })
}

// Feed reads what has come. After an error the connection is of no more use; what it has ended counts nevertheless.
func (c *Conn) Feed(data []byte) error {
	c.ended = c.ended[:0]
	for len(data) > 0 {
		if len(c.partial) == 0 {
			n, err := c.frameLength(data)
			if err != nil {
				return c.fail(err)
			}
			if n > 0 && n <= len(data) {
				if err := c.handle(readFrame(data[:n])); err != nil {
					return c.fail(err)
				}
				data = data[n:]
				continue
			}
			c.partial = append(c.partial, data...)
			return nil
		}
		used, err := c.complete(data)
		if err != nil {
			return c.fail(err)
		}
		data = data[used:]
	}
	return nil
}

// complete adds to the frame of which a part has come, and reads it when it is whole.
func (c *Conn) complete(data []byte) (used int, err error) {
	want := frameHeader
	if len(c.partial) >= frameHeader {
		want, err = c.frameLength(c.partial)
		if err != nil {
			return 0, err
		}
	}
	used = min(want-len(c.partial), len(data))
	c.partial = append(c.partial, data[:used]...)
	n, err := c.frameLength(c.partial)
	if err != nil || n == 0 || n > len(c.partial) {
		return used, err
	}
	err = c.handle(readFrame(c.partial))
	c.partial = c.partial[:0]
	return used, err
}

// frameLength is the length of the frame that b begins with, its header included; 0: not enough of it has come to tell.
func (c *Conn) frameLength(b []byte) (int, error) {
	const other = "HTTP/"
	if n := min(len(b), len(other)); !c.settingsKnown && string(b[:n]) == other[:n] {
		if n == len(other) {
			return 0, fault(http2.ErrCodeHTTP11Required, "the server answers by HTTP/1: %.40q", b)
		}
		return 0, nil
	}
	if len(b) < frameHeader {
		return 0, nil
	}
	n := payloadLength(b)
	if n > maxFrame {
		return 0, fault(http2.ErrCodeFrameSize, "a frame of %d bytes, and %d is the most that is allowed", n, maxFrame)
	}
	return frameHeader + n, nil
}

// fail ends the connection, with a word to the server why.
func (c *Conn) fail(err error) error {
	c.failed = true
	code := http2.ErrCodeProtocol
	var e *Error
	if errors.As(err, &e) {
		code = e.Code
	}
	c.out = appendHeader(c.out, 8, http2.FrameGoAway, 0, 0)
	c.out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(c.out, 0), uint32(code))
	return err
}

// reply makes room for an answer to a frame of the server.
func (c *Conn) reply(bytes int) error {
	c.replies += bytes
	if c.replies > maxReplies {
		return fault(http2.ErrCodeEnhanceYourCalm, "the server takes none of the answers to its frames")
	}
	return nil
}

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, a...))
}
