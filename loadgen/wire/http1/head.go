package http1

import (
	"bytes"
	"fmt"
	"strconv"
)

// framing is what the header lines say of the body and the connection.
type framing struct {
	length       int64 // -1: not said
	lengthText   []byte
	chunked      bool
	codings      int  // Transfer-Encoding lines
	unknown      bool // a transfer coding that is not chunked
	close, alive bool
}

// parseHead reads a whole head, the blank line included.
func (p *Parser) parseHead(head []byte) error {
	line, rest := cutLine(head)
	minor, status, err := parseStatusLine(line)
	if err != nil {
		return err
	}
	p.Status = status
	informational := status >= 100 && status < 200 && status != 101
	if rest[0] == ' ' || rest[0] == '\t' {
		return fmt.Errorf("%w: its first header line begins with a space", ErrMalformed)
	}
	f := framing{length: -1}
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if bytes.IndexByte(line, ':') <= 0 {
			return fmt.Errorf("%w: header line %.60q has no name", ErrMalformed, line)
		}
		// An obsolete folded line goes on with the value of the line before (RFC 9112, section 5.2).
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			var more []byte
			more, rest = cutLine(rest)
			line = append(append(append([]byte(nil), bytes.TrimRight(line, " \t")...), ' '), bytes.TrimSpace(more)...)
		}
		name, value, err := parseHeader(line)
		if err != nil {
			return err
		}
		if err := f.read(name, value); err != nil {
			return err
		}
		if p.OnHeader != nil && !informational {
			p.OnHeader(name, value)
		}
	}
	if informational {
		p.interim = true
		return nil // the final answer follows
	}
	if p.OnHead != nil {
		p.OnHead(head)
	}
	return p.frame(&f, minor)
}

// cutLine returns the first line without its end.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	line, rest = b[:i], b[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest
}

// parseStatusLine reads "HTTP/1.1 200 OK".
func parseStatusLine(line []byte) (minor, status int, err error) {
	if len(line) < 9 || string(line[:5]) != "HTTP/" || line[5] != '1' || line[6] != '.' || line[8] != ' ' ||
		line[7] != '0' && line[7] != '1' {
		return 0, 0, notHTTP(line)
	}
	code := bytes.TrimLeft(line[9:], " ")
	if len(code) < 3 || len(code) > 3 && code[3] != ' ' {
		return 0, 0, fmt.Errorf("%w: status line %.60q", ErrMalformed, line)
	}
	for _, c := range code[:3] {
		if c < '0' || c > '9' {
			return 0, 0, fmt.Errorf("%w: status line %.60q", ErrMalformed, line)
		}
		status = 10*status + int(c-'0')
	}
	return int(line[7] - '0'), status, nil
}

// parseHeader reads "Name: value"; the line has a colon.
func parseHeader(line []byte) (name, value []byte, err error) {
	colon := bytes.IndexByte(line, ':')
	name, value = line[:colon], line[colon+1:]
	for _, c := range name {
		if !tokenOrSpace[c] {
			return nil, nil, fmt.Errorf("%w: header name %.60q", ErrMalformed, name)
		}
	}
	for _, c := range value {
		if isControl(c) {
			return nil, nil, fmt.Errorf("%w: the header %.60q has a control character", ErrMalformed, name)
		}
	}
	return name, trim(value), nil
}

// trim cuts spaces and tabs off both ends. bytes.Trim makes a set of them first, which took a quarter of the time of
// reading a head.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// isControl reports what no value of a header has (RFC 9110, section 5.5).
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// tokenOrSpace are the bytes of a header's name (RFC 9110, section 5.6.2). net/http also takes a space, and then knows
// no such header.
var tokenOrSpace = func() (table [256]bool) {
	for c := range 256 {
		table[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~ ") {
		table[c] = true
	}
	return table
}()

// read notes a header line that frames the body or says what becomes of the connection.
func (f *framing) read(name, value []byte) error {
	switch len(name) {
	case len("Connection"):
		if Is(name, "connection") {
			f.close = f.close || hasToken(value, "close")
			f.alive = f.alive || hasToken(value, "keep-alive")
		}
	case len("Content-Length"):
		if Is(name, "content-length") {
			return f.readLength(value)
		}
	case len("Transfer-Encoding"):
		if Is(name, "transfer-encoding") {
			f.codings++
			f.chunked = Is(value, "chunked")
			f.unknown = f.unknown || !f.chunked
		}
	}
	return nil
}

func (f *framing) readLength(value []byte) error {
	if f.lengthText != nil && !bytes.Equal(f.lengthText, value) {
		return fmt.Errorf("%w: Content-Length is both %.30q and %.30q", ErrMalformed, f.lengthText, value)
	}
	f.lengthText = value
	if len(value) > 0 && len(value) < 19 { // without allocation, and below 2^63
		f.length = 0
		for _, c := range value {
			if c < '0' || c > '9' {
				return fmt.Errorf("%w: Content-Length %.30q", ErrMalformed, value)
			}
			f.length = 10*f.length + int64(c-'0')
		}
		return nil
	}
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil {
		return fmt.Errorf("%w: Content-Length %.30q", ErrMalformed, value)
	}
	f.length = int64(n)
	return nil
}

// frame decides how the body ends (RFC 9112, section 6.3).
func (p *Parser) frame(f *framing, minor int) error {
	if minor == 0 { // HTTP/1.0 has no transfer codings
		f.codings, f.chunked, f.unknown = 0, false, false
	}
	if f.codings > 1 || f.unknown {
		return fmt.Errorf("%w: a Transfer-Encoding other than chunked", ErrMalformed)
	}
	p.KeepAlive = !f.close && (minor > 0 || f.alive) && p.Status != 101 // after which another protocol is spoken
	switch {
	case p.head || p.Status == 101 || p.Status == 204 || p.Status == 304:
		p.state = finished
	case f.chunked:
		p.state = inChunks
		p.chunks = chunkReader{}
	case f.length == 0:
		p.state = finished
	case f.length > 0:
		p.state, p.left = inBody, f.length
	default:
		p.state, p.KeepAlive = untilClose, false
	}
	return nil
}

// Is compares without regard to case; lower is in lower case.
func Is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether a comma-separated list has the token.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		item := list
		if i := bytes.IndexByte(list, ','); i >= 0 {
			item, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if Is(trim(item), lower) {
			return true
		}
	}
	return false
}
