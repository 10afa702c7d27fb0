package http1

import "fmt"

// chunkReader is where in a chunked body (RFC 9112, section 7.1) the parser is.
type chunkReader struct {
	state   chunkState
	digits  int // of the size
	line    int // bytes of the present line
	trailer trailerLine
	after   int // bytes after the last chunk
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailer
	trailerLF
)

// trailerLine is what is known of a line after the last chunk.
type trailerLine struct {
	started, named bool // it is not the blank one; its name has ended
	follows        bool // another one came before
}

// maxChunkLine bounds a line of framing or of a trailer.
const maxChunkLine = 4096

func (p *Parser) feedChunks(data []byte) (used int, err error) {
	for used < len(data) {
		if p.chunks.state == chunkData {
			n := int(min(p.left, int64(len(data)-used)))
			p.take(data[used : used+n])
			used += n
			p.left -= int64(n)
			if p.left == 0 {
				p.chunks.state = chunkDataCR
			}
			continue
		}
		if err := p.chunkByte(data[used]); err != nil {
			return used, err
		}
		used++
		if p.state == finished {
			return used, nil
		}
	}
	return used, nil
}

// chunkByte reads one byte of the framing.
func (p *Parser) chunkByte(c byte) error {
	k := &p.chunks
	k.line++
	if k.line > maxChunkLine {
		return fmt.Errorf("%w: a line of more than %d bytes between chunks", ErrMalformed, maxChunkLine)
	}
	switch k.state {
	case chunkSize:
		return p.chunkSizeByte(c)
	case chunkExtension:
		switch c {
		case '\r':
			k.state = chunkSizeLF
		case '\n':
			return chunkFault(c)
		}
	case chunkSizeLF:
		if c != '\n' {
			return chunkFault(c)
		}
		k.line, k.digits, k.after = 0, 0, 0
		k.state = chunkData
		if p.left == 0 {
			k.state = trailer
		}
	case chunkDataCR:
		if c != '\r' {
			return chunkFault(c)
		}
		k.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return chunkFault(c)
		}
		k.state, k.line = chunkSize, 0
	case trailer:
		k.after++
		if k.after > MaxHead {
			return fmt.Errorf("%w: its trailer has more than %d bytes", ErrMalformed, MaxHead)
		}
		if c == '\r' {
			k.state = trailerLF
			break
		}
		return k.trailer.read(c)
	case trailerLF:
		if c != '\n' {
			return chunkFault(c)
		}
		if !k.trailer.started {
			p.state = finished
			return nil
		}
		if !k.trailer.named {
			return fmt.Errorf("%w: a trailer line has no colon", ErrMalformed)
		}
		k.state, k.trailer, k.line = trailer, trailerLine{follows: true}, 0
	}
	return nil
}

// read holds a byte of a trailer line against what a header line may have.
func (l *trailerLine) read(c byte) error {
	switch {
	case !l.started && (c == ' ' || c == '\t') && l.follows: // folded
		l.named = true
	case !l.named && c == ':' && l.started:
		l.named = true
	case !l.named && (!tokenOrSpace[c] || !l.started && c == ' '), l.named && isControl(c):
		return fmt.Errorf("%w: %q in a trailer line", ErrMalformed, c)
	}
	l.started = true
	return nil
}

func (p *Parser) chunkSizeByte(c byte) error {
	k := &p.chunks
	digit := int64(-1)
	switch {
	case '0' <= c && c <= '9':
		digit = int64(c - '0')
	case 'a' <= c && c <= 'f':
		digit = int64(c-'a') + 10
	case 'A' <= c && c <= 'F':
		digit = int64(c-'A') + 10
	}
	switch {
	case digit >= 0:
		k.digits++
		if k.digits > 15 {
			return fmt.Errorf("%w: a chunk of more than 2^60 bytes", ErrMalformed)
		}
		p.left = p.left<<4 | digit
	case k.digits == 0:
		return chunkFault(c)
	case c == ';' || c == ' ' || c == '\t':
		k.state = chunkExtension
	case c == '\r':
		k.state = chunkSizeLF
	default:
		return chunkFault(c)
	}
	return nil
}

func chunkFault(c byte) error {
	return fmt.Errorf("%w: %q in the framing of a chunk", ErrMalformed, c)
}
