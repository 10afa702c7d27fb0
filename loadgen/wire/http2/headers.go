package http2

import "golang.org/x/net/http2"

// headBlock is the header block that is being read.
type headBlock struct {
	block  []byte // what has come of one that is in several frames
	stream uint32 // of such a block; 0: there is none
	ends   bool   // the stream, which ends with it

	to      *Stream // nil: a stream that has ended
	fault   error   // the first of the fields that must not be
	size    int     // of all fields
	fields  bool    // there was one that is none of the protocol's
	status  int
	trailer bool
}

// headers takes the beginning of a header block.
func (c *Conn) headers(f *frame) error {
	s, err := c.streamOf(f)
	if err != nil {
		return err
	}
	block, err := f.unpadded()
	if err != nil {
		return err
	}
	c.head.to, c.head.ends = s, f.flags.Has(http2.FlagHeadersEndStream)
	if f.flags.Has(http2.FlagHeadersEndHeaders) {
		return c.decode(block)
	}
	c.head.stream = f.stream
	c.head.block = append(c.head.block[:0], block...)
	return nil
}

// continuation takes more of a header block.
func (c *Conn) continuation(f *frame) error {
	if c.head.stream == 0 {
		return fault(http2.ErrCodeProtocol, "a CONTINUATION frame without a header block")
	}
	if len(c.head.block)+len(f.payload) > maxHeaders {
		return fault(http2.ErrCodeEnhanceYourCalm, "a header block of more than %d bytes", maxHeaders)
	}
	if len(f.payload) == 0 && !f.flags.Has(http2.FlagContinuationEndHeaders) {
		return fault(http2.ErrCodeEnhanceYourCalm, "a CONTINUATION frame of nothing")
	}
	c.head.block = append(c.head.block, f.payload...)
	if !f.flags.Has(http2.FlagContinuationEndHeaders) {
		return nil
	}
	c.head.stream = 0
	return c.decode(c.head.block)
}

// decode reads a whole header block: that of a stream that has ended, too, changes the table of fields.
func (c *Conn) decode(block []byte) error {
	h := &c.head
	h.fault, h.size, h.fields, h.status = nil, 0, false, 0
	h.trailer = h.to != nil && h.to.state == answering
	err := c.decoder.decode(block)
	if err != nil {
		return fault(http2.ErrCodeCompression, "%v", err)
	}
	s := h.to
	if s == nil {
		return nil
	}
	if h.fault == nil && h.status == 0 && !h.trailer {
		h.fault = malformed("no :status")
	}
	if h.fault == nil && h.trailer && !h.ends {
		h.fault = malformed("the trailer does not end the answer")
	}
	if h.fault == nil && h.ends && h.informational() {
		h.fault = malformed("an answer of status %d ends the stream", h.status)
	}
	if h.fault != nil {
		c.reject(s, h.fault)
		return nil
	}
	c.headRead(s)
	return nil
}

// headRead takes note of a header block that was read whole.
func (c *Conn) headRead(s *Stream) {
	switch h := &c.head; {
	case h.trailer:
		c.finish(s)
	case h.informational():
		s.state = interim
	default:
		s.state = answering
		if s.OnHead != nil {
			s.OnHead()
		}
		if h.ends {
			c.finish(s)
		}
	}
}

func (h *headBlock) informational() bool { return h.status >= 100 && h.status < 200 }

// field takes a field of a header block.
func (c *Conn) field(name, value []byte) {
	h := &c.head
	h.size += len(name) + len(value) + fieldOverhead
	if h.to == nil || h.fault != nil {
		return
	}
	if h.size > maxHeaders {
		h.fault = malformed("its header has more than %d bytes", maxHeaders)
		return
	}
	if len(name) > 0 && name[0] == ':' {
		h.fault = h.pseudo(name, value)
		return
	}
	h.fields = true
	h.fault = checkField(name, value)
	s := h.to
	if h.fault != nil || h.trailer || h.status == 0 || h.informational() {
		return
	}
	if len(name) == len("content-length") && string(name) == "content-length" {
		h.fault = s.setLength(value)
	}
	if s.OnHeader != nil {
		s.OnHeader(name, value)
	}
}

// pseudo takes a field that the protocol has in place of the status line.
func (h *headBlock) pseudo(name, value []byte) error {
	switch {
	case string(name) != ":status" || h.trailer:
		return malformed("the field %.40q", name)
	case h.status != 0:
		return malformed("two :status")
	case h.fields:
		return malformed(":status stands behind other fields")
	case len(value) != 3:
		return malformed(":status %.20q", value)
	}
	status := 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return malformed(":status %.20q", value)
		}
		status = 10*status + int(c-'0')
	}
	if status < 100 || status == 101 { // which HTTP/2 has not (RFC 9113, section 8.6)
		return malformed(":status %.20q", value)
	}
	h.status = status
	s := h.to
	s.Status = status
	if s.state == waiting && s.OnBegin != nil {
		s.OnBegin()
	}
	return nil
}

// checkField holds a field against what RFC 9113 lets it be (section 8.2).
func checkField(name, value []byte) error {
	if len(name) == 0 {
		return malformed("a field without a name")
	}
	for _, c := range name {
		if !nameByte[c] {
			return malformed("the field %.40q", name)
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return malformed("the field %.40q has a control character", name)
		}
	}
	switch len(name) { // those of HTTP/1.1's connections; keep-alive is as long as connection
	case len("upgrade"), len("connection"), len("proxy-connection"), len("transfer-encoding"):
		switch string(name) {
		case "upgrade", "connection", "keep-alive", "proxy-connection", "transfer-encoding":
			return malformed("the field %q, which HTTP/2 has not", name)
		}
	}
	return nil
}

// nameByte are the bytes of a field's name: those of a token (RFC 9110, section 5.6.2), and no capital letters.
var nameByte = func() (table [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		table[c] = true
	}
	return table
}()

// setLength takes note of how long the body will be.
func (s *Stream) setLength(value []byte) error {
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' || n > 1<<58 {
			return malformed("content-length %.30q", value)
		}
		n = 10*n + int64(c-'0')
	}
	if len(value) == 0 || s.length >= 0 && s.length != n {
		return malformed("content-length %.30q", value)
	}
	s.length = n
	return nil
}
