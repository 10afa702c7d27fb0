package secure

import (
	"net"
	"time"
)

// memory is what crypto/tls takes for the connection. It gives one record at a time, and only whole ones, so that it is
// known when nothing is left that could be read.
type memory struct {
	in    []byte // that has come and was not read
	own   []byte // where in is kept from one time to the next
	left  int    // bytes of the record that is being read
	out   []byte
	ended error       // of all reading
	wait  func() bool // during the handshake: waits for more to come; false: there will be no more
}

const (
	recordHeader = 5
	// maxRecord bounds the payload of a record (RFC 5246, section 6.2.3). What claims more, crypto/tls refuses by its
	// header.
	maxRecord = 16<<10 + 2048
	// The types of records are from change_cipher_spec to application_data.
	firstType, lastType = 20, 23
)

// recordLength is the length of the record that b begins with, its header included; 0: not enough of it has come to
// tell. Of what is no record it is that of a header, which is enough to be refused.
func recordLength(b []byte) int {
	if len(b) < recordHeader {
		return 0
	}
	n := int(b[3])<<8 | int(b[4])
	if n > maxRecord || b[0] < firstType || b[0] > lastType {
		return recordHeader
	}
	return recordHeader + n
}

func (m *memory) feed(data []byte) {
	if len(m.in) == 0 {
		m.in = data
		return
	}
	m.own = append(append(m.own[:0], m.in...), data...)
	m.in = m.own
}

// keep makes in a copy. What it is a copy of may be the end of own.
func (m *memory) keep() {
	m.own = append(m.own[:0], m.in...)
	m.in = m.own
}

// ready reports whether there is something to read: the rest of a record, or a whole one.
func (m *memory) ready() bool {
	if m.left > 0 {
		return true
	}
	n := recordLength(m.in)
	return n > 0 && n <= len(m.in)
}

// later is the error of reading what has not come yet. It is temporary: crypto/tls forgets it.
type later struct{}

func (later) Error() string   { return "nothing more has come yet" }
func (later) Timeout() bool   { return true }
func (later) Temporary() bool { return true }

var errLater net.Error = later{}

// Read reads of the next whole record.
func (m *memory) Read(b []byte) (int, error) {
	for !m.ready() {
		switch {
		case m.ended != nil:
			return 0, m.ended
		case m.wait == nil:
			return 0, errLater
		case !m.wait():
			return 0, net.ErrClosed
		}
	}
	if m.left == 0 {
		m.left = recordLength(m.in)
	}
	n := copy(b, m.in[:m.left])
	m.in, m.left = m.in[n:], m.left-n
	return n, nil
}

func (m *memory) Write(b []byte) (int, error) {
	m.out = append(m.out, b...)
	return len(b), nil
}

// What else a net.Conn has, crypto/tls does not need of it here.

func (m *memory) Close() error                     { return nil }
func (m *memory) LocalAddr() net.Addr              { return nil }
func (m *memory) RemoteAddr() net.Addr             { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
