package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// Objects returns the values of many single objects of a kind: of those that the tenant has. What no level of the cache
// has is read together, by one statement.
func (a *API) Objects(ctx context.Context, kind cache.Kind, tenant store.ID, ids []store.ID) (map[store.ID][]byte,
	error,
) {
	read := a.store.ResourcesByID
	if kind == cache.Policy {
		read = a.store.PoliciesByID
	}
	g := newGathering(ids, func(ctx context.Context, ids []store.ID, after store.LSN) (map[store.ID][]byte, error) {
		found, err := read(ctx, tenant, ids, after)
		if err != nil || len(found) == len(ids) || after == store.OnPrimary || !a.store.Replicated() {
			return found, err
		}
		return read(ctx, tenant, ids, store.OnPrimary) // it may be newer than what the replica has: see document.load
	})
	defer g.late()
	return g.all(func(id store.ID) ([]byte, error) {
		entry, _, err := a.cache.Get(ctx, cache.Key{Kind: kind, Tenant: tenant, ID: id}, g.load)
		if err != nil {
			return nil, err
		}
		return entry.Body, nil
	})
}

// LatestEvaluations returns, for each of the resources that has any, a JSON array of its latest evaluations by up to
// limit policies.
func (a *API) LatestEvaluations(ctx context.Context, tenant store.ID, resources []store.ID,
	limit int,
) (map[store.ID][]byte, error) {
	after := a.cache.RequiredLSN(cache.Scope{Tenant: tenant, Kind: cache.Evaluations})
	return a.store.CurrentEvaluationsOf(ctx, tenant, resources, limit, after)
}

// CostsOf returns, for each of the resources that has any, a JSON array of its costs, as REST answers with them to the
// query string. An error of the first kind is for the client.
func (a *API) CostsOf(ctx context.Context, tenant store.ID, resources []store.ID,
	query string,
) (found map[store.ID][]byte, refused, err error) {
	if len(resources) == 0 {
		return nil, nil, nil
	}
	req, refused := parseCostRequest(query+"&resource_id="+formatUUID(resources[0]), false)
	if refused != nil {
		return nil, refused, nil
	}
	scopes := appendScopes(nil, tenant, cache.Costs, resources)
	found, err = a.store.CostSeriesOf(ctx, store.CostQuery{
		Tenant: tenant, Service: req.service, From: req.from, To: req.to,
	}, resources, a.cache.RequiredLSN(scopes...))
	return found, nil, err
}

// gatherAtMost is how long loads wait for each other. They rarely do: only where a get waits for a load of another
// request that itself waits for one of this request.
const gatherAtMost = 50 * time.Millisecond

// gathering lets the loads of many keys, which begin one by one, read together: when each key is either answered or has
// to be loaded.
type gathering struct {
	read func(ctx context.Context, ids []store.ID, after store.LSN) (map[store.ID][]byte, error)

	mu      sync.Mutex
	ids     []store.ID
	counted map[store.ID]bool // answered or to be loaded
	pending int               // that are not yet
	over    bool              // no load waits any more
	waiting *together
	timer   *time.Timer
}

// together is one read.
type together struct {
	ctx   context.Context
	ids   []store.ID
	after store.LSN
	done  chan struct{}
	found map[store.ID][]byte
	err   error
}

func newGathering(ids []store.ID, read func(ctx context.Context, ids []store.ID, after store.LSN) (map[store.ID][]byte,
	error),
) *gathering {
	g := &gathering{
		read: read, counted: make(map[store.ID]bool, len(ids)), waiting: &together{done: make(chan struct{})},
	}
	for _, id := range ids {
		if _, twice := g.counted[id]; !twice {
			g.counted[id] = false
			g.ids = append(g.ids, id)
		}
	}
	g.pending = len(g.ids)
	g.timer = time.AfterFunc(gatherAtMost, g.late)
	return g
}

// all gets each key, all at once.
func (g *gathering) all(get func(store.ID) ([]byte, error)) (map[store.ID][]byte, error) {
	var mu sync.Mutex
	var failed error
	found := make(map[store.ID][]byte, len(g.ids))
	var gets sync.WaitGroup
	for _, id := range g.ids {
		gets.Go(func() {
			value, err := get(id)
			g.count(id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				found[id] = value
			case !errors.Is(err, cache.ErrNotFound):
				failed = err
			}
		})
	}
	gets.Wait()
	return found, failed
}

// load is a [cache.LoadFunc].
func (g *gathering) load(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	g.mu.Lock()
	if g.over {
		g.mu.Unlock()
		found, err := g.read(ctx, []store.ID{key.ID}, after)
		return one(found, key.ID, err)
	}
	t := g.waiting
	t.ctx, t.ids, t.after = ctx, append(t.ids, key.ID), max(t.after, after)
	g.mu.Unlock()
	g.count(key.ID)
	<-t.done
	return one(t.found, key.ID, t.err)
}

func one(found map[store.ID][]byte, id store.ID, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	value, ok := found[id]
	if !ok {
		return nil, cache.ErrNotFound
	}
	return value, nil
}

// count notes that a key is answered or to be loaded. The last one reads for all.
func (g *gathering) count(id store.ID) {
	g.mu.Lock()
	if !g.counted[id] {
		g.counted[id] = true
		g.pending--
	}
	pending := g.pending
	g.mu.Unlock()
	if pending == 0 {
		g.late()
	}
}

// late reads for those that wait, once; whoever comes later reads alone.
func (g *gathering) late() {
	g.mu.Lock()
	over := g.over
	g.over = true
	g.mu.Unlock()
	if over {
		return
	}
	g.timer.Stop()
	t := g.waiting
	defer close(t.done)
	if len(t.ids) > 0 {
		t.found, t.err = g.read(t.ctx, t.ids, t.after)
	}
}
