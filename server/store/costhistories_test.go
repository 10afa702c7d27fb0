package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// TestCostHistories: many questions are answered by one statement, each as if it were alone.
func TestCostHistories(t *testing.T) {
	s := maintained(t)
	e, other := newEstate(t, s, 2, 0), newEstate(t, s, 1, 0)
	euro := e.cost(0, "storage", 2, "7")
	euro.Currency = "EUR"
	e.spend(t, s, e.cost(0, "compute", 1, "1.5"), e.cost(1, "compute", 1, "2"), e.cost(0, "compute", 9, "3"), euro,
		e.cost(1, "storage", 3, "-4.25"))
	other.spend(t, s, other.cost(0, "compute", 0, "100"))

	ask := func(of *estate, service string, from, to int) store.CostHistoryQuery {
		return store.CostHistoryQuery{Tenant: of.tenant, Service: service, From: day(from), To: day(to)}
	}
	before := s.QueryStats()["cost_histories"].Durations
	had := int64(0)
	if before != nil {
		had = before.TotalCount()
	}
	found, err := s.CostHistories(t.Context(), []store.CostHistoryQuery{
		ask(e, "", 9, 0), ask(e, "storage", 4, 1), ask(other, "", 2, 0), ask(other, "none", 2, 0),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.QueryStats()["cost_histories"].Durations.TotalCount() - had; n != 1 {
		t.Errorf("%d statements", n)
	}
	type want struct {
		service, currency string
		daily             []float64
		first, last       int
	}
	for i, want := range [][]want{
		{
			{"compute", "USD", []float64{3, 0, 0, 0, 0, 0, 0, 0, 3.5, 0}, 0, 8},
			{"storage", "EUR", []float64{0, 0, 0, 0, 0, 0, 0, 7, 0, 0}, 7, 7},
			{"storage", "USD", []float64{0, 0, 0, 0, 0, 0, -4.25, 0, 0, 0}, 6, 6},
		},
		{{"storage", "EUR", []float64{0, 0, 7, 0}, 2, 2}, {"storage", "USD", []float64{0, -4.25, 0, 0}, 1, 1}},
		{{"compute", "USD", []float64{0, 0, 100}, 2, 2}},
		{},
	} {
		got := found[i].All
		if len(got) != len(want) || found[i].Err() != nil {
			t.Fatalf("question %d: %d series, %v", i, len(got), found[i].Err())
		}
		for j, w := range want {
			g := got[j]
			if g.Service != w.service || g.Currency != w.currency || !slices.Equal(g.Daily, w.daily) ||
				g.First != w.first || g.Last != w.last {
				t.Errorf("question %d: %+v, want %+v", i, g, w)
			}
		}
	}
	_, err = s.CostHistories(t.Context(), []store.CostHistoryQuery{ask(e, "", 0, 1)}, 0)
	if err == nil {
		t.Error("a period that ends before it begins is accepted")
	}
}

// TestTooManyHistories: the services of a tenant are bounded, as each takes memory for each day of the period, and so
// is all that one statement answers. What is too much for one question leaves the others alone.
func TestTooManyHistories(t *testing.T) {
	s := maintained(t)
	e, other := newEstate(t, s, 1, 0), newEstate(t, s, 1, 0)
	other.spend(t, s, other.cost(0, "compute", 1, "100"))
	mustExec(t, connect(t, postgresURL(t)), `INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
		SELECT $1, $2, 's' || n, $3::date, 1 FROM generate_series(1, $4::int) n`,
		e.tenant, e.resources[0], day(1), store.MaxHistorySeries)
	e.spend(t, s, e.cost(0, "more", 0, "1"))
	ask := func(of *estate, service string, to int) store.CostHistoryQuery {
		return store.CostHistoryQuery{
			Tenant: of.tenant, Service: service, From: day(to + store.MaxCostDays - 1), To: day(to),
		}
	}
	found, err := s.CostHistories(t.Context(), []store.CostHistoryQuery{
		ask(e, "", 0), ask(e, "", 1), ask(e, "s1", 0), ask(other, "", 0),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, store.MaxHistorySeries, 1, 1} {
		if got := len(found[i].All); got != want || errors.Is(found[i].Err(), store.ErrTooMany) != (want == 0) {
			t.Errorf("question %d: %d series and %v, want %d", i, got, found[i].Err(), want)
		}
	}
	_, err = s.CostHistories(t.Context(), slices.Repeat([]store.CostHistoryQuery{ask(e, "", 1)}, 12), 0)
	if err != nil {
		t.Errorf("12 large answers together: %v", err)
	}
	_, err = s.CostHistories(t.Context(), slices.Repeat([]store.CostHistoryQuery{ask(e, "", 1)}, 13), 0)
	if !errors.Is(err, store.ErrTooManyTogether) {
		t.Errorf("13 large answers together: %v", err)
	}
}

func TestTenantsWithNewCosts(t *testing.T) {
	s := maintained(t)
	e := newEstate(t, s, 1, 0)
	_, before, err := s.TenantsWithNewCosts(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	e.spend(t, s, e.cost(0, "compute", 1, "1.5"))
	tenants, latest, err := s.TenantsWithNewCosts(t.Context(), before, 10_000)
	if err != nil || latest <= before || !slices.Contains(tenants, e.tenant) {
		t.Errorf("after %d: %v at %d, %v; want %v", before, tenants, latest, err, e.tenant)
	}
	tenants, again, err := s.TenantsWithNewCosts(t.Context(), latest, 10_000)
	if err != nil || again < latest || slices.Contains(tenants, e.tenant) {
		t.Errorf("after %d: %v at %d, %v", latest, tenants, again, err)
	}
}

// TestExclusively: of two that are at the same work, one does nothing, also after a failure and a cancellation. Work
// has the pool to itself, even if that is of one connection.
func TestExclusively(t *testing.T) {
	s, other := openStoreWith(t, store.Options{MaxConns: 1}), openStore(t)
	fault := errors.New("a fault")
	nested := func(ctx context.Context) error {
		_, _, err := s.TenantsWithNewCosts(ctx, 0, 1)
		if err != nil {
			t.Errorf("work finds no connection: %v", err)
		}
		ran, err := other.Exclusively(ctx, "a test", func(context.Context) error { return nil })
		if ran || err != nil {
			t.Errorf("the same work at once: ran %v, %v", ran, err)
		}
		ran, err = other.Exclusively(ctx, "another test", func(context.Context) error { return nil })
		if !ran || err != nil {
			t.Errorf("other work: ran %v, %v", ran, err)
		}
		return fault
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ran, err := s.Exclusively(ctx, "a test", nested)
	if !ran || !errors.Is(err, fault) {
		t.Errorf("ran %v, %v", ran, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	ran, err = s.Exclusively(ctx, "a test", func(context.Context) error { cancel(); return nil })
	if !ran || err != nil {
		t.Errorf("cancelled: ran %v, %v", ran, err)
	}
	ran, err = other.Exclusively(t.Context(), "a test", func(context.Context) error { return nil })
	if !ran || err != nil {
		t.Errorf("afterwards: ran %v, %v", ran, err)
	}
}
