// Package examples has policies' modules that ship with the server, as the source from which they are assembled and as
// the files that are uploaded.
package examples

import (
	_ "embed"

	//lint:ignore ST1001 the program reads as assembly
	. "github.com/policycortex/headroom/server/policy/assemble" // so that it reads as assembly
)

// Owner is the module of the policy "every resource has the tag owner". It is made of [owner] by
//
//	go test ./server/policy/examples -update
//
//go:embed owner.wasm
var Owner []byte

const (
	compliant = `{"result":"compliant","reasons":[]}`
	missing   = `{"result":"non_compliant","reasons":["The tag owner is missing or empty."]}`

	// Where the answers are, and the document after them.
	compliantAt = 0
	missingAt   = 64
	documentAt  = 1024
	pageBits    = 16 // a page has 64 KiB
)

// owner assembles [Owner]. It goes through the bytes of the document once, strings at a time, and knows how deep it is:
// the tag counts where its key is in the object "tags" of the outermost object, and its value is a string that is not
// empty. Keys that are written with escapes are not recognized.
func owner() []byte {
	m := Module{
		Memory: Between(1, -1),
		Functions: []Function{
			{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Locals: []Type{I32}, Body: alloc()},
			{
				Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64},
				Locals: []Type{I32, I32, I32, I32}, Body: evaluate(),
			},
		},
		Data: []Data{{At: compliantAt, Bytes: compliant}, {At: missingAt, Bytes: missing}},
	}
	return m.Bytes()
}

// alloc has room for one document, and grows the memory for one that needs more.
func alloc() Code {
	const size, pages = 0, 1
	return Seq(
		// pages = (documentAt + size + 65535) >> 16
		LocalGet(size), I32Const(documentAt+1<<pageBits-1), I32Add, I32Const(pageBits), I32ShrU, LocalTee(pages),
		MemorySize, I32GtU,
		If(
			LocalGet(pages), MemorySize, I32Sub, MemoryGrow, I32Const(-1), I32Eq,
			If(Unreachable),
		),
		I32Const(documentAt),
	)
}

// The locals of evaluate.
const (
	at     = 0 // parameter: where the document begins, and then where we are
	end    = 1 // parameter: its length, and then where it ends
	depth  = 2 // how many objects and arrays are open
	inTags = 3 // the last key of the outermost object was "tags"
	start  = 4 // of the string
	octet  = 5 // the byte that is looked at
)

func evaluate() Code {
	return Seq(
		LocalGet(at), LocalGet(end), I32Add, LocalSet(end),
		Block(Loop(
			LocalGet(at), LocalGet(end), I32GeU, BrIf(1),
			LocalGet(at), I32Load8U, LocalSet(octet),
			is('"'), If(
				LocalGet(at), I32Const(1), I32Add, LocalSet(start),
				closingQuote(),
				LocalGet(at), I32Const(1), I32Add, LocalSet(at),
				blanks(),
				is(':'), If(key()),
				Br(1), // at is behind the string already
			),
			// { and [ differ in one bit, as } and ] do
			LocalGet(octet), I32Const(0x20), I32Or, LocalTee(octet), I32Const('{'), I32Eq,
			If(LocalGet(depth), I32Const(1), I32Add, LocalSet(depth)),
			is('}'),
			If(LocalGet(depth), I32Const(1), I32Sub, LocalSet(depth)),
			forward(),
			Br(0),
		)),
		Packed(missingAt, int32(len(missing))),
	)
}

// is pushes whether the byte that is looked at is c.
func is(c int32) Code { return Seq(LocalGet(octet), I32Const(c), I32Eq) }

func forward() Code { return Seq(LocalGet(at), I32Const(1), I32Add, LocalSet(at)) }

// closingQuote goes on to the end of a string. What follows a backslash does not end it.
func closingQuote() Code {
	return Loop(
		forward(),
		LocalGet(at), I32Load8U, LocalTee(octet), I32Const('\\'), I32Eq,
		If(forward(), Br(1)),
		LocalGet(octet), I32Const('"'), I32Ne, BrIf(0),
	)
}

// blanks goes on to the first byte that is none, and looks at it.
func blanks() Code {
	return Block(Loop(
		LocalGet(at), I32Load8U, LocalTee(octet), I32Const(' '), I32GtU, BrIf(1),
		forward(),
		LocalGet(at), LocalGet(end), I32LtU, BrIf(0),
	))
}

// key looks at a key, behind which at is on the colon.
func key() Code {
	const tags, owne = 0x73676174, 0x656e776f // of little endian texts
	return Seq(
		LocalGet(depth), I32Const(1), I32Eq,
		If(LocalGet(start), I32Load, I32Const(tags), I32Eq, quoteAt(4), I32And, LocalSet(inTags)),
		LocalGet(depth), I32Const(2), I32Eq, LocalGet(inTags), I32And,
		If(
			LocalGet(start), I32Load, I32Const(owne), I32Eq, byteAt(4, 'r'), I32And, quoteAt(5), I32And,
			If(forward(), blanks(), value()),
		),
	)
}

// value answers if the value of the tag is a string that is not empty.
func value() Code {
	return Seq(
		is('"'), LocalGet(at), I32Load8UAt(1), I32Const('"'), I32Ne, I32And,
		If(Packed(compliantAt, int32(len(compliant))), Return),
	)
}

func quoteAt(offset int) Code { return byteAt(offset, '"') }

// byteAt pushes whether the string has the byte c at an offset.
func byteAt(offset int, c int32) Code {
	return Seq(LocalGet(start), I32Load8UAt(offset), I32Const(c), I32Eq)
}
