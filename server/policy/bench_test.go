package policy

import (
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/policycortex/headroom/server/policy/assemble"
	"github.com/policycortex/headroom/server/policy/examples"
)

// BenchmarkEvaluateModule evaluates a resource of a kilobyte by the example of a module, in instances of its pool: by
// one goroutine, and by as many as there are processors.
func BenchmarkEvaluateModule(b *testing.B) {
	e := newEvaluator(b, Limits{})
	sum, load := sumOf(examples.Owner), loaded(examples.Owner)
	resource := []byte(document(`{"env":"prod","owner":"me"}`))
	run := func(b *testing.B) {
		r, err := e.EvaluateModule(context.Background(), tenant, sum, load, resource)
		if err != nil || r.Result != "compliant" {
			b.Fatal(r, err)
		}
	}
	run(b)
	b.Run(fmt.Sprintf("bytes=%d", len(resource)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			run(b)
		}
	})
	b.Run(fmt.Sprintf("bytes=%d/parallel", len(resource)), func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				run(b)
			}
		})
	})
}

// BenchmarkEvaluateExpression does the same by an expression.
func BenchmarkEvaluateExpression(b *testing.B) {
	e := newEvaluator(b, Limits{})
	resource := []byte(document(`{"env":"prod","owner":"me"}`))
	b.ReportAllocs()
	for b.Loop() {
		r, err := e.EvaluateExpression(context.Background(), tenant, `has(resource.tags.owner) && resource.tags.owner != ""`,
			resource)
		if err != nil || r.Result != "compliant" {
			b.Fatal(r, err)
		}
	}
}

// BenchmarkStopping compares how a module can be stopped: not at all, by the counter that Meter puts into it, and by
// wazero's WithCloseOnContextDone. It is the call of evaluate alone, in one instance, without a reset.
func BenchmarkStopping(b *testing.B) {
	metered, err := Meter(examples.Owner, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	resource := []byte(document(`{"env":"prod","owner":"me"}`))
	for _, tt := range []struct {
		name   string
		module []byte
		closes bool
	}{{"never", examples.Owner, false}, {"by counter", metered, false}, {"by context", examples.Owner, true}} {
		b.Run(tt.name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(tt.closes))
			defer r.Close(context.Background())
			m, err := r.Instantiate(ctx, tt.module)
			if err != nil {
				b.Fatal(err)
			}
			m.Memory().Write(1024, resource)
			evaluate, stack := m.ExportedFunction("evaluate"), make([]uint64, 2)
			fuel, _ := m.ExportedGlobal(FuelName).(api.MutableGlobal)
			b.ReportAllocs()
			for b.Loop() {
				if fuel != nil {
					fuel.Set(1 << 40)
				}
				stack[0], stack[1] = 1024, uint64(len(resource))
				err := evaluate.CallWithStack(ctx, stack)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReset evaluates by modules that do nothing but answer, with more and more memory: the reset of an instance
// writes all of it.
func BenchmarkReset(b *testing.B) {
	e := newEvaluator(b, Limits{})
	resource := []byte(document(`{}`))
	for _, pages := range []int{1, 16, 32} {
		m := ruled(0, assemble.I32Const(1), answering)
		m.Memory = assemble.Between(pages, -1)
		module := m.Bytes()
		sum, load := sumOf(module), loaded(module)
		b.Run(fmt.Sprintf("pages=%d", pages), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := e.EvaluateModule(context.Background(), tenant, sum, load, resource)
				if err != nil || r.Result != "compliant" {
					b.Fatal(r, err)
				}
			}
		})
	}
}

// BenchmarkCompile compiles and instantiates the example, as an upload does.
func BenchmarkCompile(b *testing.B) {
	limits := Limits{}.WithDefaults()
	b.ReportAllocs()
	for b.Loop() {
		m, err := compile(context.Background(), examples.Owner, &limits, 2, &counts{})
		if err != nil {
			b.Fatal(err)
		}
		m.close()
	}
}
