package policy

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/policycortex/headroom/server/policy/assemble"
	"github.com/policycortex/headroom/server/policy/examples"
)

// TestOwner: the example does what it says of documents as the API and people write them.
func TestOwner(t *testing.T) {
	e := newEvaluator(t, Limits{})
	for tags, want := range map[string]string{
		`{"owner":"me"}`:                                    "compliant",
		`{"env":"prod","owner":"me"}`:                       "compliant",
		` { "env" : "a\"b\\" , "owner"` + "\n" + `: "me" }`: "compliant",
		`{"owner":""}`:                                      "non_compliant",
		`{"owner":null}`:                                    "non_compliant",
		`{"owners":"me","owne":"me"}`:                       "non_compliant",
		`{"x":{"owner":"me"}}`:                              "non_compliant",
		`{"env":"owner"}`:                                   "non_compliant",
		`{"a":"\",\"owner\":\"me"}`:                         "non_compliant",
		`{}`:                                                "non_compliant",
		`null`:                                              "non_compliant",
	} {
		if got := evaluate(t, e, examples.Owner, document(tags)); got.Result != want {
			t.Errorf("tags %s: %+v, want %s", tags, got, want)
		}
	}
	large := document(`{"owner":"me"}`)
	large = strings.Replace(large, "xxx", strings.Repeat("y", 300_000), 1) // more than its memory
	if got := evaluate(t, e, examples.Owner, large); got.Result != "compliant" {
		t.Errorf("a large document: %+v", got)
	}
	if got := evaluate(t, e, examples.Owner, `{"tags":{}}`); len(got.Reasons) != 1 ||
		got.Reasons[0] != "The tag owner is missing or empty." {
		t.Errorf("%+v", got)
	}
	if s := e.Stats(); s.Modules != 1 || s.Compiled != 1 || s.IdleInstances == 0 || s.Discarded != 1 {
		t.Errorf("%+v, want one module, and one instance discarded because its memory grew", s)
	}
}

// TestHostileModules: what is not refused is stopped, in bounded time and memory, and the next evaluation is sound.
func TestHostileModules(t *testing.T) {
	forever := Loop(Br(0))
	for name, tt := range map[string]struct {
		module *Module
		reason string
	}{
		"loop":         {ruled(0, forever, Unreachable), "stopped after 1000000 instructions"},
		"nested loops": {ruled(0, Loop(Loop(Loop(Br(1)))), Unreachable), "stopped after 1000000 instructions"},
		"trap":         {ruled(0, Unreachable), "The module was stopped: unreachable"},
		"recursion":    {ruled(0, LocalGet(0), LocalGet(1), Call(1)), "stopped after 1000000 instructions"},
		"recursion by calls alone": {
			&Module{
				Memory: Between(1, -1), Functions: append(ruled(0, Call(2), Unreachable).Functions,
					Function{Body: Seq(Call(2), Call(2))}),
			}, "The module was stopped",
		},
		"memory out of bounds": {
			ruled(0, I32Const(-4), I32Load, Drop, Unreachable), "out of bounds memory access",
		},
		"memory.fill over and over": {
			ruled(0, Loop(I32Const(0), I32Const(0), I32Const(64<<10), MemoryFill, Br(0)), Unreachable),
			"stopped after 1000000 instructions",
		},
		"memory that grows": {
			ruled(0, Loop(I32Const(1), MemoryGrow, I32Const(-1), I32Ne, BrIf(0)), MemorySize, I32Const(32), I32Eq,
				If(Unreachable), Packed(0, 0)), "The module was stopped: unreachable",
		},
		"memory.grow over and over": {
			ruled(0, Loop(I32Const(0), MemoryGrow, Drop, Br(0)), Unreachable), "stopped after 1000000 instructions",
		},
		"answer out of bounds":         {ruled(0, Packed(-16, 8)), "beyond its memory of 65536 bytes"},
		"answer that is too long":      {ruled(0, Packed(0, 60_000)), "has 60000 bytes; at most 16384"},
		"answer of a negative length":  {ruled(0, Packed(0, -1)), "has 4294967295 bytes"},
		"no answer":                    {ruled(0, Packed(0, 0)), "cannot be used"},
		"answer that is not JSON":      {ruled(0, Packed(1, 8)), "cannot be used"},
		"answer with something behind": {answered(yes + yes), "something follows"},
		"answer of an unknown result":  {answered(`{"result":"fine"}`), `"fine", and must be one of compliant`},
		"answer with unknown fields":   {answered(`{"result":"compliant","x":1}`), "cannot be used"},
		"answer that is not UTF-8":     {answered("{\"result\":\"compliant\",\"reasons\":[\"\xff\"]}"), "not UTF-8"},
		"many reasons": {
			answered(`{"result":"exempt","reasons":["` + strings.Repeat(`","`, 20) + `"]}`), "21 reasons",
		},
		"long reason": {answered(`{"result":"exempt","reasons":["` + strings.Repeat("x", 501) + `"]}`), "501 bytes"},
		"alloc out of bounds": {
			&Module{Memory: Between(1, -1), Functions: []Function{
				{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Body: I32Const(-1)},
				{Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64}, Body: Packed(0, 0)},
			}}, "alloc(2) returned 4294967295",
		},
		"alloc that loops": {
			&Module{Memory: Between(1, -1), Functions: []Function{
				{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Body: Seq(forever, Unreachable)},
				{Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64}, Body: Packed(0, 0)},
			}}, "stopped after 1000000 instructions",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvaluator(t, Limits{Time: time.Millisecond})
			module := tt.module.Bytes()
			within(t, time.Minute, name, func() {
				for range 3 { // its instance is discarded, or reset
					got := evaluate(t, e, module, "{}")
					if got.Result != "error" || len(got.Reasons) != 1 || !strings.Contains(got.Reasons[0], tt.reason) {
						t.Errorf("%+v, want an error because of %q", got, tt.reason)
					}
				}
			})
			if got := evaluate(t, e, examples.Owner, `{"tags":{"owner":"x"}}`); got.Result != "compliant" {
				t.Errorf("afterwards another module says %+v", got)
			}
		})
	}
}

// TestDeepRecursion: the stack of an instance ends before its instructions do.
func TestDeepRecursion(t *testing.T) {
	e := newEvaluator(t, Limits{Time: time.Second})
	got := evaluate(t, e, ruled(0, LocalGet(0), LocalGet(1), Call(1)).Bytes(), "{}")
	if got.Result != "error" || got.Reasons[0] != "The module was stopped: stack overflow." {
		t.Errorf("%+v", got)
	}
}

// TestDeepStacksAreNotKept: of a deep recursion that ends well, no stack stays with the idle instance.
func TestDeepStacksAreNotKept(t *testing.T) {
	e := newEvaluator(t, Limits{Time: time.Second})
	m := ruled(0, I32Const(500_000), Call(2), Drop, Packed(0, int32(len(yes))))
	m.Functions = append(m.Functions, Function{
		Params: []Type{I32}, Results: []Type{I32},
		Body: Seq(LocalGet(0), I32Eqz, If(I32Const(0), Return), LocalGet(0), I32Const(1), I32Sub, Call(2), LocalGet(0),
			I32Add),
	})
	module := m.Bytes()
	_, err := e.CheckModule(t.Context(), tenant, module)
	if err != nil {
		t.Fatal(err)
	}
	alive := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := alive()
	got := evaluate(t, e, module, "{}")
	after := alive()
	if s := e.Stats(); got.Result != "compliant" || s.IdleInstances != 1 || s.Discarded != 0 {
		t.Errorf("%+v, %+v", got, s)
	}
	if after-before > 4<<20 {
		t.Errorf("%d KiB are kept", (after-before)>>10)
	}
}

// answered is a module that always gives one answer.
func answered(answer string) *Module {
	m := ruled(0, Packed(2048, int32(len(answer))))
	m.Data = []Data{{At: 2048, Bytes: answer}}
	return m
}

// TestNothingIsLeft: memory, globals, and memory that has grown are at each evaluation as they were at the first, also
// those that were dirty when the module was instantiated.
func TestNothingIsLeft(t *testing.T) {
	start := 2
	m := ruled(1,
		GlobalGet(0), I32Const(7), I32Eq, // as the start function has set it
		I32Const(4000), I32Load, I32Const(9), I32Eq, I32And,
		I32Const(60000), I32Load, I32Eqz, I32And,
		I32Const(70000), LocalSet(2),
		GlobalGet(0), I32Const(1), I32Add, GlobalSet(0),
		I32Const(4000), I32Const(1), I32Store,
		I32Const(60000), I32Const(1), I32Store,
		LocalGet(1), I32Const(2), I32GtU, // for long documents
		If(
			I32Const(1), MemoryGrow, Drop,
			LocalGet(2), I32Load, If(Unreachable),
			LocalGet(2), I32Const(1), I32Store,
		),
		answering,
	)
	m.Globals = []int32{5}
	m.Start = &start
	m.Functions = append(m.Functions, Function{
		Body: Seq(I32Const(7), GlobalSet(0), I32Const(4000), I32Const(9), I32Store),
	})
	module := m.Bytes()
	e := newEvaluator(t, Limits{})
	var all sync.WaitGroup
	for _, document := range []string{"{}", `{"a":1}`, "{}", `{"a":2}`} {
		all.Go(func() {
			for range 50 {
				if got := evaluate(t, e, module, document); got.Result != "compliant" {
					t.Errorf("%s: %+v", document, got)
					return
				}
			}
		})
	}
	all.Wait()
	evaluate(t, e, module, "{}")
	if s := e.Stats(); s.Discarded < 100 || s.IdleInstances == 0 {
		t.Errorf("%+v, want those discarded whose memory grew, and others kept", s)
	}
	// the remains of another document
	spy := ruled(0, I32Const(1026), I32Load8U, I32Eqz, answering).Bytes()
	for _, document := range []string{"{}", "{}"} {
		evaluate(t, e, spy, `{"secret":"x"}`)
		if got := evaluate(t, e, spy, document); got.Result != "compliant" {
			t.Errorf("a module sees what is left of another document: %+v", got)
		}
	}
}

// TestTenantsShareNothing: the same bytes of two tenants are two modules.
func TestTenantsShareNothing(t *testing.T) {
	e := newEvaluator(t, Limits{})
	for _, of := range [][16]byte{{1}, {2}} {
		_, err := e.CheckModule(t.Context(), of, examples.Owner)
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := e.Stats(); s.Modules != 2 || s.Compiled != 2 {
		t.Errorf("%+v", s)
	}
}

// TestEviction: modules are given up within the bytes, also while they run, and compiled again.
func TestEviction(t *testing.T) {
	room := 4*ofModule + 4*int64(runtime.GOMAXPROCS(0))*(64<<10+ofInstance)
	e := newEvaluator(t, Limits{CacheBytes: room})
	var modules [][]byte
	for i := range 12 {
		m := ruled(0, LocalGet(1), I32Const(2), I32Eq, answering)
		m.Globals = []int32{int32(i)}
		modules = append(modules, m.Bytes())
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 120 {
				module := modules[(i*(worker+1))%len(modules)]
				got, err := e.EvaluateModule(t.Context(), tenant, sumOf(module), loaded(module), []byte("{}"))
				if err != nil || got.Result != "compliant" {
					t.Errorf("%+v, %v", got, err)
					return
				}
			}
		})
	}
	all.Wait()
	s := e.Stats()
	if s.Evicted == 0 || s.Bytes > room || s.Compiled-s.Evicted != int64(s.Modules) {
		t.Errorf("%+v", s)
	}
	e.Close()
	if s := e.Stats(); s.Modules != 0 || s.Bytes != 0 {
		t.Errorf("after it was closed: %+v", s)
	}
}

// TestLoads: a module is loaded once for all who wait for it; a load that failed is tried again; who leaves does not
// wait.
func TestLoads(t *testing.T) {
	e := newEvaluator(t, Limits{})
	broken := errors.New("broken")
	_, err := e.EvaluateModule(t.Context(), tenant, sumOf(examples.Owner),
		func(context.Context) ([]byte, error) { return nil, broken }, nil)
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	goOn := make(chan struct{})
	var loads int // by one at a time
	slow := func(context.Context) ([]byte, error) { loads++; <-goOn; return examples.Owner, nil }
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := e.EvaluateModule(t.Context(), tenant, sumOf(examples.Owner), slow, []byte("{}"))
			if err != nil {
				t.Error(err)
			}
		})
	}
	gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
	defer leave()
	_, err = e.EvaluateModule(gone, tenant, sumOf(examples.Owner), slow, []byte("{}"))
	if !errors.Is(err, ErrBusy) {
		t.Errorf("who leaves gets the error %v", err)
	}
	close(goOn)
	all.Wait()
	if loads != 1 {
		t.Errorf("%d loads", loads)
	}
}

// TestQueueIsBounded: one compilation too many is refused, of one tenant and of all. Who leaves makes room, and whoever
// waits for the same module gets it nevertheless.
func TestQueueIsBounded(t *testing.T) {
	e := newEvaluator(t, Limits{})
	evaluateBy := func(ctx context.Context, sum Sum, load Load) error {
		_, err := e.EvaluateModule(ctx, [16]byte{sum[0] / maxQueueOfTenant}, sum, load, []byte("{}"))
		return err
	}
	goOn, stays, left := make(chan struct{}), make(chan error, 2), make(chan error, maxQueue)
	slow := func(context.Context) ([]byte, error) { <-goOn; return examples.Owner, nil }
	go func() { stays <- evaluateBy(t.Context(), Sum{}, slow) }()
	queued := func(n int) {
		t.Helper()
		within(t, time.Minute, "waiting for the queue", func() {
			for now, free := -1, 1; now != n || free > 0; time.Sleep(time.Millisecond) {
				e.mu.Lock()
				now = e.queued
				e.mu.Unlock()
				e.compiling.mu.Lock()
				free = e.compiling.free
				e.compiling.mu.Unlock()
			}
		})
	}
	queued(1)
	leaving, leave := context.WithCancel(t.Context())
	defer leave()
	for i := range maxQueue - 1 {
		if i == maxQueueOfTenant-1 {
			queued(maxQueueOfTenant)
			err := evaluateBy(t.Context(), Sum{0, 1}, loaded(examples.Owner))
			if !errors.Is(err, ErrBusy) {
				t.Errorf("beyond the queue of a tenant: error %v", err)
			}
		}
		go func() { left <- evaluateBy(leaving, Sum{byte(i + 1)}, loaded(examples.Owner)) }()
	}
	queued(maxQueue)
	err := evaluateBy(t.Context(), Sum{99}, loaded(examples.Owner))
	if !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the queue: error %v", err)
	}
	go func() { stays <- evaluateBy(t.Context(), Sum{1}, loaded(examples.Owner)) }()
	leave()
	for range maxQueue - 1 {
		err := <-left
		if !errors.Is(err, ErrBusy) {
			t.Errorf("who leaves gets the error %v", err)
		}
	}
	close(goOn)
	for range 2 {
		err := <-stays
		if err != nil {
			t.Errorf("who stays gets the error %v", err)
		}
	}
	if n := e.Stats().Compiled; n != 2 {
		t.Errorf("%d modules were compiled, want 2", n)
	}
}
