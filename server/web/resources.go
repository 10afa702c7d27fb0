package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// resource is one of the API.
type resource struct {
	ID                string
	Version           int
	Name, Type        string
	Location          string
	AzureResourceID   string            `json:"azure_resource_id"`
	SubscriptionID    string            `json:"subscription_id"`
	ResourceGroupName string            `json:"resource_group_name"`
	ComplianceStatus  string            `json:"compliance_status"`
	Tags              map[string]string `json:"tags"`
	Properties        json.RawMessage
	CreatedAt         time.Time `json:"created_at"`
	UpdatedAt         time.Time `json:"updated_at"`

	URL string `json:"-"` // of its page
}

// resourceList is a page of resources.
type resourceList struct {
	Data       []resource
	Pagination struct {
		TotalItems int64 `json:"total_items"`
		Total      string
		NextCursor string `json:"next_cursor"`
	}
}

// resourceFilters are the parameters of the list that the page has too.
var resourceFilters = []string{
	"q", "type", "subscription_id", "compliance_status", "location", "resource_group", "tag", "order_by",
}

// choice is an option of a select element.
type choice struct {
	Name, Value string
	Chosen      bool
}

type resourcesPage struct {
	frame
	Filter struct{ Q, Location, ResourceGroup, Tag string }

	MoreFilters bool // one of those that are folded away is in use

	Types, Subscriptions, Statuses, Orders []choice

	Clear     string // the URL without filters
	Found     string
	Resources []resource

	First, Next string // URLs; empty where there is none
}

const resourcesPerPage = "25"

// resources shows a page of the list.
func (v *visit) resources() error {
	asked, filter := v.r.URL.Query(), url.Values{}
	for _, name := range resourceFilters {
		if value := asked.Get(name); value != "" {
			filter.Set(name, value)
		}
	}
	query := maps.Clone(filter)
	query.Set("limit", resourcesPerPage)
	query.Set("total", "exact")
	cursor := asked.Get("cursor")
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var list resourceList
	if err := v.get("/api/v1/resources", query, &list); err != nil {
		return err
	}
	p := resourcesPage{frame: v.frame("Resources", resourcesPath), Clear: v.link(resourcesPath, nil)}
	p.Filter.Q, p.Filter.Location = filter.Get("q"), filter.Get("location")
	p.Filter.ResourceGroup, p.Filter.Tag = filter.Get("resource_group"), filter.Get("tag")
	p.MoreFilters = filter.Has("subscription_id") || filter.Has("location") || filter.Has("resource_group") ||
		filter.Has("tag")
	p.Resources = v.linked(list.Data)
	p.Found = count(list.Pagination.TotalItems, "resource")
	if list.Pagination.Total == "estimate" {
		p.Found = "About " + p.Found
	}
	if cursor != "" {
		p.First = v.link(resourcesPath, filter)
	}
	if next := list.Pagination.NextCursor; next != "" {
		further := maps.Clone(filter)
		further.Set("cursor", next)
		p.Next = v.link(resourcesPath, further)
	}
	v.offer(&p, filter)
	return v.show(http.StatusOK, "resources", &p)
}

// linked sets the URLs of the resources' pages.
func (v *visit) linked(resources []resource) []resource {
	for i := range resources {
		resources[i].URL = v.link(resourcesPath+"/"+url.PathEscape(resources[i].ID), nil)
	}
	return resources
}

// offer fills in the choices of the filters. Types and subscriptions are those of the compliance summary. Without the
// summary the list can be read all the same.
func (v *visit) offer(p *resourcesPage, filter url.Values) {
	var summary complianceSummary
	if err := v.get("/api/v1/compliance/summary", nil, &summary); err != nil {
		v.site.logger.Warn("the filters of a page have no choices", "error", err)
	}
	var types, subscriptions []string
	for i := range summary.Data {
		types = append(types, summary.Data[i].Type)
		subscriptions = append(subscriptions, summary.Data[i].SubscriptionID)
	}
	p.Types = choices(types, filter.Get("type"))
	p.Subscriptions = choices(subscriptions, filter.Get("subscription_id"))
	status := filter.Get("compliance_status")
	for _, name := range []string{"compliant", "non_compliant", "exempt", "unknown"} {
		p.Statuses = append(p.Statuses, choice{Name: name, Chosen: name == status})
	}
	for _, order := range []choice{
		{Name: "updated last", Value: "-updated_at"},
		{Name: "updated first", Value: "updated_at"},
		{Name: "name, A to Z", Value: "name"},
		{Name: "name, Z to A", Value: "-name"},
	} {
		order.Chosen = order.Value == cmp.Or(filter.Get("order_by"), "-updated_at")
		p.Orders = append(p.Orders, order)
	}
}

// choices returns the names once each, in order, with the chosen one even if it is not among them.
func choices(all []string, chosen string) []choice {
	if chosen != "" {
		all = append(all, chosen)
	}
	slices.Sort(all)
	var offered []choice
	for _, name := range slices.Compact(all) {
		offered = append(offered, choice{Name: name, Chosen: name == chosen})
	}
	return offered
}

type tag struct{ Key, Value, URL string }

type evaluation struct {
	PolicyID    string `json:"policy_id"`
	Result      string
	EvaluatedAt time.Time `json:"evaluated_at"`

	Policy string `json:"-"` // its name, or its id
}

type event struct {
	Version    int
	Type       string
	OccurredAt time.Time `json:"occurred_at"`
}

type resourcePage struct {
	frame
	List            string // the URL of all resources
	Resource        resource
	Tags            []tag
	Evaluations     []evaluation
	MoreEvaluations bool
	From, To        string
	Charts          []*chart
	Events          []event // latest first
	Properties      string
}

const (
	shownEvents      = 20
	resourceCostDays = 90
)

// resource shows one resource with what is known of it.
func (v *visit) resource() error {
	id := v.r.PathValue("id")
	p := resourcePage{frame: v.frame("Resource", ""), List: v.link(resourcesPath, nil)}
	if err := v.get("/api/v1/resources/"+url.PathEscape(id), nil, &p.Resource); err != nil {
		return err
	}
	p.Title = p.Resource.Name
	for _, key := range slices.Sorted(maps.Keys(p.Resource.Tags)) {
		value := p.Resource.Tags[key]
		p.Tags = append(p.Tags, tag{key, value, v.link(resourcesPath, url.Values{"tag": {key + ":" + value}})})
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, p.Resource.Properties, "", "  "); err != nil {
		return err
	}
	p.Properties = indented.String()
	for _, part := range []func(*resourcePage) error{v.addEvaluations, v.addCosts, v.addEvents} {
		if err := part(&p); err != nil {
			return err
		}
	}
	return v.show(http.StatusOK, "resource", &p)
}

func (v *visit) addEvaluations(p *resourcePage) error {
	var latest struct {
		Data       []evaluation
		Pagination struct {
			More bool `json:"has_next_page"`
		}
	}
	query := url.Values{"resource_id": {p.Resource.ID}, "latest": {"true"}, "limit": {"50"}}
	if err := v.get("/api/v1/evaluations", query, &latest); err != nil || len(latest.Data) == 0 {
		return err
	}
	var policies struct {
		Data []struct{ ID, Name string }
	}
	if err := v.get("/api/v1/policies", url.Values{"limit": {"100"}}, &policies); err != nil {
		return err
	}
	names := map[string]string{}
	for _, policy := range policies.Data {
		names[policy.ID] = policy.Name
	}
	p.Evaluations, p.MoreEvaluations = latest.Data, latest.Pagination.More
	for i := range p.Evaluations {
		e := &p.Evaluations[i]
		e.Policy = cmp.Or(names[e.PolicyID], e.PolicyID)
	}
	return nil
}

func (v *visit) addCosts(p *resourcePage) error {
	to := time.Now().UTC()
	p.From, p.To = to.AddDate(0, 0, 1-resourceCostDays).Format(time.DateOnly), to.Format(time.DateOnly)
	var series costList
	query := url.Values{"resource_id": {p.Resource.ID}, "from": {p.From}, "to": {p.To}}
	err := v.get("/api/v1/costs", query, &series)
	if err != nil {
		return err
	}
	p.Charts, err = charts(series.Data, period{p.From, p.To, false})
	return err
}

// addEvents shows the last changes: the stream of a resource has an event for each of its versions.
func (v *visit) addEvents(p *resourcePage) error {
	var stream struct{ Data []event }
	query := url.Values{
		"stream": {p.Resource.ID}, "limit": {strconv.Itoa(shownEvents)},
		"after": {strconv.Itoa(max(p.Resource.Version-shownEvents, 0))},
	}
	err := v.get("/api/v1/events", query, &stream)
	slices.Reverse(stream.Data)
	p.Events = stream.Data
	return err
}
