package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/policycortex/headroom/server/policy/assemble"
)

func newEvaluator(t testing.TB, limits Limits) *Evaluator {
	t.Helper()
	e, err := NewEvaluator(limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

var tenant = [16]byte{1}

// evaluate runs a module as an upload and an evaluation do.
func evaluate(t testing.TB, e *Evaluator, module []byte, document string) Result {
	t.Helper()
	sum, err := e.CheckModule(t.Context(), tenant, module)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.EvaluateModule(t.Context(), tenant, sum, loaded(module), []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func loaded(module []byte) Load {
	return func(context.Context) ([]byte, error) { return module, nil }
}

// ruled is a module with one page of memory whose document is at 1024, and whose evaluate is given.
func ruled(locals int, body ...Code) *Module {
	return &Module{
		Memory: Between(1, -1),
		Functions: []Function{
			{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Body: I32Const(1024)},
			{
				Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64},
				Locals: make32(locals), Body: Seq(body...),
			},
		},
		Data: []Data{{At: 0, Bytes: yes}, {At: 64, Bytes: no}},
	}
}

func make32(n int) []Type {
	types := make([]Type, n)
	for i := range types {
		types[i] = I32
	}
	return types
}

const (
	yes = `{"result":"compliant"}`
	no  = `{"result":"non_compliant","reasons":["no"]}`
)

// answering is the end of an evaluate: yes or no, by the top of the stack.
var answering = Seq(If(Packed(0, int32(len(yes))), Return), Packed(64, int32(len(no))))

// document is a resource of about a kilobyte, as the API writes it.
func document(tags string) string {
	return `{"id":"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51","version":3,"azure_resource_id":"/subscriptions/s1/vm-1",` +
		`"subscription_id":"s1","resource_group_name":"rg1","name":"vm-1","type":"Microsoft.Compute/virtualMachines",` +
		`"location":"westeurope","properties":{"owner":"not a tag","description":"` + strings.Repeat("x", 560) +
		`"},"tags":` + tags + `,"compliance_status":"unknown","created_at":"2026-11-30T06:00:00Z",` +
		`"updated_at":"2026-11-30T06:00:00Z"}`
}

func sumOf(module []byte) Sum { return sha256.Sum256(module) }

// within fails a test in which something takes far longer than its limit.
func within(t *testing.T, most time.Duration, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(most):
		panic(fmt.Sprintf("%s is not over after %s", what, most)) // it may never be
	}
}
