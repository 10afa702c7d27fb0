// Package sse reads streams of server-sent events as their bytes come in, in pieces of any size, without allocating for
// an event. It follows "Interpreting an event stream" of the HTML standard (html.spec.whatwg.org, section 9.2.6), with
// two differences: bytes are not decoded, so that what is not UTF-8 comes out as it came in, and the last event ID
// stays in force in a stream that goes on with one that broke, until an event of that stream sets another.
package sse

import (
	"bytes"
	"fmt"
	"time"
)

// MaxEvent bounds the data of one event, and each line, in bytes.
const MaxEvent = 1 << 20

// ErrTooBig is the error of an event or line that is longer.
var ErrTooBig = fmt.Errorf("an event or a line of more than %d bytes", MaxEvent)

// Event is one event. Its slices are valid until the function that is given it returns.
type Event struct {
	Type []byte // empty where the stream names none: "message"
	Data []byte // its lines joined by line feeds
	ID   []byte // the last event ID, which an earlier event may have set
	Own  bool   // this event set it
}

// Parser reads the streams of one subscriber, one after the other. The zero value is ready for the first.
type Parser struct {
	line []byte // the beginning of a line of which the rest has not come
	data []byte // of the event that is being read, unless it is inPlace
	typ  []byte
	// The data of an event that comes whole in one piece, on one line, is not copied.
	inPlace []byte
	lines   int // of data

	id, lastID []byte // the buffer that the next event sets the last event ID from, and that
	ownID      bool   // this event has set id

	retry    time.Duration
	hasRetry bool
	mark     int8 // bytes of a byte order mark that have come; decided when none can follow any more
	skipLF   bool // the last byte was a carriage return: a line feed belongs to the same end of a line
}

const (
	decided = -1
	// kept is how long a buffer may be, in bytes, to be used again: subscribers are many.
	kept = 8 << 10
)

var byteOrderMark = []byte("\ufeff")

// Restart begins another stream, which goes on with the one before: the last event ID and the reconnection time stay in
// force, and an event that has not come whole is dropped.
func (p *Parser) Restart() {
	p.line, p.mark, p.skipLF, p.ownID = p.line[:0], 0, false, false
	p.forget()
}

// LastID is the last event ID, which a client sends as Last-Event-ID when it connects again. It is empty when no event
// has set one, or one has set it so. It is valid until the next call.
func (p *Parser) LastID() []byte { return p.lastID }

// Retry is the reconnection time; set is false when the streams have set none.
func (p *Parser) Retry() (d time.Duration, set bool) { return p.retry, p.hasRetry }

// Feed reads data and gives each the events that it completes. After an error the stream is of no more use.
func (p *Parser) Feed(data []byte, each func(Event)) error {
	data = p.begin(data)
	lf := bytes.IndexByte(data, '\n') // the next one at or after what is left; -1: none
	for at := 0; at < len(data); {
		if lf >= 0 && lf < at {
			lf = indexFrom(data, at, '\n')
		}
		end, next := p.lineEnd(data, at, lf)
		if end < 0 {
			return p.keep(data[at:])
		}
		line := data[at:end]
		if len(p.line) > 0 {
			if len(p.line)+len(line) > MaxEvent {
				return ErrTooBig
			}
			p.line = append(p.line, line...)
			line = p.line
		}
		if err := p.read(line, each); err != nil {
			return err
		}
		if len(p.line) > 0 { // its bytes are needed no longer than the data in them
			p.settle()
			p.line = emptied(p.line)
		}
		at = next
	}
	p.settle()
	return nil
}

// begin drops what is no content: a byte order mark at the beginning of the stream, and the second half of a line's end
// of which the first came before.
func (p *Parser) begin(data []byte) []byte {
	for p.mark != decided && len(data) > 0 {
		if data[0] != byteOrderMark[p.mark] {
			p.line = append(p.line, byteOrderMark[:p.mark]...) // what looked like one is content
			p.mark = decided
			break
		}
		data = data[1:]
		p.mark++
		if int(p.mark) == len(byteOrderMark) {
			p.mark = decided
		}
	}
	if p.skipLF && len(data) > 0 {
		p.skipLF = false
		if data[0] == '\n' {
			data = data[1:]
		}
	}
	return data
}

// lineEnd finds the end of the line that begins at an index, and where the next one begins; lf is the next line feed.
// end is -1 where the line has not come whole.
func (p *Parser) lineEnd(data []byte, at, lf int) (end, next int) {
	to := len(data)
	if lf >= 0 {
		to = lf
	}
	switch cr := indexFrom(data[:to], at, '\r'); {
	case cr < 0 && lf < 0:
		return -1, 0
	case cr < 0:
		return lf, lf + 1
	case cr+1 == lf:
		return cr, lf + 1
	default:
		p.skipLF = cr+1 == len(data)
		return cr, cr + 1
	}
}

func indexFrom(data []byte, at int, c byte) int {
	i := bytes.IndexByte(data[at:], c)
	if i < 0 {
		return -1
	}
	return at + i
}

// keep keeps the beginning of a line.
func (p *Parser) keep(rest []byte) error {
	if len(p.line)+len(rest) > MaxEvent {
		return ErrTooBig
	}
	p.settle()
	p.line = append(p.line, rest...)
	return nil
}

// settle copies data that lies where it will soon be overwritten.
func (p *Parser) settle() {
	if p.inPlace != nil {
		p.data = append(p.data[:0], p.inPlace...)
		p.inPlace = nil
	}
}

// read takes in a line without its end.
func (p *Parser) read(line []byte, each func(Event)) error {
	if len(line) == 0 {
		p.dispatch(each)
		return nil
	}
	field, value := line, line[len(line):]
	if colon := bytes.IndexByte(line, ':'); colon >= 0 {
		field, value = line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
	}
	switch string(field) { // that of a comment is empty, and is none of these
	case "data":
		return p.addData(value)
	case "event":
		p.typ = append(p.typ[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.id, p.ownID = append(p.id[:0], value...), true
		}
	case "retry":
		p.setRetry(value)
	}
	return nil
}

func (p *Parser) addData(value []byte) error {
	p.lines++
	if p.lines == 1 {
		p.inPlace = value
		return nil
	}
	p.settle()
	if len(p.data)+1+len(value) > MaxEvent {
		return ErrTooBig
	}
	p.data = append(append(p.data, '\n'), value...)
	return nil
}

// longestRetry bounds the reconnection time.
const longestRetry = 24 * time.Hour

// setRetry sets the reconnection time, in milliseconds, where the value is nothing but digits.
func (p *Parser) setRetry(value []byte) {
	var d time.Duration
	for _, c := range value {
		if c < '0' || c > '9' {
			return
		}
		d = min(10*d+time.Duration(c-'0')*time.Millisecond, longestRetry)
	}
	if len(value) > 0 {
		p.retry, p.hasRetry = d, true
	}
}

// dispatch ends an event. One without a line of data is none, but sets the last event ID.
func (p *Parser) dispatch(each func(Event)) {
	own := p.ownID
	if own {
		p.id, p.lastID = p.lastID, p.id
		p.ownID = false
	}
	if p.lines > 0 {
		data := p.inPlace
		if data == nil {
			data = p.data
		}
		each(Event{Type: p.typ, Data: data, ID: p.lastID, Own: own})
	}
	p.forget()
}

// forget forgets the event that is being read.
func (p *Parser) forget() {
	p.data, p.typ, p.inPlace, p.lines = emptied(p.data), emptied(p.typ), nil, 0
}

// emptied is the buffer to be used again, unless it is long.
func emptied(b []byte) []byte {
	if cap(b) > kept {
		return nil
	}
	return b[:0]
}
