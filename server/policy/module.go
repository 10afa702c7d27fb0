package policy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// compileTimeout is how long the compilation of a module may take. It ends between two functions.
const compileTimeout = 2 * time.Second

// What a module takes in memory, in bytes, estimated, besides its code and the memory of its instances.
const ofModule, ofInstance = 256 << 10, 32 << 10

// keptStack is how large a stack may be, in bytes, with which an instance is kept. wazero begins with 10 KiB.
const keptStack = 16 << 10

// module is a compiled module with its idle instances. Each has a runtime of its own, so that closing it frees its code
// and touches no other.
type module struct {
	limits  *Limits
	runtime wazero.Runtime
	code    wazero.CompiledModule
	size    int64 // what it takes, in bytes, estimated

	// What instances begin with. The memory is without the zeros at its end.
	memory      []byte
	memoryBytes uint32
	globals     []uint64

	idle chan *instance

	// users are the evaluations that have the module, and one more until it is evicted. At 0 it is closed.
	users   atomic.Int64
	closing sync.Once
	stats   *counts
}

// instance is an instance of a module. One evaluation has it at a time.
type instance struct {
	module  api.Module
	memory  api.Memory
	alloc   api.Function
	eval    api.Function
	fuel    api.MutableGlobal
	globals []api.MutableGlobal
	stack   [2]uint64
}

// compile makes a module of what a tenant has uploaded, with one instance. It returns a [*Refusal] for what cannot be
// a policy's module, and [ErrSlow].
func compile(ctx context.Context, uploaded []byte, limits *Limits, idle int, stats *counts) (*module, error) {
	metered, err := Meter(uploaded, *limits)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	const features = api.CoreFeaturesV2 &^ api.CoreFeatureSIMD
	m := &module{
		limits: limits, idle: make(chan *instance, idle), stats: stats,
		runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features).
			WithDebugInfoEnabled(false).WithMemoryLimitPages(uint32(limits.MemoryPages))),
	}
	// Two workers look at the context before each function; one would not.
	m.code, err = m.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, 2), metered)
	switch {
	case err != nil && ctx.Err() != nil:
		err = ErrSlow
	case err != nil:
		err = refuse("the module is not valid: %s", oneLine(err))
	default:
		err = m.begin()
	}
	if err != nil {
		m.close()
		return nil, err
	}
	const nativePerByte = 10 // of code, with what the compiler keeps beside it
	m.size = ofModule + int64(len(metered))*nativePerByte + int64(len(m.memory)) +
		int64(idle)*(int64(m.memoryBytes)+ofInstance)
	m.users.Store(1)
	return m, nil
}

// begin makes the first instance and notes its state, from which all evaluations start.
func (m *module) begin() error {
	if err := m.checkExports(); err != nil {
		return err
	}
	i, err := m.instantiate()
	if err != nil {
		return err
	}
	m.memoryBytes = i.memory.Size()
	content, _ := i.memory.Read(0, m.memoryBytes)
	used := len(content)
	for used > 0 && content[used-1] == 0 {
		used--
	}
	m.memory = append(make([]byte, 0, used), content[:used]...)
	for _, g := range i.globals {
		m.globals = append(m.globals, g.Get())
	}
	m.idle <- i
	return nil
}

func (m *module) checkExports() error {
	exported := m.code.ExportedFunctions()
	for _, want := range []struct {
		name, signature string
	}{{"alloc", "(i32) -> (i32)"}, {"evaluate", "(i32, i32) -> (i64)"}} {
		f := exported[want.name]
		if f == nil {
			return refuse("the module does not export the function %s%s", want.name, want.signature)
		}
		if got := signature(f); got != want.signature {
			return refuse("the function %s is %s, and must be %s", want.name, got, want.signature)
		}
	}
	if m.code.ExportedMemories()["memory"] == nil {
		return refuse("the module does not export its memory as memory")
	}
	return nil
}

func signature(f api.FunctionDefinition) string {
	list := func(types []api.ValueType) string {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = api.ValueTypeName(t)
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	return list(f.ParamTypes()) + " -> " + list(f.ResultTypes())
}

// instantiate makes an instance. Its start function runs metered, like everything else.
func (m *module) instantiate() (*instance, error) {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	made, err := m.runtime.InstantiateModule(context.Background(), m.code, config)
	if err != nil {
		return nil, refuse("the module cannot be instantiated: %s", oneLine(err))
	}
	i := &instance{
		module: made, memory: made.ExportedMemory("memory"), alloc: made.ExportedFunction("alloc"),
		eval: made.ExportedFunction("evaluate"),
	}
	var ok bool
	i.fuel, ok = made.ExportedGlobal(FuelName).(api.MutableGlobal)
	for n := 0; ok; n++ {
		global, found := made.ExportedGlobal(globalName(n)).(api.MutableGlobal)
		if !found {
			break
		}
		i.globals = append(i.globals, global)
	}
	if !ok {
		return nil, errors.New("the counter of a metered module is not there")
	}
	return i, nil
}

// evaluate runs the module on a document.
func (m *module) evaluate(document []byte) Result {
	i, err := m.take()
	if err != nil {
		return failed("The module failed: %s.", err)
	}
	result, sound := m.run(i, document)
	if sound && m.reset(i) {
		select {
		case m.idle <- i:
			return result
		default:
		}
	} else {
		m.stats.discarded.Add(1)
	}
	i.module.Close(context.Background())
	return result
}

func (m *module) take() (*instance, error) {
	select {
	case i := <-m.idle:
		return i, nil
	default:
		return m.instantiate()
	}
}

// run reports whether the instance is sound, so that it can be reset and used again.
func (m *module) run(i *instance, document []byte) (result Result, sound bool) {
	i.fuel.Set(uint64(m.limits.instructions()))
	i.stack[0] = uint64(len(document))
	err := i.alloc.CallWithStack(context.Background(), i.stack[:])
	if err != nil {
		return m.stopped(i, err), false
	}
	at := uint32(i.stack[0])
	if !i.memory.Write(at, document) {
		return failed("The module's alloc(%d) returned %d, where its memory of %d bytes has no room.", len(document),
			at, i.memory.Size()), false
	}
	i.stack[0], i.stack[1] = uint64(at), uint64(len(document))
	err = i.eval.CallWithStack(context.Background(), i.stack[:])
	if err != nil {
		return m.stopped(i, err), false
	}
	at, length := uint32(i.stack[0]>>32), uint32(i.stack[0])
	if length > maxAnswer {
		return failed("The module's answer has %d bytes; at most %d are allowed.", length, maxAnswer), true
	}
	answer, ok := i.memory.Read(at, length)
	if !ok {
		return failed("The module's answer is at %d with %d bytes, beyond its memory of %d bytes.", at, length,
			i.memory.Size()), true
	}
	result, err = parseResult(answer)
	if err != nil {
		return failed("The module's answer cannot be used: %s.", err), true
	}
	return result, true
}

// stopped is the result of a module that was stopped.
func (m *module) stopped(i *instance, err error) Result {
	if int64(i.fuel.Get()) < 0 {
		return failed("The module was stopped after %d instructions.", m.limits.instructions())
	}
	return failed("The module was stopped: %s.", oneLine(err))
}

// reset brings an instance back to the state in which it began. It reports whether that was possible: memory that has
// grown stays.
func (m *module) reset(i *instance) bool {
	if i.memory.Size() != m.memoryBytes {
		return false
	}
	content, _ := i.memory.Read(0, m.memoryBytes)
	clear(content[copy(content, m.memory):])
	for n, global := range i.globals {
		global.Set(m.globals[n])
	}
	if grown(i.alloc) {
		i.alloc = i.module.ExportedFunction("alloc")
	}
	if grown(i.eval) {
		i.eval = i.module.ExportedFunction("evaluate")
	}
	return true
}

// grown reports whether a function has a stack that should not be kept. Each has one of its own, which grows by deep
// recursion to as much as 100 MB and never shrinks. wazero does not tell, but its engine has it in a field; without
// that field, no function is kept.
func grown(f api.Function) bool {
	engine := reflect.ValueOf(f)
	if engine.Kind() != reflect.Pointer || engine.Elem().Kind() != reflect.Struct {
		return true
	}
	stack := engine.Elem().FieldByName("stack")
	return !stack.IsValid() || stack.Kind() != reflect.Slice || stack.Len() > keptStack
}

// acquire reports whether the module can still be used, which it can until release is called.
func (m *module) acquire() bool {
	for {
		n := m.users.Load()
		if n == 0 {
			return false
		}
		if m.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives up the use of the module. The last one closes it.
func (m *module) release() {
	if m.users.Add(-1) == 0 {
		m.close()
	}
}

func (m *module) close() {
	m.closing.Do(func() {
		err := m.runtime.Close(context.Background())
		if err != nil { // it has nothing open whose closing could fail
			panic(fmt.Sprintf("policy: a module cannot be closed: %v", err))
		}
	})
}

// oneLine is the first line of an error of wazero: a trace of the module's stack follows.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, "wasm error: ")
	const longest = 300
	return strings.ToValidUTF8(line[:min(len(line), longest)], "?")
}
