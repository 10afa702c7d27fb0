package inference

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/forecast"
	"github.com/policycortex/headroom/server/store"
)

func sample() *Facts {
	return &Facts{
		From: "2025-10-01", To: "2026-10-31",
		Currencies: []CurrencyFacts{{
			Currency: "EUR", First: "2025-10-01", Last: "2026-10-31", Days: 396, Total: 1234567.891,
			Recent: 4200, Before: 4000, Analysed: true, SeasonalStrength: .8, Dearest: "Monday", Cheapest: "Sunday",
			Services: []ServiceFacts{{"compute", 3150, 3000}, {"storage", 1050, 1000}},
			Horizon:  30, Forecast: 4567.8, Level: .95, Next: forecast.Point{Mean: 150, Low: 140.5, High: 159.5},
			Anomalies: 7, Latest: []AnomalyFacts{
				{"2026-10-14", 500, 150, 35.123, "compute"}, {"2026-09-01", 0, 149, -14, ""},
			},
		}, {
			Currency: "USD", First: "2026-10-30", Last: "2026-10-30", Days: 1, Total: -3, Recent: -3,
		}},
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	want := "All services cost 1,234,567.89 EUR from 2025-10-01 to 2026-10-31 (396 days). The last 28 days cost " +
		"4,200.00 EUR, 5.0 % more than the 28 days before. Most of it was for compute (75 %, 5.0 % more " +
		"than before), storage (25 %, 5.0 % more than before). Costs follow the week: Mondays are the " +
		"dearest, Sundays the cheapest. The next 30 days are expected to cost 4,567.80 EUR. The first of " +
		"them should cost between 140.50 and 159.50 EUR (95 % interval). 7 days were out of the ordinary; " +
		"the latest 2 are told here. 2026-10-14 cost 500.00 EUR instead of about 150.00, 35.1 usual " +
		"deviations above; compute deviated most. 2026-09-01 cost 0.00 EUR instead of about 149.00, 14.0 " +
		"usual deviations below.\n\nAll services cost -3.00 USD from 2026-10-30 to 2026-10-30 (1 day). The " +
		"last 1 day cost -3.00 USD. That is too little for a forecast, which needs four weeks."
	if got := Summary(sample()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	none := Summary(&Facts{Service: "compute", From: "2025-10-01", To: "2026-10-31"})
	if none != "The service compute had no costs from 2025-10-01 to 2026-10-31." {
		t.Errorf("got %s", none)
	}
}

// TestFacts: an anomaly names the service that made it, and sums are those of the days.
func TestFacts(t *testing.T) {
	t.Parallel()
	q := Question{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Horizon: 7, Level: .9}
	q.To = q.From.AddDate(0, 0, 89)
	compute, storage := make([]float64, 90), make([]float64, 90)
	for i := 10; i < 80; i++ { // of the days before and after there is nothing
		compute[i], storage[i] = 100+float64(i*7919%13), 50+float64(i*104729%5)
		if i%7 == 2 {
			compute[i] -= 60
		}
	}
	storage[40] += 500
	all, err := together([]*store.CostHistory{
		{Service: "compute", Currency: "EUR", Daily: compute, First: 10, Last: 79},
		{Service: "storage", Currency: "EUR", Daily: storage, First: 10, Last: 79},
		{Service: "storage", Currency: "CHF", Daily: storage, First: 79, Last: 79},
	})
	if err != nil || len(all) != 2 || all[0].currency != "CHF" || len(all[1].daily) != 70 {
		t.Fatalf("series %+v", all)
	}
	s := all[1]
	err = analyseAll(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	f := s.facts(&q)
	if f.First != "2026-01-11" || f.Last != "2026-03-21" || f.Days != 70 ||
		f.Total != cents(sum(compute)+sum(storage)) ||
		f.Recent != cents(sum(compute[52:80])+sum(storage[52:80])) || f.Services[0].Name != "compute" {
		t.Errorf("facts %+v", f)
	}
	if f.Anomalies != 1 || f.Latest[0].Date != "2026-02-10" || f.Latest[0].Service != "storage" {
		t.Errorf("anomalies %+v", f.Latest)
	}
	if f.Cheapest != q.From.AddDate(0, 0, 2).Weekday().String() || f.Forecast < 900 || f.Forecast > 1100 {
		t.Errorf("the cheapest day is %s, the forecast %v", f.Cheapest, f.Forecast)
	}
}

// TestCurrenciesAreBounded: a tenant may name what it likes a currency, and each is analysed; nobody who has left has
// any analysed.
func TestCurrenciesAreBounded(t *testing.T) {
	t.Parallel()
	var histories []*store.CostHistory
	for i := range maxCurrencies + 1 {
		currency := "A" + string(rune('A'+i))
		for _, service := range []string{"compute", "storage"} {
			histories = append(histories, &store.CostHistory{
				Service: service, Currency: currency, Daily: make([]float64, 60), Last: 59,
			})
		}
	}
	_, err := together(histories)
	if !errors.Is(err, store.ErrTooMany) {
		t.Errorf("%d currencies: %v", maxCurrencies+1, err)
	}
	all, err := together(histories[2:])
	if err != nil || len(all) != maxCurrencies {
		t.Fatalf("%d currencies, %v", len(all), err)
	}
	left, cancel := context.WithCancel(t.Context())
	cancel()
	err = analyseAll(left, all)
	if !errors.Is(err, context.Canceled) || all[0].outlook != nil {
		t.Errorf("a caller who left: %v, %v", err, all[0].outlook)
	}
}
