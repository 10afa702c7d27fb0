package http2

// Fields are the header fields and names that a client's requests are made of, encoded once for all its connections.
type Fields struct{ known []field }

// Field is a header field that is the same in many requests.
type Field int

// Name is the name of header fields whose values differ.
type Name struct{ encoded []byte }

// field is a header field in the ways in which it can be sent.
type field struct {
	name, value string
	static      byte   // its index among those that both sides know ahead; 0: it is none of them
	literal     []byte // with the bits of a literal that is not indexed
	insert      []byte // likewise of one that is put into the table
}

// Field returns that with this name, in lower case, and value.
func (f *Fields) Field(name, value string) Field {
	for i, k := range f.known {
		if k.name == name && k.value == value {
			return Field(i)
		}
	}
	k := field{name: name, value: value}
	sameName := 0
	for i := staticFields; i > 0; i-- {
		e := &staticTable[i]
		if string(e.text[:e.name]) != name {
			continue
		}
		sameName = i
		if string(e.text[e.name:]) == value && value != "" {
			k.static = byte(i)
		}
	}
	k.literal = appendText(appendName(nil, 0, 4, sameName, name), value)
	k.insert = appendText(appendName(nil, 0x40, 6, sameName, name), value)
	f.known = append(f.known, k)
	return Field(len(f.known) - 1)
}

// NewName prepares a name, which is in lower case.
func NewName(name string) Name {
	index := 0
	for i := staticFields; i > 0; i-- {
		if e := &staticTable[i]; string(e.text[:e.name]) == name {
			index = i
		}
	}
	return Name{appendName(nil, 0, 4, index, name)}
}

// appendName appends the beginning of a literal: its kind, and its name by the index or, where that is 0, as text.
func appendName(dst []byte, kind byte, bits uint, index int, name string) []byte {
	dst = appendNumber(dst, kind, bits, index)
	if index == 0 {
		dst = appendText(dst, name)
	}
	return dst
}

// appendNumber appends a number whose first byte has so many bits of it, and the kind in its others.
func appendNumber(dst []byte, kind byte, bits uint, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(dst, kind|byte(n))
	}
	dst = append(dst, kind|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, 0x80|byte(n))
	}
	return append(dst, byte(n))
}

// appendText appends a text as it is. Huffman code would spare a third of its bytes, of which most requests have few.
func appendText[T string | []byte](dst []byte, text T) []byte {
	return append(appendNumber(dst, 0, 7, len(text)), text...)
}

// Encoder writes the header blocks of one connection. Fields that requests have in common are put into the server's
// table when they are sent for the first time, for as long as it has room, and are sent as one or two bytes from then
// on: nothing is ever evicted. A block must be sent, and before the next one, once it has been begun.
type Encoder struct {
	fields      *Fields
	at          []uint16 // by field: which insertion into the table it was, from 1; 0: it is not there
	inserted    int
	size, limit int  // of the table, in bytes
	announce    bool // its size has to be made smaller
}

func (e *Encoder) start(f *Fields) {
	*e = Encoder{fields: f, at: e.at[:0], limit: tableSize}
}

// setLimit takes note of the largest table that the server allows. A larger one than before is not used.
func (e *Encoder) setLimit(size uint32) {
	if size < uint32(e.limit) {
		clear(e.at)
		e.limit, e.inserted, e.size, e.announce = int(size), 0, 0, true
	}
}

// Begin begins a block.
func (e *Encoder) Begin(dst []byte) []byte {
	if e.announce { // an empty table is left of the one before
		e.announce = false
		dst = appendNumber(appendNumber(dst, 0x20, 5, 0), 0x20, 5, e.limit)
	}
	return dst
}

// AppendField appends a field that requests have in common.
func (e *Encoder) AppendField(dst []byte, f Field) []byte {
	k := &e.fields.known[f]
	if k.static > 0 {
		return append(dst, 0x80|k.static)
	}
	for len(e.at) <= int(f) {
		e.at = append(e.at, 0)
	}
	if at := int(e.at[f]); at > 0 {
		return appendNumber(dst, 0x80, 7, staticFields+1+e.inserted-at)
	}
	size := len(k.name) + len(k.value) + fieldOverhead
	if e.size+size > e.limit {
		return append(dst, k.literal...)
	}
	e.size += size
	e.inserted++
	e.at[f] = uint16(e.inserted)
	return append(dst, k.insert...)
}

// AppendValue appends a field with a value of its own.
func (e *Encoder) AppendValue(dst []byte, name Name, value []byte) []byte {
	return appendText(append(dst, name.encoded...), value)
}

// AppendNamed appends a field whose name, too, is not known ahead. It is in lower case.
func (e *Encoder) AppendNamed(dst, name, value []byte) []byte {
	return appendText(appendText(append(dst, 0), name), value)
}
