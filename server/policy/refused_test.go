package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/policycortex/headroom/server/policy/assemble"
	"github.com/policycortex/headroom/server/policy/examples"
)

// changed is a module that is sound but for a change.
func changed(change func(m *Module, evaluate *Function)) []byte {
	m := ruled(0, Packed(0, 0))
	change(m, &m.Functions[1])
	return m.Bytes()
}

// running is a module whose evaluate has a given body.
func running(body ...Code) []byte { return ruled(0, body...).Bytes() }

// starting is a module with a start function.
func starting(body ...Code) []byte {
	start := 2
	return changed(func(m *Module, _ *Function) {
		m.Start, m.Functions = &start, append(m.Functions, Function{Body: Seq(body...)})
	})
}

func remembering(memory []byte) []byte {
	return changed(func(m *Module, _ *Function) { m.Memory = memory })
}

func withTable(table []byte) []byte { return changed(func(m *Module, _ *Function) { m.Table = table }) }

// refused are modules that cannot be a policy's, with a part of the reason.
func refused() map[string]refusedModule {
	many, deep := Code{}, Code{}
	for range 70 << 10 / 3 {
		many = append(many, 0x41, 0, 0x1a)
	}
	for range 600 {
		deep = Block(deep)
	}
	imports := []Import{{Module: "env", Name: "print"}, {Module: "wasi", Name: "fd"}}
	return map[string]refusedModule{
		"nothing":       {nil, "not a WebAssembly module"},
		"text":          {[]byte("(module)"), "not a WebAssembly module"},
		"a header":      {[]byte("\x00asm\x01\x00\x00\x00"), "must have one memory"},
		"a component":   {[]byte("\x00asm\x0d\x00\x01\x00"), "not a WebAssembly module"},
		"cut off":       {examples.Owner[:300], "too early"},
		"large":         {make([]byte, DefaultModuleBytes+1), "has 262145 bytes; at most 262144"},
		"imports":       {changed(func(m *Module, _ *Function) { m.Imports = imports }), `"env.print", "wasi.fd"`},
		"no memory":     {remembering(nil), "must have one memory"},
		"much memory":   {remembering(Between(33, -1)), "33 pages of 64 KiB at the beginning; at most 32"},
		"shared memory": {remembering([]byte{3, 1, 1}), "not supported"},

		"a table that grows": {withTable(Between(1, -1)), "no maximum size"},
		"a large table":      {withTable(Between(1, 1<<30)), "1073741824 elements; at most 10000"},
		"a list too long":    {[]byte("\x00asm\x01\x00\x00\x00\x01\x05\xff\xff\xff\xff\x0f"), "does not fit"},

		"no alloc":    {changed(func(m *Module, _ *Function) { m.Functions[0].Export = "a" }), "alloc(i32) -> (i32)"},
		"no evaluate": {changed(func(_ *Module, f *Function) { f.Export = "" }), "evaluate(i32, i32) -> (i64)"},
		"another alloc": {
			changed(func(m *Module, _ *Function) { m.Functions[0].Params = nil }), "() -> (i32), and must be (i32)",
		},
		"another evaluate": {
			changed(func(_ *Module, f *Function) { f.Results, f.Body = nil, nil }), "must be (i32, i32) -> (i64)",
		},
		"many locals": {
			changed(func(_ *Module, f *Function) { f.Locals = make32(2001) }), "more than 2000 locals",
		},
		"wrong types":        {running(I32Const(1)), "not valid"},
		"a long function":    {running(many, Packed(0, 0)), "at most 65536"},
		"deep blocks":        {running(deep, Packed(0, 0)), "deeper than 500"},
		"a start that loops": {starting(Loop(Br(0))), "cannot be instantiated"},
		"a start that traps": {starting(Unreachable), "unreachable"},
		"the counter":        {running(I64Const(1<<60), GlobalSet(0), Packed(0, 0)), "no global 0"},
		"SIMD":               {running(Code{0xfd, 12}, make(Code, 16), Drop), "0xfd is not supported"},
		"table.set":          {running(Code{0x26, 0}), "changes a table"},
		"data.drop":          {running(Code{0xfc, 9, 0}), "drops a segment"},
		"data beyond memory": {
			changed(func(m *Module, _ *Function) { m.Data = []Data{{At: -1, Bytes: "x"}} }), "cannot be instantiated",
		},
	}
}

type refusedModule struct {
	module []byte
	reason string
}

// TestRefusedModules: what cannot be a policy's module is refused when it is uploaded, and the refusal says why. So it
// is when an evaluation meets it.
func TestRefusedModules(t *testing.T) {
	for name, tt := range refused() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvaluator(t, Limits{})
			within(t, time.Minute, name, func() {
				_, err := e.CheckModule(t.Context(), tenant, tt.module)
				var refusal *Refusal
				if !errors.As(err, &refusal) || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("error %v, want a refusal because of %q", err, tt.reason)
				}
			})
			got, err := e.EvaluateModule(t.Context(), tenant, sumOf(tt.module), loaded(tt.module), []byte("{}"))
			if err != nil || got.Result != "error" {
				t.Errorf("an evaluation by it: %+v, %v", got, err)
			}
		})
	}
}
