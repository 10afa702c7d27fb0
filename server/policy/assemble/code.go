package assemble

// Code is a sequence of instructions.
type Code []byte

// Instructions without immediates.
var (
	Unreachable   = Code{0x00}
	Return        = Code{0x0f}
	Drop          = Code{0x1a}
	I32Eqz        = Code{0x45}
	I32Eq         = Code{0x46}
	I32Ne         = Code{0x47}
	I32LtU        = Code{0x49}
	I32GtU        = Code{0x4b}
	I32GeU        = Code{0x4f}
	I32Add        = Code{0x6a}
	I32Sub        = Code{0x6b}
	I32And        = Code{0x71}
	I32Or         = Code{0x72}
	I32Shl        = Code{0x74}
	I32ShrU       = Code{0x76}
	I64Or         = Code{0x84}
	I64Shl        = Code{0x86}
	I64ExtendI32U = Code{0xad}
	MemorySize    = Code{0x3f, 0}
	MemoryGrow    = Code{0x40, 0}
	MemoryCopy    = Code{0xfc, 10, 0, 0}
	MemoryFill    = Code{0xfc, 11, 0}
	I32Load       = Code{0x28, 0, 0}
	I32Load8U     = Code{0x2d, 0, 0}
	I32Store      = Code{0x36, 0, 0}
	I32Store8     = Code{0x3a, 0, 0}
)

// Seq is one sequence after the other.
func Seq(parts ...Code) Code {
	var c Code
	for _, part := range parts {
		c = append(c, part...)
	}
	return c
}

func withIndex(opcode byte, n int) Code { return append(Code{opcode}, unsigned(n)...) }

// LocalGet pushes a local.
func LocalGet(n int) Code { return withIndex(0x20, n) }

// LocalSet pops a local.
func LocalSet(n int) Code { return withIndex(0x21, n) }

// LocalTee sets a local to the top of the stack, which remains.
func LocalTee(n int) Code { return withIndex(0x22, n) }

// GlobalGet pushes a global.
func GlobalGet(n int) Code { return withIndex(0x23, n) }

// GlobalSet pops a global.
func GlobalSet(n int) Code { return withIndex(0x24, n) }

// Call calls a function.
func Call(n int) Code { return withIndex(0x10, n) }

// Br leaves the n-th block around it, or repeats it if it is a loop; BrIf does if the top of the stack is not 0.
func Br(n int) Code { return withIndex(0x0c, n) }

// BrIf is [Br] under a condition.
func BrIf(n int) Code { return withIndex(0x0d, n) }

// I32Const pushes a number.
func I32Const(n int32) Code { return append(Code{0x41}, signed(int64(n))...) }

// I64Const pushes a number.
func I64Const(n int64) Code { return append(Code{0x42}, signed(n)...) }

func nested(opcode byte, body []Code) Code {
	return Seq(Code{opcode, 0x40}, Seq(body...), Code{0x0b})
}

// Block is a block without a result, which Br leaves.
func Block(body ...Code) Code { return nested(0x02, body) }

// Loop is a loop, which Br repeats.
func Loop(body ...Code) Code { return nested(0x03, body) }

// If runs its body if the top of the stack is not 0.
func If(body ...Code) Code { return nested(0x04, body) }

// Packed pushes what evaluate returns: an address and a length that are known beforehand.
func Packed(at, length int32) Code { return I64Const(int64(at)<<32 | int64(length)) }

// I32Load8UAt pushes the byte at an offset from the address on the stack.
func I32Load8UAt(offset int) Code { return append(Code{0x2d, 0}, unsigned(offset)...) }
