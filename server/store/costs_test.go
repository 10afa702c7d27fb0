package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

// cost is of the estate's resource r on a day, so many days ago.
func (e *estate) cost(r int, service string, daysAgo int, amount string) store.Cost {
	return store.Cost{
		ResourceID: e.resources[r], ServiceName: service, Date: day(daysAgo).Format(time.DateOnly),
		Cost: json.Number(amount),
	}
}

func day(ago int) time.Time { return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -ago) }

func (e *estate) spend(t testing.TB, s *store.Store, costs ...store.Cost) {
	t.Helper()
	if _, err := s.UpsertCosts(t.Context(), e.tenant, costs); err != nil {
		t.Fatal(err)
	}
}

// maintained is a store whose database has its partitions.
func maintained(t testing.TB) *store.Store {
	t.Helper()
	s := openStore(t)
	if _, err := s.MaintainCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// point is a row of a series or of totals.
type point struct {
	Date, Period string
	Service      string `json:"service_name"`
	Cost         json.Number
	Currency     string
	Resources    int
}

func decodePoints(t testing.TB, body []byte, err error) (all []point) {
	t.Helper()
	if err == nil {
		err = json.Unmarshal(body, &all)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return all
}

func TestCostSeries(t *testing.T) {
	s := maintained(t)
	e, other := newEstate(t, s, 2, 0), newEstate(t, s, 1, 0)
	other.spend(t, s, other.cost(0, "compute", 1, "5"))
	euro := e.cost(0, "storage", 40, "-0.0001")
	euro.Currency = "EUR"
	e.spend(t, s, e.cost(0, "compute", 1, "12.5"), e.cost(0, "storage", 1, "9999999999.9999"),
		e.cost(0, "compute", 400, "1"),
		euro, e.cost(1, "compute", 1, "3"))
	e.spend(t, s, e.cost(0, "compute", 1, "13.25")) // replaces
	e.spend(t, s, e.cost(0, "compute", 1, "13.25")) // changes nothing

	date := func(ago int) string { return day(ago).Format(time.DateOnly) }
	q := store.CostQuery{Tenant: e.tenant, Resource: e.resources[0], From: day(396), To: day(0)}
	body, err := s.AppendCostSeries(t.Context(), []byte(nil), q, 0)
	want := []point{
		{Date: date(1), Service: "compute", Cost: "13.2500", Currency: "USD"},
		{Date: date(1), Service: "storage", Cost: "9999999999.9999", Currency: "USD"},
		{Date: date(40), Service: "storage", Cost: "-0.0001", Currency: "EUR"},
	}
	if got := decodePoints(t, body, err); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	q.Service, q.From, q.To = "compute", day(1), day(1)
	body, err = s.AppendCostSeries(t.Context(), nil, q, 0)
	if got := decodePoints(t, body, err); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("one day of one service: %+v, want %+v", got, want[:1])
	}
	q.Tenant = other.tenant
	body, err = s.AppendCostSeries(t.Context(), nil, q, 0)
	if got := decodePoints(t, body, err); len(got) != 0 {
		t.Errorf("another tenant is shown %+v", got)
	}
	for _, period := range [][2]int{{0, 1}, {store.MaxCostDays, 0}} {
		q.From, q.To = day(period[0]), day(period[1])
		if _, err := s.AppendCostSeries(t.Context(), nil, q, 0); err == nil || errors.Is(err, store.ErrTooMany) {
			t.Errorf("a period from %s to %s gave %v", q.From, q.To, err)
		}
	}
}

func TestCostTotals(t *testing.T) {
	s := maintained(t)
	e := newEstate(t, s, 3, 0)
	var all []store.Cost
	sums := map[[2]string]float64{} // by service and day or month
	for ago := range 70 {
		for r := range 3 {
			service := [2]string{"compute", "storage"}[(r+ago)%2]
			all = append(all, e.cost(r, service, ago, fmt.Sprintf("%d.%02d", ago, r)))
			amount := float64(ago) + float64(r)/100
			sums[[2]string{service, day(ago).Format(time.DateOnly)}] += amount
			sums[[2]string{service, day(ago).Format("2006-01")}] += amount
		}
	}
	euro := e.cost(0, "network", 3, "7")
	euro.Currency = "EUR"
	e.spend(t, s, append(all, e.cost(1, "network", 3, "2"), euro)...)

	for _, monthly := range []bool{false, true} {
		q := store.CostQuery{Tenant: e.tenant, From: day(100), To: day(0), Monthly: monthly}
		body, err := s.AppendCostTotals(t.Context(), nil, q, 0)
		currencies, found, last := map[string]string{}, 0, "9999"
		for _, p := range decodePoints(t, body, err) {
			if p.Period > last {
				t.Errorf("%s comes after %s", p.Period, last)
			}
			last = p.Period
			if p.Service == "network" {
				currencies[p.Currency] = p.Cost.String()
				continue
			}
			if got, _ := p.Cost.Float64(); got < sums[[2]string{p.Service, p.Period}]-0.001 ||
				got > sums[[2]string{p.Service, p.Period}]+0.001 {
				t.Errorf("%+v, want %v", p, sums[[2]string{p.Service, p.Period}])
			}
			if p.Resources < 1 || p.Resources > 3 {
				t.Errorf("%d resources", p.Resources)
			}
			found++
		}
		months := 0
		for key := range sums {
			if len(key[1]) == len("2006-01") {
				months++
			}
		}
		want := len(sums) - months
		if monthly {
			want = months
		}
		if found != want || !reflect.DeepEqual(currencies, map[string]string{"USD": "2.0000", "EUR": "7.0000"}) {
			t.Errorf("monthly %t: %d totals, want %d; of the network %v", monthly, found, want, currencies)
		}
	}
	q := store.CostQuery{Tenant: e.tenant, Service: "network", From: day(100), To: day(0)}
	body, err := s.AppendCostTotals(t.Context(), nil, q, 0)
	if got := decodePoints(t, body, err); len(got) != 2 {
		t.Errorf("totals of one service: %+v, want two currencies", got)
	}
}

func TestTooManyCosts(t *testing.T) {
	s := maintained(t)
	e := newEstate(t, s, 1, 0)
	mustExec(t, connect(t, postgresURL(t)), `INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
		SELECT $1, $2, 's' || n, current_date - d, 1 FROM generate_series(1, 101) n, generate_series(1, 100) d`, e.tenant, e.resources[0])
	q := store.CostQuery{Tenant: e.tenant, Resource: e.resources[0], From: day(110), To: day(0)}
	if body, err := s.AppendCostSeries(t.Context(), []byte("before"), q, 0); !errors.Is(err, store.ErrTooMany) ||
		string(body) != "before" {
		t.Errorf("10,100 points gave %d bytes and %v, want ErrTooMany", len(body), err)
	}
	q.From = day(50)
	body, err := s.AppendCostSeries(t.Context(), nil, q, 0)
	if got := len(decodePoints(t, body, err)); got != 5050 {
		t.Errorf("%d points, want 5050", got)
	}
}

func TestCostsAreRefusedAsAWhole(t *testing.T) {
	s := maintained(t)
	e, other := newEstate(t, s, 1, 0), newEstate(t, s, 1, 0)
	good := e.cost(0, "compute", 1, "1")
	with := func(change func(*store.Cost)) store.Cost {
		c := e.cost(0, "other", 2, "1")
		change(&c)
		return c
	}
	for want, batch := range map[string][]store.Cost{
		"0: resource_id is missing":                  {with(func(c *store.Cost) { c.ResourceID = uuid.Nil })},
		"1: service_name is missing":                 {good, with(func(c *store.Cost) { c.ServiceName = "" })},
		"0: service_name contains a NUL":             {with(func(c *store.Cost) { c.ServiceName = "a\x00" })},
		"0: date is \"2026-02-30\"":                  {with(func(c *store.Cost) { c.Date = "2026-02-30" })},
		"0: date is 1999-12-31; costs are kept from": {with(func(c *store.Cost) { c.Date = "1999-12-31" })},
		"0: date is 2999-12-31; costs are kept from": {with(func(c *store.Cost) { c.Date = "2999-12-31" })},
		"0: cost is \"\"":                            {with(func(c *store.Cost) { c.Cost = "" })},
		"0: cost is \"NaN\"":                         {with(func(c *store.Cost) { c.Cost = "NaN" })},
		"0: cost is \"1e3\"":                         {with(func(c *store.Cost) { c.Cost = "1e3" })},
		"0: cost is \"12345678901\"":                 {with(func(c *store.Cost) { c.Cost = "12345678901" })},
		"0: cost is \"0.12345\"":                     {with(func(c *store.Cost) { c.Cost = "0.12345" })},
		"0: currency is \"usd\"":                     {with(func(c *store.Cost) { c.Currency = "usd" })},
		"2: has the resource, service and date of":   {good, with(func(*store.Cost) {}), good},
		"1: resource_id is of no resource of this te": {
			good,
			{ResourceID: other.resources[0], ServiceName: "x", Date: good.Date, Cost: "1"},
		},
	} {
		_, err := s.UpsertCosts(t.Context(), e.tenant, batch)
		var faults *store.ValidationError
		if !errors.As(err, &faults) || len(faults.Faults) != 1 {
			t.Errorf("%s: error %v", want, err)
			continue
		}
		if got := fmt.Sprintf("%d: %s", faults.Faults[0].Index,
			faults.Faults[0].Message); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, n := range []int{0, store.MaxBatch + 1} {
		if _, err := s.UpsertCosts(t.Context(), e.tenant, make([]store.Cost, n)); err == nil {
			t.Errorf("a batch of %d was accepted", n)
		}
	}
	body, err := s.AppendCostTotals(t.Context(), nil, store.CostQuery{Tenant: e.tenant, From: day(10), To: day(0)}, 0)
	if got := decodePoints(t, body, err); len(got) != 0 {
		t.Errorf("stored %+v, want nothing", got)
	}
}

func TestConcurrentUpsertsOfTheSameCosts(t *testing.T) {
	s := maintained(t)
	e := newEstate(t, s, 20, 0)
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for round := range 10 {
				batch := make([]store.Cost, 20)
				for i := range batch {
					// each in another order
					batch[i] = e.cost((i*[4]int{1, 3, 7, 9}[w])%20, "compute", 1, fmt.Sprint(round))
				}
				if _, err := s.UpsertCosts(t.Context(), e.tenant, batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	body, err := s.AppendCostTotals(t.Context(), nil, store.CostQuery{Tenant: e.tenant, From: day(1), To: day(1)}, 0)
	if got := decodePoints(t, body, err); len(got) != 1 || got[0].Resources != 20 {
		t.Errorf("got %+v, want one cost of each of 20 resources", got)
	}
}

func BenchmarkAppendCostSeries(b *testing.B) {
	s := maintained(b)
	e := newEstate(b, s, 1, 0)
	for first := 0; first < 390; first += 130 {
		var batch []store.Cost
		for ago := first; ago < first+130; ago++ {
			batch = append(batch, e.cost(0, "compute", ago, "12.5"))
		}
		e.spend(b, s, batch...)
	}
	q := store.CostQuery{Tenant: e.tenant, Resource: e.resources[0], From: day(90), To: day(0)}
	buffer := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendCostSeries(b.Context(), buffer, q, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// A batch is one event, written with what it changed; one that is refused or changes nothing is none.
func TestOneEventForABatchOfCosts(t *testing.T) {
	s := maintained(t)
	e := newEstate(t, s, 2, 0)
	batch := []store.Cost{e.cost(0, "compute", 3, "1"), e.cost(0, "storage", 2, "2"), e.cost(1, "compute", 1, "3")}
	e.spend(t, s, batch...)
	e.spend(t, s, batch...) // changes nothing
	stranger := e.cost(0, "compute", 1, "5")
	stranger.ResourceID = uuid.New()
	if _, err := s.UpsertCosts(t.Context(), e.tenant,
		[]store.Cost{e.cost(0, "compute", 3, "7"), stranger}); err == nil {
		t.Error("the cost of a resource that is not there was taken")
	}
	e.spend(t, s, e.cost(1, "compute", 1, "4"), e.cost(0, "storage", 2, "2")) // changes one
	f := &follower{s: s, tenant: e.tenant}
	for events := 0; events < 2; { // another test's transaction may hold the last ones back
		f.follow(t, 100)
		events = 0
		for _, kind := range f.got {
			if kind == "costs.recorded" {
				events++
			}
		}
	}
	var payloads string
	err := connect(t, postgresURL(t)).QueryRow(t.Context(),
		"SELECT jsonb_agg(payload ORDER BY position)::text FROM events WHERE tenant_id = $1 AND type = "+
			"'costs.recorded'", e.tenant).Scan(&payloads)
	want := fmt.Sprintf(
		`[{"costs": 3, "resources": 2, "from": %q, "to": %q}, {"costs": 1, "resources": 1, "from": %[2]q, "to": %[2]q}]`,
		day(3).Format(time.DateOnly), day(1).Format(time.DateOnly))
	if err != nil || !sameJSON(t, []byte(payloads), []byte(want)) {
		t.Errorf("events %s (error %v), want %s", payloads, err, want)
	}
}
