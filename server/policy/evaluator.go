package policy

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"cel.dev/cel-go/cel"
)

// maxPrograms is how many compiled expressions are kept.
const maxPrograms = 1024

// loadTimeout bounds reading and compiling a module.
const loadTimeout = 10 * time.Second

// Load reads a module that has to be compiled. Its context is not the one of the evaluation, which may leave.
type Load func(ctx context.Context) ([]byte, error)

// Sum is the SHA-256 of a module: its name in the cache. A module that was replaced has another one, so whoever knows
// the policy as it is now cannot get its old module.
type Sum = [sha256.Size]byte

// Evaluator evaluates resources and keeps what it has compiled. It is safe for concurrent use.
type Evaluator struct {
	limits    Limits
	env       *cel.Env
	running   chan struct{} // a token for each evaluation by a module that may run
	compiling chan struct{} // a token for each compilation that may run
	stats     counts

	mu       sync.Mutex
	modules  shelf[moduleKey, *module]
	programs shelf[string, *program]
}

// moduleKey names a module of one tenant: tenants share no instances, even where they have uploaded the same bytes.
type moduleKey struct {
	tenant [16]byte
	sum    Sum
}

// counts are what an evaluator has done so far.
type counts struct{ compiled, evicted, discarded atomic.Int64 }

// NewEvaluator makes an evaluator.
func NewEvaluator(limits Limits) (*Evaluator, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	e := &Evaluator{
		limits: limits.WithDefaults(), env: env,
		running: make(chan struct{}, runtime.GOMAXPROCS(0)), compiling: make(chan struct{}, 1),
	}
	e.modules = shelf[moduleKey, *module]{most: e.limits.CacheBytes, size: sizeOfModule, gone: e.evicted}
	e.programs = shelf[string, *program]{
		most: maxPrograms, size: func(*program) int64 { return 1 }, gone: func(*program) {},
	}
	return e, nil
}

// sizeOfRefused is what is counted for a module that cannot be compiled, which is remembered as well.
const sizeOfRefused = 1 << 10

func sizeOfModule(m *module) int64 {
	if m == nil {
		return sizeOfRefused
	}
	return m.size
}

func (e *Evaluator) evicted(m *module) {
	if m == nil {
		return
	}
	e.stats.evicted.Add(1)
	m.release()
}

// Limits returns the limits with their defaults.
func (e *Evaluator) Limits() Limits { return e.limits }

// Close closes all modules, those in use as soon as they are not.
func (e *Evaluator) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.modules.empty()
	e.programs.empty()
}

// CheckModule compiles a module of a tenant, as it does for its first evaluation, and returns its name. It returns a
// [*Refusal] for one that cannot be a policy's.
func (e *Evaluator) CheckModule(ctx context.Context, tenant [16]byte, uploaded []byte) (Sum, error) {
	sum := Sum(sha256.Sum256(uploaded))
	m, err := e.module(ctx, moduleKey{tenant, sum}, func(context.Context) ([]byte, error) { return uploaded, nil })
	if err != nil {
		return sum, err
	}
	m.release()
	return sum, nil
}

// EvaluateModule evaluates a document by a module of a tenant. load is called to read the module if it has to be
// compiled; its error is returned. So is [ErrBusy]. A module that is refused or stopped results in an "error".
func (e *Evaluator) EvaluateModule(ctx context.Context, tenant [16]byte, sum Sum, load Load,
	document []byte,
) (Result, error) {
	m, err := e.module(ctx, moduleKey{tenant, sum}, load)
	if refusal, ok := err.(*Refusal); ok {
		return failed("The module is not accepted: %s.", refusal), nil
	}
	if err != nil {
		return Result{}, err
	}
	defer m.release()
	// While a module runs, its thread belongs to it: Go cannot interrupt it.
	select {
	case e.running <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ErrBusy
	}
	defer func() { <-e.running }()
	return m.evaluate(document), nil
}

// module returns a compiled module that the caller has to release.
func (e *Evaluator) module(ctx context.Context, key moduleKey, load Load) (*module, error) {
	for {
		e.mu.Lock()
		slot, mine := e.modules.get(key)
		e.mu.Unlock()
		if mine {
			e.fill(key, slot, load)
		}
		select {
		case <-slot.filled:
		case <-ctx.Done():
			return nil, ErrBusy
		}
		if slot.err != nil {
			return nil, slot.err
		}
		if slot.value.acquire() {
			return slot.value, nil
		}
		// It was evicted in between: compile it again.
	}
}

// fill compiles a module in the background, so that whoever waits for it can leave. What is refused stays refused; any
// other error may be another one next time.
func (e *Evaluator) fill(key moduleKey, slot *slot[*module], load Load) {
	go func() {
		e.compiling <- struct{}{}
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		uploaded, err := load(ctx)
		if err == nil {
			slot.value, err = compile(ctx, uploaded, &e.limits, cap(e.running), &e.stats)
		}
		if err == nil {
			e.stats.compiled.Add(1)
		}
		<-e.compiling
		slot.err = err
		_, refused := err.(*Refusal)
		e.mu.Lock()
		e.modules.put(key, slot, err == nil || refused)
		e.mu.Unlock()
		close(slot.filled)
	}()
}

// CheckExpression returns a [*Refusal] for an expression that cannot be a policy's.
func (e *Evaluator) CheckExpression(text string) error {
	_, err := e.program(text)
	return err
}

// EvaluateExpression evaluates a document, a JSON object, by an expression. One that is refused or stopped results in
// an "error".
func (e *Evaluator) EvaluateExpression(ctx context.Context, text string, document []byte) Result {
	p, err := e.program(text)
	if err != nil {
		return failed("The expression is not accepted: %s.", err)
	}
	return p.evaluate(ctx, document)
}

// program returns the compiled expression. Compiling takes less than a millisecond, so that two may do it at once.
func (e *Evaluator) program(text string) (*program, error) {
	e.mu.Lock()
	known, found := e.programs.peek(text)
	e.mu.Unlock()
	if found {
		return known.value, known.err
	}
	p, err := compileExpression(e.env, text, &e.limits)
	made := &slot[*program]{value: p, err: err}
	e.mu.Lock()
	defer e.mu.Unlock()
	known, found = e.programs.peek(text)
	if found {
		return known.value, known.err
	}
	e.programs.put(text, made, true)
	return p, err
}

// Stats are what an evaluator has, and has done since it was made.
type Stats struct {
	Modules, Programs int   // compiled and kept
	IdleInstances     int   // of modules
	Bytes             int64 // of modules with their idle instances, estimated
	Compiled, Evicted int64 // modules
	Discarded         int64 // instances that could not be used again
}

// Stats returns them as of now.
func (e *Evaluator) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Stats{
		Programs: len(e.programs.slots), Bytes: e.modules.taken, Compiled: e.stats.compiled.Load(),
		Evicted: e.stats.evicted.Load(), Discarded: e.stats.discarded.Load(),
	}
	for element := e.modules.order.Front(); element != nil; element = element.Next() {
		m := element.Value.(*slot[*module]).value
		if m != nil {
			s.Modules++
			s.IdleInstances += len(m.idle)
		}
	}
	return s
}
