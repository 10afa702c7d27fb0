package policy

import (
	"strings"
	"testing"
	"time"

	. "github.com/policycortex/headroom/server/policy/assemble"
)

// TestSlowToCompile: what is small and takes a compiler long is refused before it is compiled, or the compiler is
// stopped. Without the limits the second one takes half a minute.
func TestSlowToCompile(t *testing.T) {
	loops := func(n, locals int) Code {
		var c Code
		for i := range n {
			c = Seq(c, Loop(LocalGet(i%locals), LocalSet(i*7%locals), LocalGet(0), BrIf(0)))
		}
		return c
	}
	nested := Code{}
	for i := range 400 {
		nested = Loop(nested, LocalGet(i+2), LocalSet(i+3), LocalGet(0), BrIf(0))
	}
	var branches Code
	for range 4001 {
		branches = append(branches, 0)
	}
	functions := ruled(0, Packed(0, 0))
	for range 30_000 {
		functions.Functions = append(functions.Functions, Function{})
	}
	for name, tt := range map[string]struct {
		module *Module
		reason string
	}{
		"loops over locals":      {ruled(1990, loops(1000, 1990), Packed(0, 0)), "too long to compile"},
		"nested loops":           {ruled(500, nested, Packed(0, 0)), "loops are nested deeper than 30"},
		"many blocks":            {ruled(0, loops(2001, 1), Packed(0, 0)), "more than 2000 blocks"},
		"a table of branches":    {ruled(0, LocalGet(0), Code{0x0e, 0xa1, 0x1f}, branches), "more than 4000 targets"},
		"ever so many functions": {functions, "takes longer than 2s to compile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvaluator(t, Limits{})
			within(t, time.Minute, name, func() {
				_, err := e.CheckModule(t.Context(), tenant, tt.module.Bytes())
				// A fast machine may get through.
				if err == nil && name == "ever so many functions" {
					return
				}
				if err == nil || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("error %v, want one because of %q", err, tt.reason)
				}
			})
		})
	}
}
