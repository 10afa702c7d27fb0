package http2

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/net/http2/hpack"
)

// tableSize is the size of the tables of header fields on both sides: HTTP/2's default, which we do not change.
const tableSize = 4096

// fieldOverhead is what a field counts in a table besides its bytes (RFC 7541, section 4.1).
const fieldOverhead = 32

// staticFields is the number of fields that both sides know ahead; the indices of others follow.
const staticFields = 61

// staticTable has them, by index (RFC 7541, appendix A). golang.org/x/net/http2/hpack does not export its own, but
// decodes indices.
var staticTable = func() (table [staticFields + 1]entry) {
	at := 0
	d := hpack.NewDecoder(tableSize, func(f hpack.HeaderField) {
		table[at] = entry{text: []byte(f.Name + f.Value), name: len(f.Name)}
	})
	for at = 1; at <= staticFields; at++ {
		if _, err := d.Write([]byte{0x80 | byte(at)}); err != nil {
			panic(err)
		}
	}
	return table
}()

// entry is a field of a table: its name, and its value behind it.
type entry struct {
	text []byte
	name int // length of the name
}

// decoder reads header blocks (RFC 7541) without allocating: golang.org/x/net/http2/hpack makes a string of every
// literal, and keeps two maps of its table that only an encoder needs. The memory of the table's entries is used again
// by later ones.
type decoder struct {
	// emit is given each field of a block. It must copy what it keeps.
	emit func(name, value []byte)

	ring        [tableSize / fieldOverhead]entry
	next, count int // where the next entry goes; entries
	size, limit int
	names       huffman
	values      huffman
}

// huffman decodes texts in Huffman code. It keeps some of them: many servers send the same literals with each answer,
// nginx among them, whose decoding would cost more than all else of an answer.
type huffman struct{ kept [16]decoded }

// decoded is a text, and the code that it came in.
type decoded struct{ code, text []byte }

// Write takes a text that golang.org/x/net has decoded.
func (t *decoded) Write(text []byte) (int, error) {
	t.text = append(t.text[:0], text...)
	return len(text), nil
}

// decode returns a text, which is valid until the next one is decoded.
func (h *huffman) decode(code []byte) ([]byte, error) {
	if len(code) == 0 {
		return nil, nil
	}
	n := len(code)
	t := &h.kept[(7*n+int(code[0])+3*int(code[n/2])+int(code[n-1]))%len(h.kept)]
	if bytes.Equal(t.code, code) {
		return t.text, nil
	}
	t.code = t.code[:0]
	_, err := hpack.HuffmanDecode(t, code)
	if err == nil {
		t.code = append(t.code, code...)
	}
	return t.text, err
}

// start forgets the table.
func (d *decoder) start() { d.next, d.count, d.size, d.limit = 0, 0, 0, tableSize }

var (
	errCut      = errors.New("the header block is cut")
	errNumber   = errors.New("a number in the header block is too large")
	errLateSize = errors.New("a table size comes behind a header field")
)

// decode reads a whole block.
func (d *decoder) decode(block []byte) error {
	fields := false
	for len(block) > 0 {
		b := block[0]
		var err error
		switch {
		case b&0x80 != 0: // indexed
			block, err = d.indexed(block)
		case b&0xc0 == 0x40: // literal, to be indexed
			block, err = d.literal(block, 6, true)
		case b&0xe0 == 0x20: // table size
			if fields {
				return errLateSize
			}
			block, err = d.resize(block)
			if err == nil {
				continue
			}
		default: // literal, without indexing or never indexed
			block, err = d.literal(block, 4, false)
		}
		if err != nil {
			return err
		}
		fields = true
	}
	return nil
}

func (d *decoder) indexed(block []byte) (rest []byte, err error) {
	index, rest, err := readNumber(block, 7)
	if err != nil {
		return nil, err
	}
	e, err := d.at(index)
	if err != nil {
		return nil, err
	}
	d.emit(e.text[:e.name], e.text[e.name:])
	return rest, nil
}

// literal reads a field whose value, and perhaps its name, is written out; the index of the name has so many bits.
func (d *decoder) literal(block []byte, bits uint, insert bool) (rest []byte, err error) {
	index, rest, err := readNumber(block, bits)
	if err != nil {
		return nil, err
	}
	var name, value []byte
	if index == 0 {
		name, rest, err = readText(rest, &d.names)
	} else {
		var e *entry
		e, err = d.at(index)
		if err == nil {
			name = e.text[:e.name]
		}
	}
	if err != nil {
		return nil, err
	}
	value, rest, err = readText(rest, &d.values)
	if err != nil {
		return nil, err
	}
	d.emit(name, value)
	if insert {
		d.insert(name, value)
	}
	return rest, nil
}

func (d *decoder) resize(block []byte) (rest []byte, err error) {
	size, rest, err := readNumber(block, 5)
	if err != nil {
		return nil, err
	}
	if size > tableSize {
		return nil, fmt.Errorf("a table size of %d, and %d is the most that is allowed", size, tableSize)
	}
	d.limit = size
	d.evict(0)
	return rest, nil
}

// at is the entry of an index, which for those of the table that grows counts from the latest one.
func (d *decoder) at(index int) (*entry, error) {
	switch {
	case index == 0 || index > staticFields+d.count:
		return nil, fmt.Errorf("no header field has the index %d", index)
	case index <= staticFields:
		return &staticTable[index], nil
	}
	return &d.ring[(d.next-(index-staticFields)+len(d.ring))%len(d.ring)], nil
}

// insert adds a field to the table. The name may be that of an entry which goes: its memory is written to only where
// the same name goes.
func (d *decoder) insert(name, value []byte) {
	size := len(name) + len(value) + fieldOverhead
	d.evict(size)
	if size > d.limit { // RFC 7541, section 4.4: it empties the table
		return
	}
	e := &d.ring[d.next]
	e.text = append(append(e.text[:0], name...), value...)
	e.name = len(name)
	d.next = (d.next + 1) % len(d.ring)
	d.count++
	d.size += size
}

// evict takes the oldest entries out until there is room for more bytes.
func (d *decoder) evict(room int) {
	for d.count > 0 && d.size+room > d.limit {
		oldest := &d.ring[(d.next-d.count+len(d.ring))%len(d.ring)]
		d.size -= len(oldest.text) + fieldOverhead
		d.count--
	}
}

// readNumber reads a number whose first byte has so many bits of it (RFC 7541, section 5.1).
func readNumber(b []byte, bits uint) (n int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errCut
	}
	most := 1<<bits - 1
	n = int(b[0]) & most
	if n < most {
		return n, b[1:], nil
	}
	for i, c := range b[1:] {
		if i == 4 {
			return 0, nil, errNumber
		}
		n += int(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return n, b[i+2:], nil
		}
	}
	return 0, nil, errCut
}

// readText reads a text (RFC 7541, section 5.2). It lies in b, or in h where it comes in Huffman code.
func readText(b []byte, h *huffman) (text, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errCut
	}
	coded := b[0]&0x80 != 0
	n, rest, err := readNumber(b, 7)
	if err != nil {
		return nil, nil, err
	}
	if n > len(rest) {
		return nil, nil, errCut
	}
	if !coded {
		return rest[:n], rest[n:], nil
	}
	text, err = h.decode(rest[:n])
	return text, rest[n:], err
}
