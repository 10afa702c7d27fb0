package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// cost is what a service cost on a day or in a month.
type cost struct {
	Period   string // of totals: 2026-01-31, or 2026-01
	Date     string // of the series of a resource: 2026-01-31
	Service  string `json:"service_name"`
	Cost     json.Number
	Currency string
}

type costList struct{ Data []cost }

type costsPage struct {
	frame
	Periods  []choice
	From, To string
	Service  string
	Clear    string
	Charts   []*chart
}

const (
	costMonths = 12 // shown without other dates, this month included
	costDays   = 30 // the same by day
)

// costs shows the costs of all resources, by month or by day.
func (v *visit) costs() error {
	asked := v.r.URL.Query()
	shown, query := costPeriod(asked, time.Now().UTC())
	service := asked.Get("service_name")
	if service != "" {
		query.Set("service_name", service)
	}
	var totals costList
	if err := v.get("/api/v1/costs/totals", query, &totals); err != nil {
		return err
	}
	made, err := charts(totals.Data, shown)
	if err != nil {
		return err
	}
	if shown.monthly { // each month leads to its days
		for _, c := range made {
			for i := range c.Rows {
				c.Rows[i].URL = v.link(costsPath, daysOf(c.Rows[i].Period, shown, service))
			}
		}
	}
	return v.show(http.StatusOK, "costs", &costsPage{
		frame: v.frame("Costs", costsPath), From: shown.from, To: shown.to, Service: service, Charts: made,
		Periods: []choice{{Name: "month", Chosen: shown.monthly}, {Name: "day", Chosen: !shown.monthly}},
		Clear:   v.link(costsPath, nil),
	})
}

// costPeriod returns the period that a page shows, and the query that asks the API for it. The API checks the dates.
func costPeriod(asked url.Values, now time.Time) (period, url.Values) {
	monthly := cmp.Or(asked.Get("period"), "month") == "month"
	from := now.AddDate(0, 0, 1-costDays)
	if monthly {
		from = time.Date(now.Year(), now.Month()-costMonths+1, 1, 0, 0, 0, 0, time.UTC)
	}
	p := period{
		from: cmp.Or(asked.Get("from"), from.Format(time.DateOnly)), to: cmp.Or(asked.Get("to"),
			now.Format(time.DateOnly)), monthly: monthly,
	}
	query := url.Values{"from": {p.from}, "to": {p.to}, "period": {cmp.Or(asked.Get("period"), "month")}}
	return p, query
}

// daysOf returns the query of the page with the days of a month, such as 2026-01, within a period.
func daysOf(month string, within period, service string) url.Values {
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return nil
	}
	from, to := first.Format(time.DateOnly), first.AddDate(0, 1, -1).Format(time.DateOnly)
	return url.Values{
		"period": {"day"}, "from": {max(from, within.from)}, "to": {min(to, within.to)}, "service_name": {service},
	}
}
