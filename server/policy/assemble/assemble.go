// Package assemble writes small WebAssembly modules in their binary form: those that ship as examples, and those that
// tests need, hostile ones among them. It checks nothing. The specification is
// https://www.w3.org/TR/wasm-core-2/#binary-format.
package assemble

import "encoding/binary"

// Type is a type of values.
type Type byte

// The types of numbers.
const (
	I32 Type = 0x7f
	I64 Type = 0x7e
	F64 Type = 0x7c
)

// Module is a module to write. Its functions have the indices after those of the imports, in order.
type Module struct {
	Imports   []Import
	Functions []Function
	Table     []byte  // the limits of a table of functions, as of Between; none without
	Memory    []byte  // the limits of the memory in pages, as of Between; none without
	Globals   []int32 // the first values of mutable globals of type i32
	Start     *int    // the index of the function that runs when the module is instantiated
	Data      []Data
	Elements  []int // the functions at the beginning of the table
}

// Import is a function without parameters and results that a module imports.
type Import struct{ Module, Name string }

// Function is a function with its body. Its locals follow the parameters.
type Function struct {
	Export          string // empty: it is not exported
	Params, Results []Type
	Locals          []Type
	Body            Code
}

// Data are bytes that the memory has at an address from the beginning.
type Data struct {
	At    int32
	Bytes string
}

// Between are the limits of a memory or table. A negative max is none.
func Between(min, max int) []byte {
	if max < 0 {
		return append([]byte{0}, unsigned(min)...)
	}
	return append(append([]byte{1}, unsigned(min)...), unsigned(max)...)
}

// Bytes returns the module in binary form.
func (m *Module) Bytes() []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	var types, imports, functions, exports, code [][]byte
	for _, i := range m.Imports {
		types = append(types, []byte{0x60, 0, 0})
		imports = append(imports, join(text(i.Module), text(i.Name), []byte{0}, unsigned(len(types)-1)))
	}
	if m.Memory != nil {
		exports = append(exports, join(text("memory"), []byte{2, 0}))
	}
	for i := range m.Functions {
		f := &m.Functions[i]
		types = append(types, join([]byte{0x60}, typeList(f.Params), typeList(f.Results)))
		functions = append(functions, unsigned(len(types)-1))
		if f.Export != "" {
			exports = append(exports, join(text(f.Export), []byte{0}, unsigned(len(m.Imports)+i)))
		}
		body := join(localList(f.Locals), f.Body, []byte{0x0b})
		code = append(code, join(unsigned(len(body)), body))
	}
	b = append(b, section(1, types)...)
	b = append(b, section(2, imports)...)
	b = append(b, section(3, functions)...)
	if m.Table != nil {
		b = append(b, section(4, [][]byte{join([]byte{0x70}, m.Table)})...)
	}
	if m.Memory != nil {
		b = append(b, section(5, [][]byte{m.Memory})...)
	}
	b = append(b, section(6, globals(m.Globals))...)
	b = append(b, section(7, exports)...)
	if m.Start != nil {
		b = append(b, raw(8, unsigned(*m.Start))...)
	}
	if m.Elements != nil {
		b = append(b, section(9, [][]byte{elements(m.Elements)})...)
	}
	b = append(b, section(10, code)...)
	return append(b, section(11, data(m.Data))...)
}

func globals(values []int32) (all [][]byte) {
	for _, value := range values {
		all = append(all, join([]byte{byte(I32), 1}, I32Const(value), []byte{0x0b}))
	}
	return all
}

func elements(functions []int) []byte {
	b := join([]byte{0}, I32Const(0), []byte{0x0b}, unsigned(len(functions)))
	for _, f := range functions {
		b = append(b, unsigned(f)...)
	}
	return b
}

func data(segments []Data) (all [][]byte) {
	for _, d := range segments {
		all = append(all, join([]byte{0}, I32Const(d.At), []byte{0x0b}, text(d.Bytes)))
	}
	return all
}

// section is one with a list; nothing for an empty list.
func section(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	return raw(id, join(append([][]byte{unsigned(len(items))}, items...)...))
}

func raw(id byte, content []byte) []byte { return join([]byte{id}, unsigned(len(content)), content) }

func typeList(types []Type) []byte {
	b := unsigned(len(types))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

func localList(types []Type) []byte {
	b := unsigned(len(types))
	for _, t := range types {
		b = append(b, 1, byte(t))
	}
	return b
}

func text(s string) []byte { return append(unsigned(len(s)), s...) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

// unsigned is n in LEB128.
func unsigned(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// signed is n in signed LEB128.
func signed(n int64) []byte {
	var b []byte
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
