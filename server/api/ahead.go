package api

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// Prefetching returns what the cache needs to load values before they are requested.
func (a *API) Prefetching() cache.Prefetching {
	return cache.Prefetching{Related: a.related, Loader: a.Loader}
}

// Loader returns the function that loads keys of a kind.
func (a *API) Loader(kind cache.Kind) cache.LoadFunc {
	switch kind {
	case cache.Resource:
		return a.loadResource
	case cache.Resources:
		return a.loadResources
	case cache.Policy:
		return a.loadPolicy
	case cache.Policies:
		return a.loadPolicies
	case cache.Evaluations:
		return a.loadEvaluations
	case cache.Compliance:
		return a.loadCompliance
	case cache.Costs:
		return a.loadCosts
	}
	return nil
}

// FirstPage returns the key of a tenant's list of resources without any parameters.
func (a *API) FirstPage(tenant store.ID) cache.Key {
	return a.listKey(tenant, &listRequest{limit: defaultLimit})
}

// listKey is the key of a page of resources.
func (a *API) listKey(tenant store.ID, req *listRequest) cache.Key {
	list := *req
	list.cursor = ""
	return cache.Key{Kind: cache.Resources, Tenant: tenant, Query: a.pageKey(string(list.canonical()), req.cursor)}
}

// itemKinds are the kinds of the items of a list, by the kind of the list.
var itemKinds = map[cache.Kind]cache.Kind{cache.Resources: cache.Resource, cache.Policies: cache.Policy}

// related finds what a client may request after a page of a list: the next page, if this one was reached by a cursor or
// a number, and the items of the page.
func (a *API) related(key cache.Key, body []byte, relation cache.Relation, add func(cache.Key)) {
	switch relation {
	case cache.NextPage:
		if next, ok := a.nextPage(&key, body); ok {
			add(next)
		}
	case cache.Items:
		kind, ok := itemKinds[key.Kind]
		if !ok {
			return
		}
		var page struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if json.Unmarshal(body, &page) != nil {
			return // does not happen, because it is our own response; if it did, there would be nothing to prefetch
		}
		for _, item := range page.Data {
			if id, err := parseUUID(item.ID); err == nil {
				add(cache.Key{Kind: kind, Tenant: key.Tenant, ID: id})
			}
		}
	}
}

var nextCursorField = []byte(`,"next_cursor":"`)

func (a *API) nextPage(key *cache.Key, body []byte) (next cache.Key, ok bool) {
	at := bytes.LastIndex(body, nextCursorField)
	if at < 0 {
		return next, false // the last page, or not a list
	}
	query := a.pageQuery(*key)
	if list := strings.LastIndex(query, "&cursor="); list >= 0 { // & is escaped in values
		cursor, _, _ := bytes.Cut(body[at+len(nextCursorField):], []byte{'"'})
		return cache.Key{
			Kind: key.Kind, Tenant: key.Tenant, ID: key.ID,
			Query: a.pageKey(query[:list], string(cursor)),
		}, true
	}
	if key.Kind != cache.Resources {
		return next, false
	}
	req, err := parseListRequest(query)
	if err != nil || req.page < 2 {
		return next, false
	}
	req.page++
	return a.listKey(key.Tenant, &req), true
}
