package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// orphanLife is how long to wait for an orphan after it was first seen on the primary. Its statement ends sooner, by
// statement_timeout, so a process with its id after that is another one.
const orphanLife = 10 * time.Second

var errOrphans = errors.New("the primary may still make a change whose connection was lost")

// orphans are the primary's server processes whose connections were lost during a change. Each may still make its
// change: if it was frozen with the whole server, it reads what it was sent only when the server resumes.
type orphans struct {
	mu   sync.Mutex
	seen map[uint32]time.Time // by process id: when it was first seen on the primary; zero before
}

func (o *orphans) add(pid uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[uint32]time.Time{}
	}
	o.seen[pid] = time.Time{}
}

func (o *orphans) pids() []int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	pids := make([]int32, 0, len(o.seen))
	for pid := range o.seen {
		pids = append(pids, int32(pid))
	}
	return pids
}

// notice forgets a process that has ended, and reports whether to keep waiting for it.
func (o *orphans) notice(pid int32, alive bool, at time.Time) (waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.seen[uint32(pid)]
	if first.IsZero() {
		first = at
	}
	if !alive || at.Sub(first) > orphanLife {
		delete(o.seen, uint32(pid))
		return false
	}
	o.seen[uint32(pid)] = first
	return true
}

const orphansSQL = `
SELECT id, EXISTS (SELECT FROM pg_stat_activity WHERE pid = id AND pid <> pg_backend_pid()) FROM unnest($1::integer[]) AS id`

// Settled returns an LSN at which a read sees every change that failed before the call but was made nevertheless. It
// returns an error while such a change can still be made.
func (s *Store) Settled(ctx context.Context) (LSN, error) {
	if pids := s.orphans.pids(); len(pids) > 0 {
		waits := false
		err := s.primary.run(ctx, func(conn *pgx.Conn) error {
			rows, err := conn.Query(ctx, orphansSQL, pids)
			if err != nil {
				return err
			}
			var pid int32
			var alive bool
			_, err = pgx.ForEachRow(rows, []any{&pid, &alive}, func() error {
				waits = s.orphans.notice(pid, alive, time.Now()) || waits
				return nil
			})
			return err
		})
		if err != nil {
			return 0, err
		}
		if waits {
			return 0, errOrphans
		}
	}
	return s.CurrentLSN(ctx) // after they have ended: an orphan ends only when its change is visible
}
