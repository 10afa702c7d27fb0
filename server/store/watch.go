package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// How often a server is checked, and how long it may take to answer before its connections are cut. The primary gets
// more time, because no other server can do its work.
const (
	watchEvery      = 25 * time.Millisecond
	watchAloneEvery = 500 * time.Millisecond // a primary without a replica, whose position nobody needs
	retryEvery      = 250 * time.Millisecond // a server that failed
	replicaPatience = 500 * time.Millisecond // a busy machine also answers late
	primaryPatience = 2 * time.Second
)

// watch checks a server periodically on its own connection and updates the node.
type watch struct {
	node     *node
	config   *pgx.ConnConfig
	every    time.Duration
	patience time.Duration
	ask      func(context.Context, *pgx.Conn) error // with the time limit in the context
	changed  func(up bool, why error)
	logger   *slog.Logger

	conn   *pgx.Conn
	up     bool
	silent bool // its failure is in the log
}

func newWatch(n *node, every, patience time.Duration, logger *slog.Logger) *watch {
	config := n.pool.Load().Config().ConnConfig
	config.DialFunc = n.link.dialer.DialContext // not by the link, which may be cut
	config.ConnectTimeout = patience
	config.Tracer = nil
	config.RuntimeParams["application_name"] = "headroom watch"
	return &watch{
		node: n, config: config, every: every, patience: patience, logger: logger,
		changed: func(bool, error) {},
	}
}

// run watches until ctx is done.
func (w *watch) run(ctx context.Context) {
	timer := time.NewTimer(w.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			w.disconnect()
			return
		case <-timer.C:
		}
		w.round(ctx)
		timer.Reset(w.pause())
	}
}

func (w *watch) pause() time.Duration {
	if w.up {
		return w.every
	}
	return retryEvery
}

// round asks once.
func (w *watch) round(ctx context.Context) {
	err := w.askOnce(ctx)
	switch {
	case ctx.Err() != nil:
	case err == nil && !w.up:
		w.recovered(ctx)
	case err != nil:
		w.failed(err)
	}
}

func (w *watch) askOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	if w.conn == nil {
		conn, err := pgx.ConnectConfig(ctx, w.config)
		if err != nil {
			return err
		}
		w.conn = conn
	}
	start := time.Now()
	err := w.ask(ctx, w.conn)
	w.node.trip.Store(int64(time.Since(start)))
	return err
}

// failed is called repeatedly while the server fails. A server that has stopped has closed its connections; those of a
// silent server are cut.
func (w *watch) failed(err error) {
	w.disconnect()
	w.changed(false, err)
	var timed interface{ Timeout() bool }
	if errors.As(err, &timed) && timed.Timeout() {
		w.node.link.cut()
	}
	if !w.silent {
		w.logger.Warn("Postgres is not used because its health check failed", "server", w.node.role, "error", err)
	}
	w.up, w.silent = false, true
}

// recovered admits queries again, once connections are open.
func (w *watch) recovered(ctx context.Context) {
	w.node.pool.Load().Reset()
	w.node.link.restore()
	if w.node.role == RoleReplica { // the primary gets queries already, which this would delay
		warming, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		if err := w.node.connectAll(warming); err != nil {
			w.failed(err)
			return
		}
	}
	w.up, w.silent = true, false
	w.changed(true, nil)
	w.logger.Info("Postgres is used", "server", w.node.role, "connections", w.node.size.Load())
}

func (w *watch) disconnect() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond) // it may be frozen
	defer cancel()
	w.conn.Close(ctx)
	w.conn = nil
}

// primarySQL asks for the flushed LSN, because only that much is sent to a replica.
const primarySQL = `SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint`

const replicaSQL = `SELECT pg_is_in_recovery(), coalesce((pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, 0),
       (SELECT system_identifier FROM pg_control_system())`

var errPromoted = errors.New("it is not a replica, or no longer: it is not in recovery")

// askReplica returns the replica's LSN, and refuses a server that is not a replica of the primary.
func askReplica(ctx context.Context, conn *pgx.Conn, primary int64) (replayed LSN, err error) {
	var recovering bool
	var cluster int64
	if err := conn.QueryRow(ctx, replicaSQL).Scan(&recovering, &replayed, &cluster); err != nil {
		return 0, err
	}
	switch {
	case cluster != primary:
		return 0, fmt.Errorf("it belongs to another cluster (system identifier %d, the primary's is %d): set the "+
			"replica's address to that of a replica of this primary", cluster, primary)
	case !recovering:
		return 0, errPromoted
	}
	return replayed, nil
}
