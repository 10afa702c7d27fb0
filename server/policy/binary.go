package policy

import (
	"encoding/binary"
	"fmt"
	"math"
)

// input reads a module in binary form. The first error stays, and everything that is read after it is 0.
type input struct {
	b   []byte
	at  int
	err error
}

func (in *input) fail(format string, args ...any) {
	if in.err == nil {
		in.err = refuse("byte %d: "+format, append([]any{in.at}, args...)...)
	}
	in.at = len(in.b)
}

func (in *input) more() bool { return in.err == nil && in.at < len(in.b) }

func (in *input) byte() byte {
	if in.at >= len(in.b) {
		in.fail("the module ends too early")
		return 0
	}
	in.at++
	return in.b[in.at-1]
}

// skip skips n bytes.
func (in *input) skip(n int) {
	if n > len(in.b)-in.at {
		in.fail("the module ends too early")
		return
	}
	in.at += n
}

func (in *input) bytes(n int) []byte {
	begin := in.at
	in.skip(n)
	if in.err != nil {
		return nil
	}
	return in.b[begin:in.at]
}

// size reads an unsigned number of 32 bits in LEB128.
func (in *input) size() int {
	value, n := binary.Uvarint(in.b[in.at:])
	if n <= 0 || n > 5 || value > math.MaxUint32 {
		in.fail("a number was expected")
		return 0
	}
	in.at += n
	return int(value)
}

// count reads the number of elements of a list, each of which has a byte or more. What decodes the module later makes
// room for as many before it looks whether they are there.
func (in *input) count() int {
	n := in.size()
	if n > len(in.b)-in.at {
		in.fail("a list of %d elements does not fit into the module", n)
		return 0
	}
	return n
}

// valueType reads the type of a value: a number, or a reference of one byte.
func (in *input) valueType() byte {
	kind := in.byte()
	if in.err == nil && (kind < 0x7c || kind > 0x7f) && kind != 0x70 && kind != 0x6f {
		in.fail("values of the type %#x are not supported", kind)
	}
	return kind
}

func (in *input) valueTypes() (n int) {
	n = in.count()
	for i := 0; i < n && in.err == nil; i++ {
		in.valueType()
	}
	return n
}

// number skips a number in LEB128 of up to 64 bits, signed or not.
func (in *input) number() {
	for range 10 {
		if in.byte() < 0x80 {
			return
		}
	}
	in.fail("a number is too long")
}

func (in *input) name() string { return string(in.bytes(in.count())) }

// limits reads those of a table or memory. limited reports whether there is a maximum.
func (in *input) limits() (min, max int, limited bool) {
	flag := in.byte()
	if flag > 1 {
		in.fail("a shared memory, or one of 64 bits, is not supported")
	}
	min = in.size()
	if flag == 1 {
		return min, in.size(), true
	}
	return min, 0, false
}

// constant skips an expression that gives a global its first value, or a segment its address. It begins with one
// instruction.
func (in *input) constant() {
	for in.more() {
		switch opcode := in.byte(); opcode {
		case 0x0b:
			return
		case 0x41, 0x42, 0x23, 0xd0, 0xd2: // i32.const, i64.const, global.get, ref.null, ref.func
			in.number()
		case 0x43: // f32.const
			in.skip(4)
		case 0x44: // f64.const
			in.skip(8)
		default:
			in.fail("the instruction %#x does not belong into a constant", opcode)
		}
	}
	in.fail("a constant does not end")
}

func appendSection(out []byte, id byte, content []byte) []byte {
	out = append(out, id)
	out = binary.AppendUvarint(out, uint64(len(content)))
	return append(out, content...)
}

// appendSigned appends a number in signed LEB128.
func appendSigned(out []byte, n int64) []byte {
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(out, low)
		}
		out = append(out, low|0x80)
	}
}

// globalName is the name under which [Meter] exports the n-th global.
func globalName(n int) string { return fmt.Sprintf("headroom:global:%d", n) }

// FuelName is the name under which [Meter] exports the counter: what a module may still run, in instructions.
const FuelName = "headroom:fuel"
