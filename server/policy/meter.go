package policy

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Limits of a module's parts. Its size limits the others.
const (
	maxTable    = 10_000 // elements of all tables
	maxGlobals  = 100    // that can change: they are reset after each evaluation
	maxLocals   = 2_000  // of a function
	maxBody     = 64 << 10
	maxBlocks   = 2_000
	maxNesting  = 500 // of blocks in a function
	maxLoops    = 30  // of loops within loops
	maxBranches = 4_000
	// maxTangle bounds the sum, over all functions, of their blocks times their locals: the time that compiling takes
	// grows with it.
	maxTangle = 500_000
)

// Ids of sections, in the order in which they stand in a module.
const (
	customSection   = 0
	importSection   = 2
	tableSection    = 4
	memorySection   = 5
	globalSection   = 6
	exportSection   = 7
	elementSection  = 9
	countSection    = 12
	codeSection     = 10
	dataSection     = 11
	functionSection = 3
	typeSection     = 1
	startSection    = 8
)

var sectionOrder = []byte{
	typeSection, importSection, functionSection, tableSection, memorySection, globalSection, exportSection,
	startSection, elementSection, countSection, codeSection, dataSection,
}

// meter is a module that is being rewritten.
type meter struct {
	limits   *Limits
	sections [13][]byte
	types    []int // the number of parameters of each type
	funcs    []int // the type of each function
	mutable  []int // globals that can change
	tangle   int   // see maxTangle
	globals  int
}

// Meter returns a module that does what the given one does and counts its instructions. It has no more than the pages
// of memory that limits allow, and nothing of the custom sections. It returns a [*Refusal] for what cannot be a
// policy's module as far as that can be seen without compiling it.
func Meter(module []byte, limits Limits) ([]byte, error) {
	limits = limits.WithDefaults()
	err := checkSize(module, &limits)
	if err != nil {
		return nil, err
	}
	m := &meter{limits: &limits}
	for _, step := range []func([]byte) error{
		m.split, m.readImports, m.readTypes, m.readFunctions, m.readTables, m.readMemory, m.readGlobals,
		m.addExports, m.readElements, m.readData, m.addCounters,
	} {
		err = step(module)
		if err != nil {
			return nil, err
		}
	}
	out := append(make([]byte, 0, 2*len(module)), module[:8]...)
	for _, id := range sectionOrder {
		if content := m.sections[id]; content != nil {
			out = appendSection(out, id, content)
		}
	}
	return out, nil
}

func checkSize(module []byte, limits *Limits) error {
	if len(module) > limits.ModuleBytes {
		return refuse("the module has %d bytes; at most %d are allowed", len(module), limits.ModuleBytes)
	}
	return nil
}

// split finds the sections.
func (m *meter) split(module []byte) error {
	if len(module) < 8 || string(module[:8]) != "\x00asm\x01\x00\x00\x00" {
		return refuse("this is not a WebAssembly module (version 1)")
	}
	in := &input{b: module, at: 8}
	for next := 0; in.more(); {
		id := in.byte()
		content := in.bytes(in.size())
		if id == customSection {
			continue
		}
		for next < len(sectionOrder) && sectionOrder[next] != id {
			next++
		}
		if next == len(sectionOrder) {
			in.fail("section %d is unknown, or not where it belongs", id)
			break
		}
		next++
		if in.err == nil {
			m.sections[id] = append([]byte{}, content...)
		}
	}
	return in.err
}

// in reads a section. What it reports is relative to the section's beginning.
func (m *meter) in(id byte) *input { return &input{b: m.sections[id]} }

// readImports refuses them all, with their names.
func (m *meter) readImports([]byte) error {
	if m.sections[importSection] == nil {
		return nil
	}
	in := m.in(importSection)
	var names []string
	for range in.count() {
		names = append(names, fmt.Sprintf("%.60q", in.name()+"."+in.name()))
		switch in.byte() {
		case 0:
			in.size()
		case 1:
			in.byte()
			in.limits()
		case 2:
			in.limits()
		case 3:
			in.skip(2)
		default:
			in.fail("an import of an unknown kind")
		}
		if in.err != nil {
			break
		}
	}
	const named = 10
	if len(names) > named {
		names = append(names[:named], fmt.Sprintf("and %d more", len(names)-named))
	}
	if len(names) > 0 {
		return refuse("the module imports %s; a policy's module may import nothing", strings.Join(names, ", "))
	}
	return in.err
}

// readTypes learns how many parameters functions have, behind which their locals are.
func (m *meter) readTypes([]byte) error {
	in := m.in(typeSection)
	if len(in.b) == 0 {
		return nil
	}
	for range in.count() {
		if in.byte() != 0x60 {
			in.fail("a type that is not that of a function")
		}
		parameters := in.valueTypes()
		in.valueTypes()
		if in.err != nil {
			break
		}
		m.types = append(m.types, parameters)
	}
	return in.err
}

func (m *meter) readFunctions([]byte) error {
	in := m.in(functionSection)
	if len(in.b) == 0 {
		return nil
	}
	for range in.count() {
		kind := in.size()
		if kind >= len(m.types) {
			in.fail("a function of the type %d, which is not there", kind)
		}
		if in.err != nil {
			break
		}
		m.funcs = append(m.funcs, kind)
	}
	return in.err
}

// readTables refuses tables that could become large.
func (m *meter) readTables([]byte) error {
	in := m.in(tableSection)
	if len(in.b) == 0 {
		return nil
	}
	elements := 0
	for range in.count() {
		in.valueType()
		_, max, limited := in.limits()
		if in.err == nil && !limited {
			return refuse("a table has no maximum size; give it one of at most %d", maxTable)
		}
		elements += max
		if elements > maxTable {
			return refuse("the tables may have %d elements; at most %d are allowed", elements, maxTable)
		}
		if in.err != nil {
			break
		}
	}
	return in.err
}

// readMemory sets the maximum of the memory to what is allowed.
func (m *meter) readMemory([]byte) error {
	in := m.in(memorySection)
	if len(in.b) == 0 || in.size() != 1 {
		return refuse("the module must have one memory of its own")
	}
	min, max, limited := in.limits()
	switch {
	case in.err != nil:
		return in.err
	case min > m.limits.MemoryPages:
		return refuse("the memory has %d pages of 64 KiB at the beginning; at most %d are allowed", min,
			m.limits.MemoryPages)
	case limited && max < min:
		return refuse("the memory has a maximum of %d pages and begins with %d", max, min)
	case !limited || max > m.limits.MemoryPages:
		max = m.limits.MemoryPages
	}
	b := binary.AppendUvarint([]byte{1, 1}, uint64(min))
	m.sections[memorySection] = binary.AppendUvarint(b, uint64(max))
	return nil
}

// readGlobals notes those that can change, and adds the counter behind the last one.
func (m *meter) readGlobals([]byte) error {
	in := m.in(globalSection)
	begin := 0
	if len(in.b) > 0 {
		m.globals = in.count()
		begin = in.at
		for n := range m.globals {
			kind, changes := in.byte(), in.byte()
			in.constant()
			if in.err != nil {
				return in.err
			}
			if changes == 0 {
				continue
			}
			m.mutable = append(m.mutable, n)
			if kind < 0x7c || kind > 0x7f {
				return refuse("global %d can change and is not a number", n)
			}
		}
	}
	if len(m.mutable) > maxGlobals {
		return refuse("%d globals can change; at most %d are allowed", len(m.mutable), maxGlobals)
	}
	b := binary.AppendUvarint(nil, uint64(m.globals+1))
	b = append(b, in.b[begin:]...)
	b = append(b, 0x7e, 1, 0x42) // a mutable i64
	b = appendSigned(b, m.limits.instructions())
	m.sections[globalSection] = append(b, 0x0b)
	return nil
}

// addExports exports the globals that can change, and the counter.
func (m *meter) addExports([]byte) error {
	in := m.in(exportSection)
	if len(in.b) == 0 {
		return refuse("the module exports nothing; it must export memory, alloc and evaluate")
	}
	count := in.count()
	b := binary.AppendUvarint(nil, uint64(count+len(m.mutable)+1))
	b = append(b, in.b[in.at:]...)
	for i := 0; i < count && in.err == nil; i++ {
		in.name()
		in.byte() // the kind
		in.size() // the index
	}
	if in.err != nil {
		return in.err
	}
	export := func(name string, n int) {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(append(b, name...), 3)
		b = binary.AppendUvarint(b, uint64(n))
	}
	for i, n := range m.mutable {
		export(globalName(i), n)
	}
	export(FuelName, m.globals)
	m.sections[exportSection] = b
	return nil
}

// readElements and readData see to it that what these sections announce is there.
func (m *meter) readElements([]byte) error {
	in := m.in(elementSection)
	if len(in.b) == 0 {
		return nil
	}
	for range in.count() {
		flags := in.size() // 1: not put into a table by itself, 2: with its table, 4: by expressions
		if flags > 7 {
			in.fail("a segment of an unknown kind")
		}
		if flags&1 == 0 {
			if flags&2 != 0 {
				in.size()
			}
			in.constant()
		}
		if flags&3 != 0 {
			in.byte() // the type
		}
		for n := in.count(); n > 0 && in.err == nil; n-- {
			if flags&4 != 0 {
				in.constant()
			} else {
				in.size()
			}
		}
		if in.err != nil {
			break
		}
	}
	return in.err
}

func (m *meter) readData([]byte) error {
	in := m.in(dataSection)
	if len(in.b) == 0 {
		return nil
	}
	for range in.count() {
		flags := in.size() // 1: not put into the memory by itself, 2: with its memory
		if flags > 2 {
			in.fail("a segment of an unknown kind")
		}
		if flags == 2 {
			in.size()
		}
		if flags != 1 {
			in.constant()
		}
		in.skip(in.count())
		if in.err != nil {
			break
		}
	}
	return in.err
}

// addCounters rewrites the functions.
func (m *meter) addCounters([]byte) error {
	in := m.in(codeSection)
	if len(in.b) == 0 {
		return refuse("the module has no code")
	}
	count := in.count()
	if count != len(m.funcs) {
		in.fail("%d functions have a type and %d have code", len(m.funcs), count)
	}
	b := binary.AppendUvarint(nil, uint64(count))
	for n := 0; n < count && in.err == nil; n++ {
		size := in.size()
		if size > maxBody {
			return refuse("function %d has %d bytes; at most %d are allowed", n, size, maxBody)
		}
		body := &body{input: input{b: in.bytes(size)}, fuel: m.globals, parameters: m.types[m.funcs[n]]}
		if in.err != nil {
			break
		}
		rewritten, err := body.rewrite()
		if err != nil {
			return refuse("function %d: %s", n, err)
		}
		m.tangle += body.blocks * (body.locals + body.parameters)
		if m.tangle > maxTangle {
			return refuse("function %d: with those before it, it would take too long to compile; divide it into "+
				"functions with fewer locals and blocks", n)
		}
		b = binary.AppendUvarint(b, uint64(len(rewritten)))
		b = append(b, rewritten...)
	}
	m.sections[codeSection] = b
	return in.err
}
