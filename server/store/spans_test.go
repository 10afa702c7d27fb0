package store_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tracing"
)

// spanAttributes are those of a span, by name.
func spanAttributes(span sdktrace.ReadOnlySpan) map[string]any {
	values := map[string]any{}
	for _, a := range span.Attributes() {
		values[string(a.Key)] = a.Value.AsInterface()
	}
	return values
}

// tracedContext has the span of a request, which is ended with the test.
func tracedContext(t *testing.T, tracer *tracing.Tracer) context.Context {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := tracer.Start(r, "/")
	t.Cleanup(func() { span.End() })
	return ctx
}

func TestSpansOfQueries(t *testing.T) {
	s, tenant := openStore(t), newID()
	ids := fillResources(t, s, tenant, 3)
	recorder := tracetest.NewSpanRecorder()
	ctx := tracedContext(t, tracing.New(1, recorder, nil))
	if _, _, err := s.AppendResources(ctx, nil, store.ListQuery{Tenant: tenant, Limit: 10}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendResource(ctx, nil, tenant, ids[0], 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Read(ctx, 0, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "-- name: get_policy\nSELECT 1/0")
		return err
	}); err == nil {
		t.Fatal("a division by zero succeeded")
	}
	want := []struct {
		name string
		rows int64
		code codes.Code
	}{{"list_resources", 3, codes.Unset}, {"get_resource", 1, codes.Unset}, {"get_policy", 0, codes.Error}}
	spans := recorder.Ended()
	if len(spans) != len(want) {
		t.Fatalf("%d spans, want %d", len(spans), len(want))
	}
	for i, w := range want {
		span, about := spans[i], spanAttributes(spans[i])
		if span.Name() != "sql "+w.name || span.SpanKind() != trace.SpanKindClient || span.Status().Code != w.code ||
			span.Parent().SpanID() != trace.SpanContextFromContext(ctx).SpanID() ||
			!span.EndTime().After(span.StartTime()) {
			t.Errorf("span %s of kind %s in %s, %v", span.Name(), span.SpanKind(), span.Parent().SpanID(),
				span.Status())
		}
		if about["db.system.name"] != "postgresql" || about["db.query.summary"] != w.name ||
			about["headroom.db.role"] != "primary" || about["headroom.db.rows"] != w.rows {
			t.Errorf("%s is told by %v", w.name, about)
		}
	}
}

// Gets that wait while others are at the database are done by one query, which has one span: in that of one of them,
// and linked to those of the others.
func TestSpansOfGroups(t *testing.T) {
	s, tenant := openStore(t), newID()
	ids := fillResources(t, s, tenant, 50)
	recorder := tracetest.NewSpanRecorder()
	tracer := tracing.New(1, recorder, nil)
	const calls = 64
	var wg sync.WaitGroup
	callers := map[trace.SpanID]bool{}
	for i := range calls {
		ctx := tracedContext(t, tracer)
		callers[trace.SpanContextFromContext(ctx).SpanID()] = false
		wg.Go(func() {
			if _, err := s.AppendResource(ctx, nil, tenant, ids[i%len(ids)], 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	spans, groups := recorder.Ended(), 0
	for _, span := range spans {
		told := []trace.SpanID{span.Parent().SpanID()}
		for _, link := range span.Links() {
			told = append(told, link.SpanContext.SpanID())
		}
		if gets, grouped := spanAttributes(span)["headroom.db.gets"]; grouped {
			groups++
			if gets != int64(len(told)) {
				t.Errorf("a group of %v gets is in one trace and linked to %d", gets, len(span.Links()))
			}
		}
		for _, id := range told {
			if seen, known := callers[id]; seen || !known {
				t.Errorf("a query is in the span %s, known: %t, seen: %t", id, known, seen)
			}
			callers[id] = true
		}
	}
	for id, seen := range callers {
		if !seen {
			t.Errorf("the get of span %s has no query", id)
		}
	}
	if groups == 0 || len(spans) >= calls {
		t.Errorf("%d queries, %d of them for groups, for %d gets", len(spans), groups, calls)
	}
}

// A get that is not recorded allocates what it did before there were spans: that is what the driver does.
func TestGetsThatAreNotRecordedAllocateNothingForIt(t *testing.T) {
	s, tenant := openStore(t), newID()
	id, buffer := fillResources(t, s, tenant, 1)[0], make([]byte, 0, 4096)
	ctx := context.Background()
	allocations := testing.AllocsPerRun(1000, func() {
		if _, err := s.AppendResource(ctx, buffer, tenant, id, 0); err != nil {
			t.Error(err)
		}
	})
	if allocations > allocationsOfGet {
		t.Errorf("%v allocations, %d before", allocations, allocationsOfGet)
	}
}

// allocationsOfGet was measured by this test before there were spans.
const allocationsOfGet = 2
