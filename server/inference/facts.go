package inference

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/policycortex/headroom/server/forecast"
	"github.com/policycortex/headroom/server/store"
)

// Bounds of what an explanation tells, so that a prompt has a size that is known.
const (
	maxServices  = 5
	maxAnomalies = 5
	maxCurrency  = 4
	maxName      = 80 // characters of a service
	recentDays   = 4 * forecast.Week
)

// Facts are what an explanation may say, all of it computed from the tenant's costs. Amounts are in the currency.
type Facts struct {
	Service    string          `json:"service,omitempty"` // the only one that was asked for
	From       string          `json:"from"`
	To         string          `json:"to"`
	Currencies []CurrencyFacts `json:"currencies"`
}

// CurrencyFacts are the facts of one currency.
type CurrencyFacts struct {
	Currency string  `json:"currency"`
	First    string  `json:"first_day"`
	Last     string  `json:"last_day"`
	Days     int     `json:"days"`
	Total    float64 `json:"total"`
	// Recent is the total of the last 28 days, Before that of the 28 days before; 0 where there are too few days.
	Recent   float64        `json:"last_28_days"`
	Before   float64        `json:"the_28_days_before"`
	Services []ServiceFacts `json:"services"` // those that cost most in the last 28 days
	// Analysed reports whether there were enough days for what follows.
	Analysed         bool           `json:"analysed"`
	SeasonalStrength float64        `json:"seasonal_strength"`
	Dearest          string         `json:"dearest_weekday,omitempty"`
	Cheapest         string         `json:"cheapest_weekday,omitempty"`
	Horizon          int            `json:"forecast_days"`
	Forecast         float64        `json:"forecast_total"`
	Level            float64        `json:"interval_level"`
	Next             forecast.Point `json:"next_day"`
	Anomalies        int            `json:"anomalies"` // in all
	Latest           []AnomalyFacts `json:"latest_anomalies"`
}

// ServiceFacts are the share of a service in the last 28 days.
type ServiceFacts struct {
	Name   string  `json:"name"`
	Recent float64 `json:"last_28_days"`
	Before float64 `json:"the_28_days_before"`
}

// AnomalyFacts are an anomaly and the service that deviates most on its day.
type AnomalyFacts struct {
	Date     string  `json:"date"`
	Cost     float64 `json:"cost"`
	Expected float64 `json:"expected"`
	Score    float64 `json:"score"`
	Service  string  `json:"service,omitempty"`
}

// AppendFacts appends the facts as JSON to dst. Errors and after are as for [Engine.AppendForecast].
func (e *Engine) AppendFacts(ctx context.Context, dst []byte, q Question, after store.LSN) ([]byte, error) {
	all, err := e.read(ctx, &q, after)
	if err != nil {
		return dst, err
	}
	f := Facts{
		Service: shortName(q.Service), From: q.From.Format(time.DateOnly), To: q.To.Format(time.DateOnly),
		Currencies: []CurrencyFacts{},
	}
	for _, s := range all[:min(len(all), maxCurrency)] {
		f.Currencies = append(f.Currencies, s.facts(&q))
	}
	body, err := json.Marshal(f)
	return append(dst, body...), err
}

func (s *series) facts(q *Question) CurrencyFacts {
	f := CurrencyFacts{
		Currency: s.currency, First: s.day(q, 0).Format(time.DateOnly), Last: s.last(q).Format(time.DateOnly),
		Days: len(s.daily), Total: cents(sum(s.daily)), Horizon: q.Horizon, Level: q.Level,
		Services: []ServiceFacts{}, Latest: []AnomalyFacts{},
	}
	f.Recent, f.Before = lastMonths(s.daily)
	for _, h := range s.services {
		recent, before := lastMonths(h.Daily[s.begin : s.begin+len(s.daily)])
		f.Services = append(f.Services, ServiceFacts{shortName(h.Service), recent, before})
	}
	slices.SortStableFunc(f.Services, func(a, b ServiceFacts) int { return cmp.Compare(b.Recent, a.Recent) })
	f.Services = f.Services[:min(len(f.Services), maxServices)]
	if s.outlook == nil {
		return f
	}
	f.Analysed, f.SeasonalStrength = true, math.Round(100*s.outlook.SeasonalStrength)/100
	f.Dearest, f.Cheapest = s.weekdays(q)
	points := s.outlook.Forecast(q.Horizon, q.Level)
	for _, p := range points {
		f.Forecast += p.Mean
	}
	f.Forecast = cents(f.Forecast)
	f.Next = forecast.Point{Mean: cents(points[0].Mean), Low: cents(points[0].Low), High: cents(points[0].High)}
	f.Anomalies = len(s.outlook.Anomalies)
	for _, a := range slices.Backward(s.outlook.Anomalies) {
		if len(f.Latest) == maxAnomalies {
			break
		}
		f.Latest = append(f.Latest, AnomalyFacts{
			Date: s.day(q, a.Day).Format(time.DateOnly), Cost: cents(s.daily[a.Day]), Expected: cents(a.Expected),
			Score: math.Round(10*a.Score) / 10, Service: s.blame(a),
		})
	}
	return f
}

// blame returns the service that deviates most on an anomaly's day, in its direction, from the median of the same
// weekday in the four weeks before and after. A series of one service has nothing to tell.
func (s *series) blame(a forecast.Anomaly) (service string) {
	if len(s.services) == 1 {
		return ""
	}
	most := 0.0
	for _, h := range s.services {
		daily := h.Daily[s.begin : s.begin+len(s.daily)]
		var same []float64
		for weeks := -4; weeks <= 4; weeks++ {
			at := a.Day + weeks*forecast.Week
			if weeks != 0 && at >= 0 && at < len(daily) {
				same = append(same, daily[at])
			}
		}
		slices.Sort(same)
		by := math.Copysign(1, a.Score) * (daily[a.Day] - same[len(same)/2])
		if by > most {
			most, service = by, shortName(h.Service)
		}
	}
	return service
}

// weekdays returns the dearest and the cheapest day of the last week's season.
func (s *series) weekdays(q *Question) (dearest, cheapest string) {
	n := len(s.daily)
	high, low := n-1, n-1
	for i := n - forecast.Week; i < n; i++ {
		if s.outlook.Seasonal[i] > s.outlook.Seasonal[high] {
			high = i
		}
		if s.outlook.Seasonal[i] < s.outlook.Seasonal[low] {
			low = i
		}
	}
	return s.day(q, high).Weekday().String(), s.day(q, low).Weekday().String()
}

// lastMonths are the sums of the last 28 days and of those before them, as far as there are so many.
func lastMonths(daily []float64) (recent, before float64) {
	n := len(daily)
	recent = cents(sum(daily[max(0, n-recentDays):]))
	if n >= 2*recentDays {
		before = cents(sum(daily[n-2*recentDays : n-recentDays]))
	}
	return recent, before
}

func sum(values []float64) (all float64) {
	for _, v := range values {
		all += v
	}
	return all
}

// cents rounds an amount for readers.
func cents(v float64) float64 { return math.Round(100*v) / 100 }

// shortName bounds a name that a tenant has chosen.
func shortName(name string) string {
	runes := []rune(name)
	if len(runes) > maxName {
		return string(runes[:maxName-1]) + "…"
	}
	return name
}
