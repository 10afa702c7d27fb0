package store

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// defaultSlowQuery is twenty times what the slowest twentieth of the queries should take.
const defaultSlowQuery = 100 * time.Millisecond

// maxSlowShapes is how many statements are kept.
const maxSlowShapes = 32

// SlowQuery is a statement that took longer than Options.SlowQuery at least once. Its SQL has placeholders.
type SlowQuery struct {
	Name    string
	SQL     string
	Count   int64         // slow ones
	Replica int64         // slow ones on the replica
	Slowest time.Duration // from sending the query to having read its last row
	Total   time.Duration // of the slow ones together
	// Kept says that its plan may be kept for other parameters than those that it was made for, unless
	// [Store.PlanAnew] forbids that.
	Kept bool
	Last time.Time // when the last slow one ended
	// Parameters are those of the slowest one, at most 64 KB; nil when they are not kept, and NotKept says why.
	Parameters []any
	NotKept    string
}

// SlowQueries returns the slow statements, slowest first, at most 32.
func (s *Store) SlowQueries() []SlowQuery { return s.queries.slow.list() }

// slowQueries keeps the slowest statements.
type slowQueries struct {
	threshold time.Duration

	mu     sync.Mutex
	shapes map[string]*SlowQuery // by SQL
	count  int64                 // of all slow queries, those of forgotten shapes included
	total  time.Duration
}

func (s *slowQueries) note(sql string, kept bool, took time.Duration, replica bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.total += took
	q := s.shapes[sql]
	if q == nil {
		q = s.add(sql, took)
		if q == nil {
			return
		}
	}
	q.Count++
	if replica {
		q.Replica++
	}
	q.Slowest = max(q.Slowest, took)
	q.Total += took
	q.Kept = kept
	q.Last = now
}

// add makes room for a new statement, or returns nil if all stored ones were slower.
func (s *slowQueries) add(sql string, took time.Duration) *SlowQuery {
	if len(s.shapes) >= maxSlowShapes {
		var least *SlowQuery
		for _, q := range s.shapes {
			if least == nil || q.Slowest < least.Slowest {
				least = q
			}
		}
		if least.Slowest >= took {
			return nil
		}
		delete(s.shapes, least.SQL)
	}
	if s.shapes == nil {
		s.shapes = map[string]*SlowQuery{}
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, namePrefix), "\n")
	q := &SlowQuery{Name: name, SQL: sql}
	s.shapes[sql] = q
	return q
}

func (s *slowQueries) list() []SlowQuery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]SlowQuery, 0, len(s.shapes))
	for _, q := range s.shapes {
		all = append(all, *q)
	}
	slices.SortFunc(all, func(a, b SlowQuery) int {
		return cmp.Or(-cmp.Compare(a.Slowest, b.Slowest),
			cmp.Compare(a.SQL, b.SQL))
	})
	return all
}
