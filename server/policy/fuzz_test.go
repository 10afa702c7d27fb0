package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	. "github.com/policycortex/headroom/server/policy/assemble"
	"github.com/policycortex/headroom/server/policy/examples"
)

// FuzzModule: whatever is uploaded is refused or evaluates, and neither takes long.
func FuzzModule(f *testing.F) {
	f.Add(examples.Owner, []byte(document(`{"owner":"x"}`)))
	f.Add(ruled(0, Loop(Br(0)), Unreachable).Bytes(), []byte("{}"))
	f.Add(ruled(2, LocalGet(0), LocalGet(1), Call(1)).Bytes(), []byte("{}"))
	f.Add(ruled(1, Loop(I32Const(1), MemoryGrow, Drop, I32Const(0), LocalGet(1), LocalGet(1), MemoryCopy, Br(0)),
		answering).Bytes(), []byte("{}"))
	tables := ruled(0, Packed(0, int32(len(yes))))
	tables.Table, tables.Elements, tables.Globals = Between(2, 2), []int{0, 1}, []int32{1, 2}
	f.Add(tables.Bytes(), []byte(`{"tags":null}`))
	f.Fuzz(func(t *testing.T, module, document []byte) {
		e := newEvaluator(t, Limits{Time: time.Millisecond, CacheBytes: MinCacheBytes})
		within(t, 20*time.Second, "a module", func() {
			sum, err := e.CheckModule(t.Context(), tenant, module)
			if errors.Is(err, ErrSlow) {
				return
			}
			if refusal := (*Refusal)(nil); err != nil && (!errors.As(err, &refusal) || len(refusal.Reasons) == 0) {
				t.Errorf("error %v", err)
			}
			for range 2 {
				r, err := e.EvaluateModule(t.Context(), tenant, sum, loaded(module), document)
				checkResult(t, r, err)
			}
		})
	})
}

// FuzzExpression: the same of expressions.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		`resource.tags.exists(k, k.startsWith("env")) || resource.name.matches("^vm-[0-9]+$")`,
		`{"result": "exempt", "reasons": ["a", resource.name + "b"]}`,
		`[1, 2, 3].map(n, n * 2).filter(n, n > 2).size() == 2 ? "error" : "compliant"`,
		`timestamp(resource.updated_at) > timestamp("2020-01-01T00:00:00Z") && duration("1h") > duration("1s")`,
		`dyn(resource).properties.size() > 1u || b"\xff" == bytes("x") || type(1) == int`,
	} {
		f.Add(text, []byte(document(`{"env":"prod"}`)))
	}
	e := newEvaluator(f, Limits{Time: time.Millisecond})
	f.Fuzz(func(t *testing.T, text string, document []byte) {
		within(t, 20*time.Second, "an expression", func() {
			err := e.CheckExpression(t.Context(), tenant, text)
			if refusal := (*Refusal)(nil); err != nil && !errors.As(err, &refusal) {
				t.Errorf("error %v", err)
			}
			r, err := e.EvaluateExpression(t.Context(), tenant, text, document)
			checkResult(t, r, err)
		})
	})
}

func checkResult(t *testing.T, r Result, err error) {
	t.Helper()
	if err != nil || !slices.Contains(Results, r.Result) || r.Reasons == nil || len(r.Reasons) > maxReasons {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = json.Marshal(r)
	if err != nil {
		t.Error(err)
	}
}
