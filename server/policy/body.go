package policy

import (
	"encoding/binary"
	"slices"
)

// body is the code of a function that is being rewritten.
type body struct {
	input
	fuel       int // the index of the counter
	parameters int

	locals   int
	blocks   int
	loops    int      // that are open
	bulk     bool     // it has instructions that work on as much memory as they are told
	counted  int64    // instructions so far
	branches int      // targets of br_table so far
	open     []int    // for each open block its charge, or -1 for one that is no loop
	charges  []charge // where to insert, in order
}

// charge is a place where instructions are counted.
type charge struct {
	at     int   // before this byte
	cost   int64 // in instructions
	memory bool  // by the number of bytes on top of the stack, 64 to an instruction
}

// rewrite inserts the counting. A call and a turn of a loop cost as many instructions as the function or the loop has,
// with those of all blocks in them: no more can run before the next call or turn.
func (f *body) rewrite() ([]byte, error) {
	declared := f.readLocals()
	code := f.at
	for f.err == nil && !f.instruction() {
	}
	if f.err == nil && f.at != len(f.b) {
		f.fail("something follows the end of the function")
	}
	if f.err != nil {
		return nil, f.err
	}
	groups := f.b[declared.at:code]
	count := declared.groups
	if f.bulk {
		count++ // for the number of bytes
	}
	out := binary.AppendUvarint(make([]byte, 0, len(f.b)*3/2+32), uint64(count))
	out = append(out, groups...)
	if f.bulk {
		out = append(out, 1, 0x7f)
	}
	out = f.appendCharge(out, charge{cost: f.counted})
	for _, c := range f.charges {
		out = append(out, f.b[code:c.at]...)
		code = c.at
		out = f.appendCharge(out, c)
	}
	return append(out, f.b[code:]...), nil
}

// declared is where the groups of locals stand, and how many there are.
type declared struct{ at, groups int }

func (f *body) readLocals() declared {
	d := declared{groups: f.size()}
	d.at = f.at
	for n := 0; n < d.groups && f.err == nil; n++ {
		f.locals += f.size()
		f.valueType()
		if f.locals > maxLocals {
			f.fail("it has more than %d locals", maxLocals)
		}
	}
	return d
}

// appendCharge appends: counter -= cost; if counter < 0, trap.
func (f *body) appendCharge(out []byte, c charge) []byte {
	fuel := func(opcode byte) {
		out = binary.AppendUvarint(append(out, opcode), uint64(f.fuel))
	}
	size := uint64(f.parameters + f.locals) // the local that was added
	if c.memory {
		out = binary.AppendUvarint(append(out, 0x22), size) // local.tee
	}
	fuel(0x23) // global.get
	if c.memory {
		out = binary.AppendUvarint(append(out, 0x20), size) // local.get
		out = append(out, 0xad, 0x42, 6, 0x88)              // i64.extend_i32_u, i64.const 6, i64.shr_u
	} else {
		out = appendSigned(append(out, 0x42), c.cost) // i64.const
	}
	out = append(out, 0x7d)                                   // i64.sub
	fuel(0x24)                                                // global.set
	fuel(0x23)                                                // global.get
	return append(out, 0x42, 0, 0x53, 0x04, 0x40, 0x00, 0x0b) // i64.const 0, i64.lt_s, if, unreachable, end
}

// instruction reads one. It reports whether that was the end of the function.
func (f *body) instruction() (last bool) {
	at := f.at
	opcode := f.byte()
	f.counted++
	switch {
	case opcode == 0x02 || opcode == 0x03 || opcode == 0x04: // block, loop, if
		f.number() // its type
		f.begin(opcode == 0x03)
	case opcode == 0x0b: // end
		return f.end()
	case opcode == 0x0e: // br_table
		f.table()
	case opcode == 0x23 || opcode == 0x24: // global.get, global.set
		n := f.size()
		if n >= f.fuel {
			f.fail("there is no global %d", n)
		}
	case opcode == 0xfc:
		f.extended(at)
	default:
		f.plain(opcode)
	}
	return false
}

func (f *body) begin(loop bool) {
	f.blocks++
	switch {
	case len(f.open) == maxNesting:
		f.fail("blocks are nested deeper than %d", maxNesting)
	case f.blocks > maxBlocks:
		f.fail("it has more than %d blocks", maxBlocks)
	case loop && f.loops == maxLoops:
		f.fail("loops are nested deeper than %d", maxLoops)
	}
	mark := -1
	if loop {
		f.loops++
		mark = len(f.charges)
		f.charges = append(f.charges, charge{at: f.at, cost: -f.counted})
	}
	f.open = append(f.open, mark)
}

func (f *body) end() (last bool) {
	n := len(f.open)
	if n == 0 {
		return true
	}
	mark := f.open[n-1]
	if mark >= 0 {
		f.loops--
		f.charges[mark].cost += f.counted
	}
	f.open = f.open[:n-1]
	return false
}

func (f *body) table() {
	n := f.size()
	f.branches += n
	if f.branches > maxBranches {
		f.fail("its br_table instructions have more than %d targets", maxBranches)
		return
	}
	for i := 0; i <= n && f.err == nil; i++ {
		f.size()
	}
}

// extended reads an instruction of two bytes.
func (f *body) extended(at int) {
	switch opcode := f.size(); opcode {
	case 0, 1, 2, 3, 4, 5, 6, 7: // conversions
	case 8: // memory.init
		f.size()
		f.size()
		f.charge(at)
	case 10: // memory.copy
		f.size()
		f.size()
		f.charge(at)
	case 11: // memory.fill
		f.size()
		f.charge(at)
	case 16: // table.size
		f.size()
	case 9, 12, 13, 14, 15, 17: // data.drop, table.init, elem.drop, table.copy, table.grow, table.fill
		f.fail("it changes a table or drops a segment, which would last beyond an evaluation")
	default:
		f.fail("the instruction 0xfc %d is not supported", opcode)
	}
}

func (f *body) charge(at int) {
	f.bulk = true
	f.charges = append(f.charges, charge{at: at, memory: true})
}

// Costs of instructions that take longer than others, in instructions.
const (
	costOfDivision = 8
	costOfIndirect = 4
	costOfGrowing  = 256
)

// slow are those that divide, or take a square root.
var slow = []byte{0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3}

// plain reads an instruction of one byte with its immediates.
func (f *body) plain(opcode byte) {
	switch {
	case opcode == 0x10 || opcode == 0x0c || opcode == 0x0d: // call, br, br_if
		f.size()
	case opcode == 0x11: // call_indirect
		f.size()
		f.size()
		f.counted += costOfIndirect - 1
	case opcode >= 0x20 && opcode <= 0x22 || opcode == 0x25: // local.get, local.set, local.tee, table.get
		f.size()
	case opcode == 0x26:
		f.fail("it changes a table, which would last beyond an evaluation")
	case opcode >= 0x28 && opcode <= 0x3e: // loads and stores
		f.size()
		f.number()
	case opcode == 0x3f: // memory.size
		f.byte()
	case opcode == 0x40: // memory.grow
		f.byte()
		f.counted += costOfGrowing - 1
	case opcode == 0x41 || opcode == 0x42: // i32.const, i64.const
		f.number()
	case opcode == 0x43: // f32.const
		f.skip(4)
	case opcode == 0x44: // f64.const
		f.skip(8)
	case opcode == 0x1c: // select with types
		f.valueTypes()
	case opcode == 0xd0 || opcode == 0xd2: // ref.null, ref.func
		f.number()
	case opcode >= 0x45 && opcode <= 0xc4: // arithmetic and comparisons
		if slices.Contains(slow, opcode) {
			f.counted += costOfDivision - 1
		}
	case opcode <= 0x01 || opcode == 0x05 || opcode == 0x0f || opcode == 0x1a || opcode == 0x1b || opcode == 0xd1:
		// unreachable, nop, else, return, drop, select, ref.is_null
	default:
		f.fail("the instruction %#x is not supported", opcode)
	}
}
