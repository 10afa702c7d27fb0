package graphql

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// root is a field of Query: the kind of value that it is, and the query parameters of REST that its arguments are.
type root struct {
	kind       cache.Kind
	id         string // the argument that is the id of a single object
	page       bool
	events     bool // which are not cached
	parameters map[string]string
}

var roots = map[string]root{
	"resource": {kind: cache.Resource, id: "id"},
	"resources": {kind: cache.Resources, page: true, parameters: map[string]string{
		"subscriptionId": "subscription_id", "type": "type", "location": "location", "resourceGroup": "resource_group",
		"complianceStatus": "compliance_status", "tags": "tag", "tagCount": "tag_count", "search": "q",
		"updatedSince": "updated_since", "orderBy": "order_by", "first": "limit", "after": "cursor",
	}},
	"policy": {kind: cache.Policy, id: "id"},
	"policies": {kind: cache.Policies, page: true, parameters: map[string]string{
		"type": "type", "category": "category", "severity": "severity", "enabled": "enabled", "first": "limit",
		"after": "cursor",
	}},
	"evaluations": {kind: cache.Evaluations, page: true, parameters: map[string]string{
		"resourceId": "resource_id", "policyId": "policy_id", "latest": "latest", "first": "limit", "after": "cursor",
	}},
	"costs": {kind: cache.Costs, id: "resourceId", parameters: map[string]string{
		"from": "from", "to": "to", "serviceName": "service_name",
	}},
	"costTotals": {kind: cache.Costs, parameters: map[string]string{
		"from": "from", "to": "to", "serviceName": "service_name", "period": "period",
	}},
	"complianceSummary": {kind: cache.Compliance, parameters: map[string]string{
		"subscriptionId": "subscription_id", "type": "type",
	}},
	"events": {events: true, page: true, parameters: map[string]string{
		"stream": "stream", "first": "limit", "after": "after",
	}},
}

// orders are the values of ResourceOrder.
var orders = map[string]string{
	"UPDATED_AT_DESC": "-updated_at", "UPDATED_AT_ASC": "updated_at", "NAME_ASC": "name", "NAME_DESC": "-name",
}

// wanted is the value that a field of Query asks for.
type wanted struct {
	root   *root
	key    cache.Key // unless it is of events
	query  string
	after  bool // a page that follows a cursor
	stream bool // of events: those of one object
}

// wantedBy returns the value that a field with these arguments asks for. total says that the page has to have the
// number of all elements. An error is for the client.
func (s *Server) wantedBy(tenant store.ID, name string, args map[string]any, total bool) (w wanted, err error) {
	of := roots[name]
	w.root = &of
	var id store.ID
	if of.id != "" {
		text, _ := args[of.id].(string)
		id, err = api.ParseID(text)
		if err != nil {
			return w, &refusal{message: "argument " + of.id + ": " + err.Error(), code: codeBadInput}
		}
		if of.kind == cache.Costs && id == (store.ID{}) { // without an id, a key is of the costs of all resources
			return w, &refusal{
				message: "argument " + of.id + " is the zero UUID, which no resource has", code: codeBadInput,
			}
		}
	}
	w.query = queryOf(args, of.parameters)
	if total {
		w.query += "&total=exact"
	}
	after, _ := args["after"].(string)
	w.after = after != ""
	w.stream = args["stream"] != nil
	if of.events {
		return w, nil
	}
	w.key, err = s.api.KeyOf(of.kind, tenant, id, w.query)
	if err != nil {
		err = badInput(err, of.parameters)
	}
	return w, err
}

// queryOf returns the query string of arguments, which is the same for the same ones. What is null is left out.
func queryOf(args map[string]any, parameters map[string]string) string {
	var room [16]string
	names := room[:0]
	for argument := range args {
		names = append(names, argument)
	}
	slices.Sort(names)
	b := make([]byte, 0, 128)
	for _, argument := range names {
		parameter, value := parameters[argument], args[argument]
		if parameter == "" || value == nil {
			continue
		}
		switch value := value.(type) {
		case []any, []string, []json.Number: // gqlparser makes the last two of a variable that is no list
			for _, one := range graphql.CoerceList(value) {
				b = appendParameter(b, parameter, one)
			}
		default:
			b = appendParameter(b, parameter, value)
		}
	}
	return string(b)
}

func appendParameter(b []byte, name string, value any) []byte {
	text, ok := value.(string)
	if !ok {
		text = fmt.Sprint(value)
	}
	if name == "order_by" {
		text = orders[text]
	}
	if len(b) > 0 {
		b = append(b, '&')
	}
	b = append(append(b, name...), '=')
	return append(b, url.QueryEscape(text)...)
}
