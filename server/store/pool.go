package store

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectionSettings are sent with the startup message, so that every connection of a pool has them. (A SET through the
// pool would reach only one connection.) Times are in milliseconds. The timeouts of the options come besides.
var connectionSettings = map[string]string{
	"application_name":                    "headroom",
	"idle_in_transaction_session_timeout": "10000",
	// Queries are short and cores few: JIT compilation or parallel workers would cost more than they save.
	"jit":                             "off",
	"max_parallel_workers_per_gather": "0",
	// Indexes and active rows are in memory, others on flash. The default, 4, is for rotating disks: with it the
	// planner walks through thousands of rows of a list to avoid fetching a few hundred.
	"random_page_cost": "1.1",
}

// hotStatements are prepared on every connection before it is used, so that no request pays for that and no other
// statement evicts them. They must be exactly the strings that are run.
func hotStatements() []string {
	firstPage := listStatement(&ListQuery{Limit: 1}).String()
	return []string{getSQL, getGroupSQL, firstPage, getPolicySQL, insertSQL, createSQL, replaceSQL, deleteSQL}
}

// connectTimeout bounds connecting, unless the URL has a connect_timeout.
const connectTimeout = 2 * time.Second

// newNode makes a node with a pool of o.MaxConns connections, none of them open yet.
func newNode(ctx context.Context, role, url string, o *Options, queries *queryTimes) (*node, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the URL of the Postgres %s: %w", role, err)
	}
	for name, value := range connectionSettings {
		config.ConnConfig.RuntimeParams[name] = value
	}
	config.ConnConfig.RuntimeParams["statement_timeout"] = milliseconds(o.StatementTimeout)
	config.ConnConfig.RuntimeParams["lock_timeout"] = milliseconds(o.LockTimeout)
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	// The pool has a fixed size, because opening a connection takes milliseconds, just when the load is highest.
	config.MaxConns = int32(o.MaxConns)
	config.MinConns = int32(o.MaxConns)
	config.MaxConnLifetimeJitter = 10 * time.Minute
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	link := &link{}
	config.ConnConfig.DialFunc = link.dial
	tracer := &queryTracer{queries: queries, get: queries.named[getResource], replica: role == RoleReplica}
	config.ConnConfig.Tracer = tracer
	config.AfterConnect = tracer.prepareConnection
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections to the %s: %w", role, err)
	}
	n := &node{role: role, link: link, breaker: newBreaker(role)}
	n.pool.Store(pool)
	n.size.Store(int32(o.MaxConns))
	return n, nil
}

// prepareConnection makes a new connection ready for its first query.
func (t *queryTracer) prepareConnection(ctx context.Context, conn *pgx.Conn) error {
	state := &connState{tracer: t}
	for _, sql := range hotStatements() {
		statement, err := conn.Prepare(ctx, sql, sql)
		if err != nil {
			return fmt.Errorf("prepare a statement (has the database been migrated?): %w", err)
		}
		switch sql {
		case getSQL:
			state.get = statement
		case getGroupSQL:
			state.getGroup = statement
		}
	}
	conn.PgConn().CustomData()[connStateKey] = state
	return nil
}

// freeSQL asks for the connections that a pool may take. reserved_connections came with Postgres 16.
const freeSQL = `
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int
       - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int`

const clusterSQL = `
SELECT system_identifier, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint FROM pg_control_system()`

// serverFacts are what is asked of the primary before anything is built on it.
type serverFacts struct {
	free int // connections that nobody has taken
	// Of a primary with a replica: the cluster, which the replica must have in common, and the position of the log.
	cluster  int64
	position LSN
}

func askPrimary(ctx context.Context, url string, replicated bool) (facts serverFacts, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return facts, fmt.Errorf("parse the URL of the Postgres primary: %w", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return facts, fmt.Errorf("connect to Postgres (is it running?): %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := conn.QueryRow(ctx, freeSQL).Scan(&facts.free); err != nil {
		return facts, fmt.Errorf("ask Postgres for its free connections: %w", err)
	}
	if !replicated {
		return facts, nil
	}
	if err := conn.QueryRow(ctx, clusterSQL).Scan(&facts.cluster, &facts.position); err != nil {
		return facts, fmt.Errorf("ask Postgres where its log is (is %s:%d the primary?): %w", config.Host,
			config.Port, err)
	}
	return facts, nil
}

const minPool = 2

// wantedPool returns as many connections as the CPUs can use. Measured on two cores: 8 to 16 connections give the
// highest throughput; with 64, the slowest one percent waits 60 ms.
func wantedPool(cpus int) int { return min(max(4*cpus, 8), 64) }

// poolSize returns as many connections as the CPUs can use, but at most half of the server's free ones, so that a
// second instance can start while this one runs. It returns an error when fewer than the minimum are free.
func poolSize(cpus, free int) (int, error) {
	size := min(wantedPool(cpus), free/2)
	if size < minPool {
		return 0, fmt.Errorf("there are %d connections free in Postgres, and half of them are too few: "+
			"raise its max_connections, stop other clients, or set the pool's size yourself", free)
	}
	return size, nil
}

// sized returns o with a pool size.
func (o Options) sized(free int) (Options, error) {
	if o.MaxConns > 0 {
		return o, nil
	}
	var err error
	o.MaxConns, err = poolSize(runtime.NumCPU(), free)
	return o, err
}
