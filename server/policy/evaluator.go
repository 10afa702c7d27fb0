package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"cel.dev/cel-go/cel"
)

// ProgramBytes is what the compiled expressions that are kept may take in memory, in bytes, estimated.
const ProgramBytes = 16 << 20

// maxQueue is how many modules may be compiled or wait for it at a time, of all tenants, and maxQueueOfTenant of one.
const maxQueue, maxQueueOfTenant = 16, 4

// maxWaiting is how many requests of a tenant may wait for their turns, and how many for one module.
const maxWaiting = 256

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
	most      int    // rules that run at once
	running   *turns // of rules, and of expressions that are compiled
	compiling *turns // of modules
	stats     counts

	mu       sync.Mutex
	queued   int              // modules that are compiled or wait for it
	queuedOf map[[16]byte]int // the same, of each tenant that has some
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
	// While a module runs, its thread belongs to it: Go cannot interrupt it. One processor is left for others.
	most := max(1, runtime.GOMAXPROCS(0)-1)
	e := &Evaluator{
		limits: limits.WithDefaults(), env: env, most: most, running: newTurns(most, maxWaiting),
		compiling: newTurns(1, maxQueueOfTenant),
		queuedOf:  map[[16]byte]int{},
	}
	e.modules = shelf[moduleKey, *module]{
		most: e.limits.CacheBytes, size: sizeOfModule, gone: e.evicted,
		owner: func(key moduleKey) [16]byte { return key.tenant },
	}
	e.programs = shelf[string, *program]{
		most: ProgramBytes, size: func(p *program) int64 { return p.size }, gone: func(*program) {},
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
// [*Refusal] for one that cannot be a policy's, [ErrSlow], or [ErrBusy].
func (e *Evaluator) CheckModule(ctx context.Context, tenant [16]byte, uploaded []byte) (Sum, error) {
	err := checkSize(uploaded, &e.limits)
	if err != nil {
		return Sum{}, err
	}
	sum := Sum(sha256.Sum256(uploaded))
	m, err := e.module(ctx, moduleKey{tenant, sum}, func(context.Context) ([]byte, error) { return uploaded, nil })
	if err != nil {
		return sum, err
	}
	m.release()
	return sum, nil
}

// EvaluateModule evaluates a document by a module of a tenant. load is called to read the module if it has to be
// compiled; its error is returned. So are [ErrBusy] and [ErrSlow]. A module that is refused or stopped results in an
// "error".
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
	err = e.running.enter(ctx, tenant)
	if err != nil {
		return Result{}, err
	}
	defer e.running.leave()
	return m.evaluate(document), nil
}

// errLeft is the result of a compilation whose turn did not come before the one who wanted it had left.
var errLeft = errors.New("nobody waits for this module")

// module returns a compiled module that the caller has to release.
func (e *Evaluator) module(ctx context.Context, key moduleKey, load Load) (*module, error) {
	for {
		slot, err := e.find(ctx, key, load)
		if err != nil {
			return nil, err
		}
		select {
		case <-slot.filled:
		case <-ctx.Done():
			return nil, ErrBusy
		}
		switch {
		case slot.err == errLeft && ctx.Err() != nil:
			return nil, ErrBusy
		case slot.err == errLeft: // somebody else had: take their place
			continue
		case slot.err != nil:
			return nil, slot.err
		}
		if slot.value.acquire() {
			return slot.value, nil
		}
		// It was evicted in between: compile it again.
	}
}

// find returns the slot of a module. If there is none, it begins one, which is compiled in the background so that
// whoever waits for it can leave.
func (e *Evaluator) find(ctx context.Context, key moduleKey, load Load) (*slot[*module], error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known, found := e.modules.peek(key)
	switch {
	case found && known.element == nil && known.waiting == maxWaiting:
		return nil, ErrBusy
	case found:
		known.waiting++ // while it is compiled, those who leave included
		return known, nil
	case e.queued == maxQueue, e.queuedOf[key.tenant] == maxQueueOfTenant:
		return nil, ErrBusy
	}
	e.queued++
	e.queuedOf[key.tenant]++
	begun := e.modules.begin(key)
	go e.fill(ctx, key, begun, load)
	return begun, nil
}

// fill compiles a module unless ctx ends before its turn. What is refused stays refused; any other error may be another
// one next time.
func (e *Evaluator) fill(ctx context.Context, key moduleKey, slot *slot[*module], load Load) {
	slot.err = errLeft
	if e.compiling.enter(ctx, key.tenant) == nil {
		slot.value, slot.err = e.compile(load)
		e.compiling.leave()
	}
	_, refused := slot.err.(*Refusal)
	e.mu.Lock()
	e.leaveQueue(key.tenant)
	e.modules.put(key, slot, slot.err == nil || refused)
	e.mu.Unlock()
	close(slot.filled)
}

// leaveQueue is called with mu held.
func (e *Evaluator) leaveQueue(tenant [16]byte) {
	e.queued--
	e.queuedOf[tenant]--
	if e.queuedOf[tenant] == 0 {
		delete(e.queuedOf, tenant)
	}
}

func (e *Evaluator) compile(load Load) (*module, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	uploaded, err := load(ctx)
	if err != nil {
		return nil, err
	}
	m, err := compile(ctx, uploaded, &e.limits, e.most, &e.stats)
	if err == nil {
		e.stats.compiled.Add(1)
	}
	return m, err
}

// CheckExpression returns a [*Refusal] for an expression that cannot be a policy's, or [ErrBusy].
func (e *Evaluator) CheckExpression(ctx context.Context, tenant [16]byte, text string) error {
	err := e.running.enter(ctx, tenant)
	if err != nil {
		return err
	}
	defer e.running.leave()
	_, err = e.program(text)
	return err
}

// EvaluateExpression evaluates a document, a JSON object, by an expression. One that is refused or stopped results in
// an "error". It returns [ErrBusy], or the error of ctx when that ends first.
func (e *Evaluator) EvaluateExpression(ctx context.Context, tenant [16]byte, text string,
	document []byte,
) (Result, error) {
	err := e.running.enter(ctx, tenant)
	if err != nil {
		return Result{}, err
	}
	defer e.running.leave()
	p, err := e.program(text)
	if err != nil {
		return failed("The expression is not accepted: %s.", err), nil
	}
	return p.evaluate(ctx, document)
}

// program returns the compiled expression. Compiling mostly takes less than a millisecond, so that two may do it at
// once. What is refused is not kept.
func (e *Evaluator) program(text string) (*program, error) {
	if len(text) > MaxExpression {
		return nil, refuse("the expression has %d bytes; at most %d are allowed", len(text), MaxExpression)
	}
	e.mu.Lock()
	known, found := e.programs.peek(text)
	e.mu.Unlock()
	if found {
		return known.value, nil
	}
	p, err := compileExpression(e.env, text, &e.limits)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known, found = e.programs.peek(text)
	if found {
		return known.value, nil
	}
	e.programs.put(text, &slot[*program]{value: p}, true)
	return p, nil
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
