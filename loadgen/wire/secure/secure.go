// Package secure is the client's side of TLS connections without input and output: what has come is fed to it and
// decrypted, what is to be sent is encrypted and taken from it. crypto/tls does the work, over a connection that is
// memory.
//
// A handshake of crypto/tls cannot be interrupted and gone on with. Here it is a coroutine of the goroutine that feeds
// it: it runs until it needs more than has come. What follows a handshake needs none, because crypto/tls lets reading
// fail for the moment.
package secure

import (
	"crypto/tls"
	"io"
	"iter"
)

// Conn is one connection. One goroutine uses it, and calls [Conn.Close] in the end.
type Conn struct {
	tls    *tls.Conn
	memory memory

	resume func() (struct{}, bool) // the handshake
	cancel func()
	err    error // of the handshake
	state  state
}

type state uint8

const (
	shaking state = iota
	established
	failed
)

// New begins a connection, whose first message is to be sent then. The configuration needs a ServerName, or
// InsecureSkipVerify.
func New(config *tls.Config) *Conn {
	return begin(func(m *memory) *tls.Conn { return tls.Client(m, config) })
}

// begin begins a connection on either side.
func begin(over func(*memory) *tls.Conn) *Conn {
	c := &Conn{}
	c.tls = over(&c.memory)
	c.resume, c.cancel = iter.Pull(func(yield func(struct{}) bool) {
		c.memory.wait = func() bool { return yield(struct{}{}) }
		c.err = c.tls.Handshake()
	})
	_, _ = c.Shake()
	return c
}

// Shake goes on with the handshake as far as what was fed allows. It reports whether it is over; an error is what it
// failed with.
func (c *Conn) Shake() (over bool, err error) {
	if c.state != shaking {
		return true, c.err
	}
	if _, more := c.resume(); more {
		return false, nil
	}
	c.memory.wait = nil
	c.state = established
	if c.err != nil {
		c.state = failed
	}
	return true, c.err
}

// Established reports whether the handshake has succeeded.
func (c *Conn) Established() bool { return c.state == established }

// State is what the handshake has agreed on.
func (c *Conn) State() tls.ConnectionState { return c.tls.ConnectionState() }

// Feed takes what has come. It may be used until [Conn.Keep] and must stay as it is until then.
func (c *Conn) Feed(data []byte) { c.memory.feed(data) }

// Keep copies what of the bytes fed is left.
func (c *Conn) Keep() { c.memory.keep() }

// Ready reports whether a whole record has come that was not read.
func (c *Conn) Ready() bool { return c.memory.ready() }

// Read decrypts into b, which is not empty, the next of what has come. It reads 0 bytes of a record that has none for
// the caller, such as a session ticket. The error is [io.EOF] when the server has said that nothing follows.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.tls.Read(b)
	if err == errLater {
		err = nil
	}
	return n, err
}

// Write encrypts what is to be sent.
func (c *Conn) Write(b []byte) error {
	_, err := c.tls.Write(b)
	return err
}

// HasOutput reports whether something is to be sent.
func (c *Conn) HasOutput() bool { return len(c.memory.out) > 0 }

// SwapOutput exchanges the memory of what is to be sent for other memory, whose content is of no more use.
func (c *Conn) SwapOutput(old []byte) []byte {
	out := c.memory.out
	c.memory.out = old[:0]
	return out
}

// Close ends a handshake that is under way. It sends nothing.
func (c *Conn) Close() {
	c.memory.ended = io.ErrClosedPipe
	c.cancel()
}
