package http2

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
)

// handle reads a frame. An error is one of the connection.
func (c *Conn) handle(f frame) error {
	if !c.settingsKnown && (f.kind != http2.FrameSettings || f.flags.Has(http2.FlagSettingsAck)) {
		return fault(http2.ErrCodeProtocol, "the server begins with a %v frame, and not with its settings", f.kind)
	}
	if c.head.stream != 0 && (f.kind != http2.FrameContinuation || f.stream != c.head.stream) {
		return fault(http2.ErrCodeProtocol, "a %v frame stands within a header block", f.kind)
	}
	switch f.kind {
	case http2.FrameData:
		return c.data(&f)
	case http2.FrameHeaders:
		return c.headers(&f)
	case http2.FrameContinuation:
		return c.continuation(&f)
	case http2.FrameRSTStream:
		return c.rstStream(&f)
	case http2.FrameSettings:
		return c.settings(&f)
	case http2.FramePing:
		return c.ping(&f)
	case http2.FrameGoAway:
		return c.goAway(&f)
	case http2.FrameWindowUpdate:
		return c.windowUpdate(&f)
	case http2.FramePushPromise:
		return fault(http2.ErrCodeProtocol, "the server pushes, and was told not to")
	case http2.FramePriority:
		if len(f.payload) != 5 {
			return wrongLength(&f)
		}
	}
	return nil // an unknown kind
}

func wrongLength(f *frame) error {
	return fault(http2.ErrCodeFrameSize, "a %v frame of %d bytes", f.kind, len(f.payload))
}

// streamOf finds the stream of a frame; nil: it has ended already.
func (c *Conn) streamOf(f *frame) (*Stream, error) {
	switch {
	case f.stream == 0:
		return nil, fault(http2.ErrCodeProtocol, "a %v frame without a stream", f.kind)
	case f.stream%2 == 0 || f.stream >= c.nextID:
		return nil, fault(http2.ErrCodeProtocol, "a %v frame of stream %d, which was never opened", f.kind, f.stream)
	}
	return c.streams[f.stream], nil
}

// data takes a piece of a body.
func (c *Conn) data(f *frame) error {
	s, err := c.streamOf(f)
	if err != nil {
		return err
	}
	piece, err := f.unpadded()
	if err != nil {
		return err
	}
	size := int64(len(f.payload)) // with the padding, which counts as well
	c.receiveWindow -= size
	if c.receiveWindow < 0 {
		return fault(http2.ErrCodeFlowControl, "the server sends more than it was allowed to")
	}
	if c.receiveWindow < connWindow/2 {
		c.out = appendWord(c.out, http2.FrameWindowUpdate, 0, uint32(connWindow-c.receiveWindow))
		c.receiveWindow = connWindow
	}
	if s == nil {
		return nil
	}
	s.receiveWindow -= size
	switch {
	case s.receiveWindow < 0:
		c.reset(s, http2.ErrCodeFlowControl)
		c.end(s, malformed("more of the body came than was allowed"))
		return nil
	case s.state != answering:
		c.reject(s, malformed("the body came before the header"))
		return nil
	case len(piece) > 0 && s.bodiless():
		c.reject(s, malformed("an answer has a body that can have none"))
		return nil
	}
	s.Body += int64(len(piece))
	if s.OnBody != nil && len(piece) > 0 {
		s.OnBody(piece)
	}
	if f.flags.Has(http2.FlagDataEndStream) {
		c.finish(s)
		return nil
	}
	if s.receiveWindow < streamWindow/2 {
		c.out = appendWord(c.out, http2.FrameWindowUpdate, s.id, uint32(streamWindow-s.receiveWindow))
		s.receiveWindow = streamWindow
	}
	return nil
}

// bodiless reports whether the answer is one that never has a body.
func (s *Stream) bodiless() bool { return s.head || s.Status == 204 || s.Status == 304 }

// finish ends a stream whose answer is whole. A server may answer before it has read the request: the rest of that is
// not sent.
func (c *Conn) finish(s *Stream) {
	if s.length >= 0 && s.length != s.Body && !s.bodiless() {
		c.reject(s, malformed("content-length is %d, and the body has %d bytes", s.length, s.Body))
		return
	}
	if len(s.body) > 0 {
		c.reset(s, http2.ErrCodeCancel)
	}
	c.end(s, nil)
}

// reject ends a stream with an answer that is none.
func (c *Conn) reject(s *Stream, err error) {
	c.reset(s, http2.ErrCodeProtocol)
	c.end(s, err)
}

func (c *Conn) rstStream(f *frame) error {
	s, err := c.streamOf(f)
	if err != nil {
		return err
	}
	if len(f.payload) != 4 {
		return wrongLength(f)
	}
	if s == nil {
		return nil
	}
	code := http2.ErrCode(binary.BigEndian.Uint32(f.payload))
	if code == http2.ErrCodeRefusedStream {
		c.end(s, fmt.Errorf("%w: %v", ErrRefused, code))
	} else {
		c.end(s, fmt.Errorf("%w: %v", ErrReset, code))
	}
	return nil
}

// settings takes what the server wants to be kept to, and says that it is from now on.
func (c *Conn) settings(f *frame) error {
	switch {
	case f.stream != 0:
		return fault(http2.ErrCodeProtocol, "a SETTINGS frame of a stream")
	case f.flags.Has(http2.FlagSettingsAck) && len(f.payload) == 0:
		return nil
	case f.flags.Has(http2.FlagSettingsAck) || len(f.payload)%6 != 0:
		return wrongLength(f)
	}
	if !c.settingsKnown {
		c.settingsKnown, c.maxStreams = true, lastStreamID
	}
	for p := f.payload; len(p) > 0; p = p[6:] {
		err := c.set(http2.SettingID(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:]))
		if err != nil {
			return err
		}
	}
	err := c.reply(frameHeader)
	if err != nil {
		return err
	}
	c.out = appendHeader(c.out, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	c.sendMore()
	return nil
}

func (c *Conn) set(id http2.SettingID, value uint32) error {
	setting := http2.Setting{ID: id, Val: value}
	err := setting.Valid()
	if err != nil {
		code, _ := err.(http2.ConnectionError)
		return fault(http2.ErrCode(code), "the setting %v", setting)
	}
	switch id {
	case http2.SettingHeaderTableSize:
		c.Encoder.setLimit(value)
	case http2.SettingEnablePush:
		if value != 0 {
			return fault(http2.ErrCodeProtocol, "the setting %v, which is for clients", setting)
		}
	case http2.SettingMaxConcurrentStreams:
		c.maxStreams = value
	case http2.SettingMaxFrameSize:
		c.maxFrame = int(value)
	case http2.SettingInitialWindowSize: // that of open streams changes as well (RFC 9113, section 6.9.2)
		change := int64(value) - c.initialWindow
		c.initialWindow = int64(value)
		for _, s := range c.streams {
			s.sendWindow += change
			if s.sendWindow > lastStreamID {
				return fault(http2.ErrCodeFlowControl, "the setting %v makes the window of a stream too large", setting)
			}
		}
	}
	return nil
}

func (c *Conn) ping(f *frame) error {
	switch {
	case f.stream != 0:
		return fault(http2.ErrCodeProtocol, "a PING frame of a stream")
	case len(f.payload) != 8:
		return wrongLength(f)
	case f.flags.Has(http2.FlagPingAck):
		return nil
	}
	err := c.reply(frameHeader + 8)
	if err != nil {
		return err
	}
	c.out = append(appendHeader(c.out, 8, http2.FramePing, http2.FlagPingAck, 0), f.payload...)
	return nil
}

// maxReason bounds what is quoted of a server's reason.
const maxReason = 100

// goAway takes note that the server takes no more requests, and which of those that were sent it does not take.
func (c *Conn) goAway(f *frame) error {
	if f.stream != 0 {
		return fault(http2.ErrCodeProtocol, "a GOAWAY frame of a stream")
	}
	if len(f.payload) < 8 {
		return wrongLength(f)
	}
	last := binary.BigEndian.Uint32(f.payload) &^ (1 << 31)
	code := http2.ErrCode(binary.BigEndian.Uint32(f.payload[4:]))
	c.goneAway = fmt.Sprintf("GOAWAY: %v", code)
	if debug := f.payload[8:]; len(debug) > 0 {
		c.goneAway += fmt.Sprintf(", %q", debug[:min(len(debug), maxReason)])
	}
	if last >= c.lastTaken { // it may take fewer than it said before, and not more
		return nil
	}
	c.lastTaken = last
	from := len(c.ended)
	refused := fmt.Errorf("%w: %s", ErrRefused, c.goneAway)
	for id, s := range c.streams {
		if id > last {
			c.end(s, refused)
		}
	}
	byNumber(c.ended[from:])
	return nil
}

func (c *Conn) windowUpdate(f *frame) error {
	if len(f.payload) != 4 {
		return wrongLength(f)
	}
	more := int64(binary.BigEndian.Uint32(f.payload) &^ (1 << 31))
	if f.stream == 0 {
		c.sendWindow += more
		switch {
		case more == 0:
			return fault(http2.ErrCodeProtocol, "a WINDOW_UPDATE frame of nothing")
		case c.sendWindow > lastStreamID:
			return fault(http2.ErrCodeFlowControl, "the window of the connection is made too large")
		}
		c.sendMore()
		return nil
	}
	s, err := c.streamOf(f)
	if err != nil || s == nil {
		return err
	}
	s.sendWindow += more
	switch {
	case more == 0:
		c.reject(s, malformed("a WINDOW_UPDATE frame of nothing"))
	case s.sendWindow > lastStreamID:
		c.reset(s, http2.ErrCodeFlowControl)
		c.end(s, malformed("the window of the stream is made too large"))
	default:
		c.sendMore()
	}
	return nil
}
