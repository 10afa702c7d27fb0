package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/glob"
	"github.com/policycortex/headroom/server/edge"
	"github.com/policycortex/headroom/server/store"
)

// invalidation is the body of POST /cache/invalidate: one of the two.
type invalidation struct {
	Pattern string   `json:"pattern"`
	Keys    []string `json:"keys"`
}

// Limits of one request: each pattern and each key costs a walk over all keys.
const (
	maxInvalidateBody = 64 << 10
	maxInvalidateKeys = 100
)

// patterns are what to invalidate: a key is a pattern that matches only itself.
func (i *invalidation) patterns() ([]string, error) {
	switch {
	case (i.Pattern == "") == (len(i.Keys) == 0):
		return nil, errors.New(`give either "pattern" or "keys"; names are <tenant>:<kind>:<id or query>`)
	case i.Pattern != "":
		return []string{i.Pattern}, nil
	case len(i.Keys) > maxInvalidateKeys:
		return nil, fmt.Errorf("%d keys are more than %d; give a pattern", len(i.Keys), maxInvalidateKeys)
	}
	patterns := make([]string, len(i.Keys))
	for n, key := range i.Keys {
		if key == "" {
			return nil, fmt.Errorf("keys[%d] is empty", n)
		}
		patterns[n] = globEscaper.Replace(key)
	}
	return patterns, nil
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// invalidateHandler answers {"removed": n}: the number of entries removed from this instance's L1, from L2 and from L3.
// It answers 504 when not every instance and edge is known to have applied the invalidation; the client has to repeat
// the request. Edges forget everything, because they know no names of keys.
func invalidateHandler(db *store.Store, answers *cache.Cache, edges *edge.Edges, logger *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked invalidation
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInvalidateBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&asked)
		if err == nil && decoder.Decode(new(struct{})) != io.EOF {
			err = errors.New("the body continues after the object")
		}
		if err != nil {
			adminProblem(w, http.StatusBadRequest,
				"The body must be {\"pattern\": \"…\"} or {\"keys\": [\"…\"]}: "+err.Error())
			return
		}
		patterns, err := asked.patterns()
		if err != nil {
			adminProblem(w, http.StatusUnprocessableEntity, err.Error())
			return
		}
		// Everything that is loaded from now on must see what the caller has changed in the database.
		after, err := db.CurrentLSN(r.Context())
		if err != nil {
			logger.Error("invalidation failed", "error", err)
			adminProblem(w, http.StatusServiceUnavailable,
				"The database cannot be asked for its position: "+err.Error())
			return
		}
		removed := 0
		for _, pattern := range patterns {
			n, err := answers.InvalidatePattern(r.Context(), after, pattern)
			removed += n
			if err != nil {
				logger.Warn("an invalidation was not acknowledged by all instances", "pattern", pattern, "removed",
					removed, "error", err)
				status, detail := invalidateFailure(err)
				adminProblem(w, status, detail)
				return
			}
		}
		if err := edges.InvalidateAll(r.Context()); err != nil {
			logger.Warn("an invalidation was not acknowledged by all edges", "error", err)
			status, detail := invalidateFailure(err)
			adminProblem(w, status, detail)
			return
		}
		sendAdmin(w, map[string]int{"removed": removed})
	}
}

func invalidateFailure(err error) (status int, detail string) {
	if errors.Is(err, glob.ErrPattern) {
		return http.StatusUnprocessableEntity, err.Error()
	}
	return http.StatusGatewayTimeout,
		"Some instances or edges may still have the entries. Send the request again: " + err.Error()
}

// adminProblem sends an error response (RFC 9457). Its readers operate the server, so it includes the cause.
func adminProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
