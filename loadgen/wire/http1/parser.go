// Package http1 reads HTTP/1.1 answers as their bytes come in, in pieces of any size, without allocating: what a load
// generator needs of an answer is its status, its length and whether the connection can be used again. What it accepts
// and refuses is what net/http does (a fuzz test holds the one against the other).
package http1

import (
	"bytes"
	"errors"
	"fmt"
)

// MaxHead bounds the head of an answer in bytes.
const MaxHead = 256 << 10

// Errors of answers. Those of malformed ones wrap ErrMalformed.
var (
	ErrMalformed  = errors.New("malformed HTTP answer")
	ErrHeadTooBig = fmt.Errorf("%w: its head has more than %d bytes", ErrMalformed, MaxHead)
	ErrClosed     = errors.New("connection closed before the answer ended")
)

// Parser reads the answers of one connection, one after the other. Begin each with [Parser.Start]. The zero value is
// ready for an answer to GET.
type Parser struct {
	// Status, KeepAlive and Body say what the present answer is: its status code, whether the connection can be used
	// again after it, and how many bytes of its body have come, without the framing of chunks.
	Status    int
	KeepAlive bool
	Body      int64
	// OnHeader, when not nil, is given every header line of the final answer, and OnBody every piece of its body. Both
	// must copy what they keep. OnHead, when not nil, is called between them with the whole head: Status is known then.
	OnHeader func(name, value []byte)
	OnHead   func(head []byte)
	OnBody   func(piece []byte)

	state   state
	head    bool  // the answer to a HEAD request has no body
	interim bool  // an informational answer has come
	left    int64 // of the body or the chunk
	partial []byte
	scanned int // bytes of partial known not to end a head
	chunks  chunkReader
}

type state uint8

const (
	inHead state = iota
	inBody       // of a known length
	inChunks
	untilClose
	finished
	failed
)

// Start makes the parser ready for the next answer; head says that it answers a HEAD request.
func (p *Parser) Start(head bool) {
	p.Status, p.KeepAlive, p.Body = 0, false, 0
	p.state, p.head, p.interim, p.left = inHead, head, false, 0
	p.partial, p.scanned = p.partial[:0], 0
}

// Begun reports whether anything of the present answer has come.
func (p *Parser) Begun() bool { return p.state != inHead || p.interim || len(p.partial) > 0 }

// Feed reads data. It returns how many bytes belong to the present answer, and whether that has ended; what follows
// then belongs to another. After an error the connection is of no more use.
func (p *Parser) Feed(data []byte) (n int, done bool, err error) {
	for {
		var used int
		switch p.state {
		case inHead:
			used, err = p.feedHead(data[n:])
		case inBody:
			used = int(min(p.left, int64(len(data)-n)))
			p.take(data[n : n+used])
			p.left -= int64(used)
			if p.left == 0 {
				p.state = finished
			}
		case inChunks:
			used, err = p.feedChunks(data[n:])
		case untilClose:
			used = len(data) - n
			p.take(data[n:])
		}
		n += used
		if err != nil {
			p.state = failed
			return n, false, err
		}
		if p.state >= finished {
			return n, p.state == finished, nil
		}
		if n == len(data) {
			return n, false, nil
		}
	}
}

// Close says that the connection has ended. It returns nil when that ends the answer, and [ErrClosed] when it cuts it.
func (p *Parser) Close() error {
	if p.state != untilClose {
		return ErrClosed
	}
	p.state = finished
	return nil
}

func (p *Parser) take(piece []byte) {
	p.Body += int64(len(piece))
	if p.OnBody != nil && len(piece) > 0 {
		p.OnBody(piece)
	}
}

// feedHead reads a head that lies whole in data where it is, and gathers one that comes in pieces.
func (p *Parser) feedHead(data []byte) (used int, err error) {
	if len(p.partial) == 0 {
		end, _ := headEnd(data, 0)
		if end > MaxHead || end < 0 && len(data) > MaxHead {
			return 0, ErrHeadTooBig
		}
		if end < 0 {
			p.partial = append(p.partial, data...)
			return len(data), p.checkBeginning()
		}
		return end, p.parseHead(data[:end])
	}
	before := len(p.partial)
	p.partial = append(p.partial, data[:min(len(data), MaxHead+1-before)]...)
	var end int
	end, p.scanned = headEnd(p.partial, p.scanned)
	switch {
	case end > MaxHead || end < 0 && len(p.partial) > MaxHead:
		return 0, ErrHeadTooBig
	case end < 0:
		return len(p.partial) - before, p.checkBeginning()
	}
	err = p.parseHead(p.partial[:end])
	p.partial, p.scanned = p.partial[:0], 0
	return end - before, err
}

// checkBeginning tells from the first bytes that what answers is no HTTP server: many others say a line and wait.
func (p *Parser) checkBeginning() error {
	const beginning = "HTTP/1."
	n := min(len(p.partial), len(beginning))
	if string(p.partial[:n]) != beginning[:n] {
		return notHTTP(p.partial)
	}
	return nil
}

func notHTTP(begun []byte) error { return fmt.Errorf("%w: it begins with %.40q", ErrMalformed, begun) }

// headEnd returns the index after the blank line that ends a head, or -1 and from where to look again when more has
// come.
func headEnd(b []byte, from int) (end, again int) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1, from
		}
		i += from
		switch rest := b[i+1:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 2, 0
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 3, 0
		case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
			return -1, i
		}
		from = i + 1
	}
}
