package containers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// allocatedWithin is how long a service may take to say what it allocated. One that does not answer at all must not use
// up the time of an experiment.
const allocatedWithin = 2 * time.Second

// Allocated is what a service written in Go has allocated on its heap since its start, freed or not: bytes and objects,
// as its package expvar publishes them at GET /debug/vars (TotalAlloc and Mallocs of runtime.MemStats). url is that of
// the listener that has this path. Asking stops the service for a moment, and makes it allocate a little itself. A
// service without expvar is an error, as is one that does not answer within allocatedWithin.
func Allocated(ctx context.Context, url string) (bytes, objects int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, allocatedWithin)
	defer cancel()
	address := strings.TrimRight(url, "/") + "/debug/vars"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("read what the service allocated: %w", err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, 0, fmt.Errorf("read what the service allocated: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("GET %s answers %s: the service does not publish Go's expvar there", address,
			resp.Status)
	}
	var vars struct {
		Memory *struct{ TotalAlloc, Mallocs int64 } `json:"memstats"`
	}
	const most = 16 << 20 // services publish variables of their own there
	if err := json.NewDecoder(io.LimitReader(resp.Body, most)).Decode(&vars); err != nil {
		return 0, 0, fmt.Errorf("GET %s does not answer with Go's expvar: %w", address, err)
	}
	if vars.Memory == nil {
		return 0, 0, fmt.Errorf("GET %s answers without memstats: the service does not publish Go's expvar there",
			address)
	}
	return vars.Memory.TotalAlloc, vars.Memory.Mallocs, nil
}
