package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// slowQuery is one entry of GET /slow.
type slowQuery struct {
	Name    string    `json:"query"`
	SQL     string    `json:"sql"` // with placeholders
	Count   int64     `json:"count"`
	Replica int64     `json:"replica"` // how many of them on the replica
	MaxMS   float64   `json:"max_ms"`
	Last    time.Time `json:"last"`
	// With ?explain=1: the parameters of the slowest one, each cut to 200 bytes, the plan for them, and that for any.
	Parameters []string `json:"parameters,omitempty"`
	Plan       string   `json:"plan,omitempty"`
	Generic    string   `json:"generic_plan,omitempty"`
	Fault      string   `json:"plan_error,omitempty"` // why a plan is missing
}

const shownParameter = 200

// explain asks the database for the plans of a statement.
func (s *slowQuery) explain(ctx context.Context, db *store.Store, q *store.SlowQuery) {
	var err, errGeneric error
	if q.Parameters == nil {
		s.Fault = "only the plan for any parameters: " + q.NotKept
	} else {
		for _, p := range q.Parameters {
			text := fmt.Sprint(p)
			if id, ok := p.(store.ID); ok {
				text = string(store.AppendUUID(nil, id[:]))
			}
			s.Parameters = append(s.Parameters, strings.ToValidUTF8(text[:min(len(text), shownParameter)], ""))
		}
		s.Plan, err = db.ExplainWith(ctx, q.SQL, q.Parameters)
	}
	s.Generic, errGeneric = db.Explain(ctx, q.SQL)
	err = errors.Join(err, errGeneric)
	if err != nil {
		s.Fault = err.Error()
	}
}

// slowHandler lists the slow statements, slowest first. With ?explain=1 it asks the database for the plans of each, of
// which one is for the parameters of its slowest execution.
func slowHandler(db *store.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		explain := false
		if text := r.URL.Query().Get("explain"); text != "" {
			var err error
			explain, err = strconv.ParseBool(text)
			if err != nil {
				adminProblem(w, http.StatusBadRequest, fmt.Sprintf("explain=%q: give 1 or 0", text))
				return
			}
		}
		all := []slowQuery{}
		for _, q := range db.SlowQueries() {
			s := slowQuery{
				Name: q.Name, SQL: q.SQL, Count: q.Count, Replica: q.Replica, Last: q.Last.UTC(),
				MaxMS: float64(q.Slowest.Microseconds()) / 1000,
			}
			if explain {
				s.explain(r.Context(), db, &q)
			}
			all = append(all, s)
		}
		sendAdmin(w, map[string]any{"slow": all})
	}
}

// statement is one entry of GET /statements.
type statement struct {
	SQL        string  `json:"sql"`
	Calls      int64   `json:"calls"`
	Rows       int64   `json:"rows"`
	TotalMS    float64 `json:"total_ms"`
	MeanMS     float64 `json:"mean_ms"`
	BlocksHit  int64   `json:"blocks_hit"`
	BlocksRead int64   `json:"blocks_read"`
}

const (
	defaultStatements = 20
	maxStatements     = 1000
)

// statementsHandler lists the statements on which the primary spent the most time; ?limit= bounds their number.
func statementsHandler(db *store.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limit := defaultStatements
		if text := r.URL.Query().Get("limit"); text != "" {
			var err error
			limit, err = strconv.Atoi(text)
			if err != nil || limit < 1 || limit > maxStatements {
				adminProblem(w, http.StatusBadRequest,
					fmt.Sprintf("limit=%q: give a number from 1 to %d", text, maxStatements))
				return
			}
		}
		found, err := db.Statements(r.Context(), limit)
		switch {
		case errors.Is(err, store.ErrNoStatements):
			adminProblem(w, http.StatusNotImplemented, err.Error())
			return
		case err != nil:
			adminProblem(w, http.StatusBadGateway, err.Error())
			return
		}
		all := []statement{}
		for _, s := range found {
			all = append(all, statement{
				SQL: s.SQL, Calls: s.Calls, Rows: s.Rows, BlocksHit: s.BlocksHit, BlocksRead: s.BlocksRead,
				TotalMS: float64(s.Total.Microseconds()) / 1000, MeanMS: float64(s.Mean.Microseconds()) / 1000,
			})
		}
		sendAdmin(w, map[string]any{"statements": all})
	}
}
