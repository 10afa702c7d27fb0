package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/store"
)

// outageAnswers is how long a client waits at most while the database is away: all of the server's own limits, one
// after the other (to find out, to connect, for a statement), and time for a busy machine.
const outageAnswers = 20 * time.Second

// TestPrimaryOutageOverHTTP freezes the only database, and kills it, under requests. What needs it is refused in
// bounded time, with a time to try again; what is cached is served; and all is well when it is back.
func TestPrimaryOutageOverHTTP(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	if err := store.Migrate(t.Context(), env.PostgresURL); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ harm, mend containers.Action }{
		{containers.ActionPause, containers.ActionResume}, {containers.ActionKill, containers.ActionRestart},
	} {
		t.Run(string(c.harm), func(t *testing.T) {
			o := newOutage(t, env)
			stop := o.load(t)
			fault := func(action containers.Action) {
				t.Helper()
				if err := env.Fault(context.Background(), containers.TargetPrimary, action); err != nil {
					t.Fatal(err)
				}
			}
			fault(c.harm)
			mend := sync.OnceFunc(func() { fault(c.mend) })
			defer mend()
			for range 4 { // the breaker opens at the third failure
				o.refused(t, http.MethodGet, o.next(), "")
				o.refused(t, http.MethodPost, batchPath, o.body())
				o.isCached(t)
			}
			stop()
			if state := o.store.PoolStats().Breaker; state == "closed" {
				t.Error("the breaker is closed")
			}
			eventually(t, "a breaker that lets a probe through",
				func() bool { return o.store.PoolStats().Breaker == "half-open" })
			o.refused(t, http.MethodGet, o.next(), "")
			if state := o.store.PoolStats().Breaker; state == "closed" {
				t.Error("a probe that failed has closed the breaker")
			}
			o.isCached(t)
			mend()
			eventually(t, "reads and writes after the outage", func() bool {
				read, _ := o.ask(t, http.MethodGet, o.next(), "")
				write, _ := o.ask(t, http.MethodPost, batchPath, o.body())
				return read.StatusCode == http.StatusOK && write.StatusCode == http.StatusCreated
			})
			if state := o.store.PoolStats().Breaker; state != "closed" {
				t.Errorf("the breaker is %s", state)
			}
		})
	}
}

// outage is a server whose database fails, and what is asked of it.
type outage struct {
	*service
	server *httptest.Server
	tenant string
	cached string // a path
	asked  atomic.Int64
}

func newOutage(t *testing.T, env *containers.Environment) *outage {
	t.Helper()
	o := &outage{service: newServiceOn(t, env.PostgresURL, env.CacheURL), tenant: newTenant()}
	o.server = serveWith(t, o.service, api.Options{})
	o.cached = resourcesPath + "/" + o.insert(t, o.tenant, 0, 10)[0].String()
	for range 2 {
		o.ask(t, http.MethodGet, o.cached, "")
	}
	o.isCached(t)
	return o
}

// next is what no level of the cache has: a list that nobody has asked for.
func (o *outage) next() string {
	return resourcesPath + fmt.Sprintf("?limit=3&q=never%d", o.asked.Add(1))
}

func (o *outage) body() string {
	n := 10_000 + o.asked.Add(1)
	return fmt.Sprintf(
		`{"resources":[{"azure_resource_id":"/outage/%d","subscription_id":"s","resource_group_name":"g","name":"n","type":"t","location":"l"}]}`, n)
}

// send returns an error when there is no answer in time.
func (o *outage) send(ctx context.Context, method, path, body string) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(ctx, outageAnswers)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, o.server.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("X-Tenant-ID", o.tenant)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

func (o *outage) ask(t *testing.T, method, path, body string) (*http.Response, string) {
	t.Helper()
	response, text, err := o.send(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, text
}

func (o *outage) refused(t *testing.T, method, path, body string) {
	t.Helper()
	response, text := o.ask(t, method, path, body)
	if status := response.StatusCode; status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout ||
		response.Header.Get("Content-Type") != "application/problem+json" || response.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s without the database: status %d, headers %v: %.300s", method, path, status,
			response.Header, text)
	}
}

func (o *outage) isCached(t *testing.T) {
	t.Helper()
	if response, text := o.ask(t, http.MethodGet, o.cached, ""); response.StatusCode != http.StatusOK ||
		response.Header.Get("X-Cache") != "l1" {
		t.Errorf("what is cached: status %d from %s: %.300s", response.StatusCode, response.Header.Get("X-Cache"), text)
	}
}

// load has four clients ask until stop is called, so that the outage begins under requests.
func (o *outage) load(t *testing.T) (stop func()) {
	t.Helper()
	ended := make(chan struct{})
	var clients sync.WaitGroup
	var served atomic.Int64
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				response, text, err := o.send(t.Context(), http.MethodGet, o.next(), "")
				if err != nil {
					t.Error(err)
					return
				}
				switch response.StatusCode {
				case http.StatusOK:
					served.Add(1)
				case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
				default:
					t.Errorf("a request around the outage: status %d: %.300s", response.StatusCode, text)
				}
			}
		})
	}
	eventually(t, "requests under way", func() bool { return served.Load() > 20 })
	return sync.OnceFunc(func() { close(ended); clients.Wait() })
}
