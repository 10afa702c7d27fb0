package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/containers"
)

const cursorKey = "bench-server: not a secret, but long enough"

// running is a server process that answers.
type running struct {
	child      *containers.Child
	url, admin string
}

// start starts a contender's server on the server's CPU.
func (b *bench) start(ctx context.Context, c *contender) (*running, error) {
	if c.serve == "" {
		child, url, err := sidebyside.StartNginx(ctx, b.dir, b.log, b.nginxLocations())
		if err != nil {
			return nil, err
		}
		return &running{child: child, url: url}, nil
	}
	environment := append([]string{
		varDir + "=" + b.dir, varPostgres + "=" + b.servers.PostgresURL, varCache + "=" + b.servers.CacheURL,
		"HEADROOM_ADDR=127.0.0.1:0", "HEADROOM_ADMIN_ADDR=127.0.0.1:0",
		"HEADROOM_CURSOR_KEY=" + cursorKey, // without one, every process would write other cursors into the same list
		fmt.Sprintf("HEADROOM_POSTGRES_MAX_CONNS=%d", postgresConns),
	}, c.env...)
	child, line, err := sidebyside.StartServer(ctx, b.log, environment, b.self, "serve", c.serve)
	if err != nil {
		return nil, err
	}
	r := &running{child: child}
	if _, err := fmt.Sscanf(line, readyFormat, &r.url, &r.admin); err != nil {
		return nil, errors.Join(fmt.Errorf("%s said %q: %w", c.name, line, err), child.Stop(context.WithoutCancel(ctx)))
	}
	r.url = "http://" + r.url
	return r, nil
}

// nginxLocations serve the files that the other peers serve from memory.
func (b *bench) nginxLocations() string {
	return fmt.Sprintf(`location = %s { alias %s/%s; }
    location = %s { alias %[2]s/%[5]s; }`, listRoute, b.dir, listFile, b.paths[0], itemFile)
}

// get asks for a path and returns the body and the cache level that answered, if it said so.
func (b *bench) get(ctx context.Context, url string) (body []byte, level string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("X-Tenant-ID", b.tenant)
	r.Header.Set("Accept-Encoding", "identity") // wrk does not ask for compression either
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %.200s", url, response.Status, body)
	}
	return body, response.Header.Get("X-Cache"), err
}

// served counts requests by the level that answered them, since the server's start.
type served map[string]float64

func (r *running) served(ctx context.Context) (served, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/snapshot", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	type hits struct {
		Hits float64 `json:"hits"`
	}
	var s struct {
		Cache struct {
			L1      hits `json:"l1"`
			L2      hits `json:"l2"`
			L3      hits `json:"l3"`
			Overall struct {
				Misses float64 `json:"misses"`
			} `json:"overall"`
		} `json:"cache"`
	}
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		return nil, fmt.Errorf("snapshot of the server: %w", err)
	}
	c := s.Cache
	return served{"l1": c.L1.Hits, "l2": c.L2.Hits, "l3": c.L3.Hits, "miss": c.Overall.Misses}, nil
}

// share is the part of the requests between two readings that one level answered.
func share(before, after served, level string) float64 {
	all := 0.0
	for l := range after {
		all += after[l] - before[l]
	}
	if all == 0 {
		return 0
	}
	return (after[level] - before[level]) / all
}
