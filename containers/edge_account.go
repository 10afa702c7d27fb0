package containers

import (
	"context"
	"sync"
)

// runningEdge is an edge with its account, which goes on over faults as if its processes were one.
type runningEdge struct {
	startedFront
	varnish bool // else nginx, whose counters are files and outlive its process

	mu           sync.Mutex
	before, last lookups // of the processes before this one; of this one when it was asked last
	down         bool    // by a fault
}

// lookups are the requests that an edge has looked up.
type lookups struct{ hits, misses int64 }

// counts is the account of all processes of the edge.
func (r *runningEdge) counts(ctx context.Context) (lookups, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.down {
		ask := r.nginxCounts
		if r.varnish {
			ask = r.varnishCounts
		}
		hits, misses, err := ask(ctx)
		if err != nil {
			return lookups{}, err
		}
		r.last = lookups{hits, misses}
	}
	return lookups{r.before.hits + r.last.hits, r.before.misses + r.last.misses}, nil
}

// falls takes the last account before the process ends. What it counts between the two is in none.
func (r *runningEdge) falls(ctx context.Context) {
	_, _ = r.counts(ctx) // else the account is the one before
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
}

// rises says that there is a new process.
func (r *runningEdge) rises() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
	if r.varnish {
		r.before.hits, r.before.misses = r.before.hits+r.last.hits, r.before.misses+r.last.misses
		r.last = lookups{}
	}
}

// edgeAt is the edge that a target names; nil for any other.
func (e *Environment) edgeAt(target Target) *runningEdge {
	for n, edge := range e.edges {
		if EdgeTarget(n) == target {
			return edge
		}
	}
	return nil
}
