package containers

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Names of caches, as Server.Name has them.
const (
	nameDragonfly = "Dragonfly"
	nameValkey    = "Valkey"
	nameRedis     = "Redis"
	nameMiniredis = "miniredis"
)

// Bounds of the wait for a server that was just started.
const (
	startLimit  = 60 * time.Second
	askLimit    = 5 * time.Second
	askInterval = 20 * time.Millisecond
	// settleTime is more than a server takes from its start to finding its port taken.
	settleTime = 300 * time.Millisecond
)

// awaitServer asks a server what it is until it answers. It gives up when alive reports that the server has ended, when
// ctx ends, or after startLimit.
func awaitServer(ctx context.Context, ask func(context.Context) (Server, error),
	alive func(context.Context) error,
) (Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer cancel()
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for {
		server, err := ask(ctx)
		if ctx.Err() != nil {
			return Server{}, context.Cause(ctx)
		}
		if dead := alive(ctx); dead != nil {
			return Server{}, dead
		}
		if err == nil {
			return server, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Server{}, fmt.Errorf("%w (the last attempt: %w)", context.Cause(ctx), err)
		}
	}
}

// withPostgres lets ask use a connection of its own to a PostgreSQL, for limit at the most.
func withPostgres(ctx context.Context, url string, limit time.Duration,
	ask func(context.Context, *pgx.Conn) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return ask(ctx, conn)
}

// identifyPostgres asks a server for its name and version, and whether it is a standby.
func identifyPostgres(ctx context.Context, url string) (s Server, err error) {
	err = withPostgres(ctx, url, askLimit, func(ctx context.Context, conn *pgx.Conn) error {
		var version string
		const question = "SELECT version(), current_setting('server_version'), pg_is_in_recovery()"
		if err := conn.QueryRow(ctx, question).Scan(&s.Answer, &version, &s.Standby); err != nil {
			return fmt.Errorf("ask PostgreSQL for its version: %w", err)
		}
		s.Name, s.Version = firstField(s.Answer), firstField(version)
		return nil
	})
	return s, err
}

// identifyCache connects, pings, and asks the server for its name and version.
func identifyCache(ctx context.Context, url string) (Server, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	client, err := dialCache(ctx, url)
	if err != nil {
		return Server{}, err
	}
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx).Err(); err != nil {
		return Server{}, fmt.Errorf("ping the cache: %w", err)
	}
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return Server{}, fmt.Errorf("ask the cache what it is (INFO server): %w", err)
	}
	return serverOfInfo(info)
}

// dialCache makes a client with one plain connection. It dials once by itself, because go-redis logs every dial that
// fails, and while a server starts some must.
func dialCache(ctx context.Context, url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The cause is not wrapped: it may quote the address with the password in it.
		return nil, fmt.Errorf("the cache's address must have the form redis://[user:password@]host:port/database")
	}
	conn, err := new(net.Dialer).DialContext(ctx, options.Network, options.Addr)
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	options.Protocol, options.PoolSize, options.MaxRetries, options.DisableIdentity = 2, 1, -1, true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(options), nil
}

// serverOfInfo reads the answer to INFO server. Dragonfly and Valkey also give a redis_version, for clients that insist
// on one, so their own lines come first.
func serverOfInfo(info string) (Server, error) {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	pid, _ := strconv.Atoi(fields["process_id"]) // 0 when it is not there
	for _, known := range []struct{ field, name string }{
		{"dragonfly_version", nameDragonfly}, {"valkey_version", nameValkey}, {"redis_version", nameRedis},
	} {
		if value, found := fields[known.field]; found {
			version := strings.TrimPrefix(strings.TrimPrefix(value, "df-"), "v") // Dragonfly's is df-v1.40.1
			return Server{Name: known.name, Version: version, Answer: known.field + ":" + value, pid: pid}, nil
		}
	}
	return Server{}, fmt.Errorf("the cache's answer to INFO server names no version of Dragonfly, Valkey or "+
		"Redis: %.200q", info)
}

// settle waits a moment before the question whether a server without a password is still alive: until it has found its
// port taken, whoever has taken it answers in its place.
func settle(ctx context.Context) error {
	select {
	case <-time.After(settleTime):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func firstField(s string) string {
	first, _, _ := strings.Cut(s, " ")
	return first
}
