package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// counts are numbers of resources.
type counts struct {
	Total        int64 `json:"total_resources"`
	Evaluated    int64 `json:"evaluated_resources"`
	Compliant    int64 `json:"compliant_resources"`
	NonCompliant int64 `json:"non_compliant_resources"`
	Exempt       int64 `json:"exempt_resources"`
}

func (c *counts) add(other *counts) {
	c.Total += other.Total
	c.Evaluated += other.Evaluated
	c.Compliant += other.Compliant
	c.NonCompliant += other.NonCompliant
	c.Exempt += other.Exempt
}

// Percent is the percentage of the evaluated resources that are compliant or exempt, as the API defines it, with two
// digits after the point; empty when none was evaluated.
func (c counts) Percent() string {
	if c.Evaluated == 0 {
		return ""
	}
	hundredths := (20_000*(c.Compliant+c.Exempt) + c.Evaluated) / (2 * c.Evaluated) // rounded half up
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}

// Percentage is Percent with its sign.
func (c counts) Percentage() string {
	percent := c.Percent()
	if percent != "" {
		percent += " %"
	}
	return percent
}

// complianceSummary is that of the API.
type complianceSummary struct {
	Data []struct {
		SubscriptionID string `json:"subscription_id"`
		Type           string `json:"resource_type"`
		counts
	}
	Total       counts
	RefreshedAt *time.Time `json:"refreshed_at"`
}

type compliancePage struct {
	frame
	Total       counts
	RefreshedAt *time.Time
	Chosen      string // subscription
	All         string // the URL for all subscriptions, when one is chosen
	Tables      []complianceTable
}

type complianceTable struct {
	ID, Title, Column string
	Rows              []complianceRow
}

type complianceRow struct {
	Name, URL, NonCompliantURL string
	counts
}

// compliance shows the summary by type and by subscription.
func (v *visit) compliance() error {
	chosen := v.r.URL.Query().Get("subscription_id")
	query := url.Values{}
	if chosen != "" {
		query.Set("subscription_id", chosen)
	}
	var summary complianceSummary
	if err := v.get("/api/v1/compliance/summary", query, &summary); err != nil {
		return err
	}
	p := compliancePage{
		frame: v.frame("Compliance", compliancePath), Total: summary.Total, RefreshedAt: summary.RefreshedAt,
		Chosen: chosen,
	}
	types, subscriptions := map[string]*counts{}, map[string]*counts{}
	for i := range summary.Data {
		row := &summary.Data[i]
		addTo(types, row.Type, &row.counts)
		addTo(subscriptions, row.SubscriptionID, &row.counts)
	}
	p.Tables = []complianceTable{{
		ID: "types", Title: "By type", Column: "Type",
		Rows: v.rows(types, resourcesPath, "type", url.Values{"subscription_id": {chosen}}),
	}}
	if chosen != "" {
		p.All = v.link(compliancePath, nil)
	} else {
		p.Tables = append(p.Tables, complianceTable{
			ID: "subscriptions", Title: "By subscription", Column: "Subscription",
			Rows: v.rows(subscriptions, compliancePath, "subscription_id", nil),
		})
	}
	return v.show(http.StatusOK, "compliance", &p)
}

func addTo(sums map[string]*counts, name string, more *counts) {
	if sums[name] == nil {
		sums[name] = &counts{}
	}
	sums[name].add(more)
}

// rows returns the sums with the most non-compliant resources first. A row leads to a page by the value of a parameter,
// and its non-compliant resources to their list.
func (v *visit) rows(sums map[string]*counts, page, parameter string, others url.Values) []complianceRow {
	var rows []complianceRow
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		query := url.Values{parameter: {name}}
		maps.Copy(query, others)
		row := complianceRow{Name: name, URL: v.link(page, query), counts: *sums[name]}
		query.Set("compliance_status", "non_compliant")
		row.NonCompliantURL = v.link(resourcesPath, query)
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b complianceRow) int { return cmp.Compare(b.NonCompliant, a.NonCompliant) })
	return rows
}

type activityPage struct {
	frame
	Stream      string // the URL of the live changes
	ResourceURL string // of a resource's page, with {id} in the place of the id
	Resources   []resource
}

const shownUpdates = 15

// activity shows the resources that were updated last. A script adds what happens from then on.
func (v *visit) activity() error {
	var list resourceList
	query := url.Values{"limit": {strconv.Itoa(shownUpdates)}, "order_by": {"-updated_at"}}
	if err := v.get("/api/v1/resources", query, &list); err != nil {
		return err
	}
	return v.show(http.StatusOK, "activity", &activityPage{
		frame: v.frame("Activity", activityPath), Stream: v.link(streamPath, nil),
		ResourceURL: v.link(resourcesPath+"/{id}", nil), Resources: v.linked(list.Data),
	})
}
