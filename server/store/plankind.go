package store

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Postgres plans a prepared statement for its parameters five times, and then keeps a plan for all parameters if it
// expects that to cost about as much. Where it is wrong about that, the statement is slow for some parameters.
// [Store.PlanAnew] has such a statement described once and then sent with its parameters each time, without a name, as
// the lists that planAnew marks: pgx keeps the description, and Postgres no plan. Connections need no change for that,
// and a prepared statement that is not used any more leaves pgx's cache of statements as others do.

// keepsPlan reports whether these arguments of a query let Postgres keep its plan.
func keepsPlan(args []any) bool {
	for _, arg := range args[:min(len(args), 2)] {
		if _, mode := arg.(pgx.QueryExecMode); mode {
			return false
		}
	}
	return true
}

// planned returns the arguments with which to run a statement now. Only of what is run so, the kind of plan can be
// chosen.
func planned(conn *pgx.Conn, sql string, args []any) []any {
	state := stateOf(conn)
	if state == nil {
		return args
	}
	state.choice = true
	anew := state.tracer.queries.anew.Load()
	if anew == nil || !(*anew)[sql] || !keepsPlan(args) {
		return args
	}
	return append([]any{planAnew}, args...)
}

// PlanAnew says whether a statement is planned for its parameters each time. It has no effect on [hotStatements], which
// are prepared by name on every connection, on those that are not run with [planned], nor on those that are planned
// anew already.
func (s *Store) PlanAnew(sql string, anew bool) {
	all := map[string]bool{}
	if known := s.queries.anew.Load(); known != nil {
		maps.Copy(all, *known)
	}
	if anew {
		all[sql] = true
	} else {
		delete(all, sql)
	}
	if len(all) == 0 {
		s.queries.anew.Store(nil)
	} else {
		s.queries.anew.Store(&all)
	}
}

// IsPlannedAnew reports what PlanAnew has said of a statement.
func (s *Store) IsPlannedAnew(sql string) bool {
	anew := s.queries.anew.Load()
	return anew != nil && (*anew)[sql]
}

// CanPlanAnew reports whether PlanAnew has an effect on a statement of which [SlowQuery] says that its plan is kept.
func CanPlanAnew(sql string) bool { return !slices.Contains(hotStatements(), sql) }

// PlannedAnew returns the number of statements that PlanAnew has planned for their parameters.
func (s *Store) PlannedAnew() int {
	anew := s.queries.anew.Load()
	if anew == nil {
		return 0
	}
	return len(*anew)
}
