// Package edge tells caches that stand in front of the server what has changed.
//
// # What an edge keeps
//
// The server sends what it lets edges keep with a Surrogate-Key, <tenant>:<kind>:<id>, which is the name of the scope
// of an invalidation: see [key.Scope]. An invalidation sends every edge a ban,
//
//	BAN / HTTP/1.1
//	X-Edge-Token: <the secret>
//	Surrogate-Key: ^(?:<key>|<key>|<tenant>:.*)$
//
// which the edge answers with 204 once it serves nothing any more that it had or was fetching under a key that the
// regular expression matches.
//
// # The promise
//
// What an edge answers to a request is no older than any change whose [Edges.Invalidate] had returned nil before the
// request began. The caller has invalidated the caches behind the edges before, so that what an edge fetches after the
// ban is new.
//
// An edge that cannot be reached is waited for Patience, once: until it has taken everything that it has missed, nobody
// waits for it again. It is tried again until then, with everything that has gathered. Meanwhile Invalidate returns
// [ErrUnreached], and that edge may serve what is older: for as long as Cache-Control allows (s-maxage and
// stale-while-revalidate, or stale-if-error if it cannot reach the server either), and no longer. So may an edge that
// had something to take from a server that was killed.
//
// # Bounds
//
// Each edge has one request under way. What is invalidated meanwhile goes with the next, so many changes share a
// request. No more than 1024 keys are kept for an edge: beyond that all keys of their tenants take their place, and
// beyond that all keys.
package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/cache/key"
)

// Patience is how long an invalidation waits for an edge that does not answer.
const Patience = time.Second

// ErrUnreached is returned when an edge may still serve what was to be invalidated. It is told when it can be reached.
var ErrUnreached = errors.New("an edge has not been reached, and may serve older values until it is or they expire")

// Options say where the edges are.
type Options struct {
	// URLs are those of the edges, as http://host:port. Token is the secret by which they know the server.
	URLs   []string
	Token  string
	Logger *slog.Logger
}

// Edges are the edges of a server. They are safe for concurrent use. A nil *Edges is none.
type Edges struct {
	all     []*worker
	client  *http.Client
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Open begins to serve edges. It does not wait for them. It returns an error for a malformed URL.
func Open(o Options) (*Edges, error) {
	if len(o.URLs) == 0 {
		return nil, nil
	}
	for _, address := range o.URLs {
		if err := CheckURL(address); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &Edges{stop: cancel, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		// An edge that sends the ban elsewhere has not taken it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, address := range o.URLs {
		w := &worker{
			url: address, token: o.Token, logger: o.Logger, client: e.client, wake: make(chan struct{}, 1),
		}
		e.all = append(e.all, w)
		e.running.Go(func() { w.run(ctx) })
	}
	return e, nil
}

// CheckURL returns an error for an address that is not http://host:port, with a hint how to give it.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "") {
		err = errors.New("it must be http://host:port")
	}
	if err != nil {
		return fmt.Errorf("the address %q of an edge: %w", address, err)
	}
	return nil
}

// Close makes one last attempt to send what is left, for at most Patience. Nothing may be invalidated afterwards.
func (e *Edges) Close() {
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	for _, w := range e.all {
		w.flush(ctx)
	}
	e.stop()
	e.running.Wait()
	e.client.CloseIdleConnections()
}

// Invalidate makes the edges forget what they have of the scopes. It returns nil when all of them have, and
// [ErrUnreached] when one of them is known not to answer, when Patience has passed, or ctx has ended.
func (e *Edges) Invalidate(ctx context.Context, scopes ...key.Scope) error {
	if e == nil || len(scopes) == 0 {
		return nil
	}
	expressions := make([]string, len(scopes))
	for i := range scopes {
		expressions[i] = scopes[i].Name()
	}
	return e.ban(ctx, expressions)
}

// InvalidateKind is Invalidate for everything of a kind, of all tenants.
func (e *Edges) InvalidateKind(ctx context.Context, kind key.Kind) error {
	return e.ban(ctx, []string{"[^:]+:" + kind.String() + ":.*"})
}

// InvalidateAll is Invalidate for everything.
func (e *Edges) InvalidateAll(ctx context.Context) error { return e.ban(ctx, []string{everything}) }

func (e *Edges) ban(ctx context.Context, expressions []string) error {
	if e == nil {
		return nil
	}
	batches := make([]*batch, len(e.all))
	for i, w := range e.all {
		batches[i] = w.add(expressions)
	}
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	var unreached error
	for i, b := range batches {
		if b == nil { // it does not answer
			unreached = fmt.Errorf("%w: %s", ErrUnreached, e.all[i].url)
			continue
		}
		select {
		case <-b.done:
			if b.err != nil {
				unreached = fmt.Errorf("%w: %s: %w", ErrUnreached, e.all[i].url, b.err)
			}
		case <-limit.C:
			return fmt.Errorf("%w: %s", ErrUnreached, e.all[i].url)
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w", ErrUnreached, e.all[i].url, ctx.Err())
		}
	}
	return unreached
}

// Stats count what was sent to an edge.
type Stats struct {
	URL      string
	Sent     uint64 // requests that it took
	Failed   uint64 // requests that it did not
	Pending  int    // keys that it has yet to take
	Answered bool   // it took the last request, or there was none
}

// Stats returns the counts of all edges, in the order of the URLs.
func (e *Edges) Stats() []Stats {
	if e == nil {
		return nil
	}
	all := make([]Stats, len(e.all))
	for i, w := range e.all {
		all[i] = w.stats()
	}
	return all
}
