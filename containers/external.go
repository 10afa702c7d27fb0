package containers

import (
	"context"
	"errors"
	"fmt"
)

func checkExternal(ctx context.Context, o Options) (string, error) {
	env, err := identifyExternal(ctx, o)
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%s %s, %s %s", env.Postgres.Name, env.Postgres.Version, env.Cache.Name, env.Cache.Version)
	if env.ReplicaURL != "" {
		detail += ", replica " + env.Replica.Version
	}
	return detail, nil
}

func startExternal(ctx context.Context, o Options) (*Environment, error) {
	env, err := identifyExternal(ctx, o)
	if err != nil {
		return nil, err
	}
	if o.Replica && o.ReplicaURL == "" {
		env.Warnings = append(env.Warnings,
			"there is no replica: provider external got no address of one and does not start one, so all reads go to "+
				"the primary")
	}
	return env, nil
}

func identifyExternal(ctx context.Context, o Options) (env *Environment, err error) {
	unavailable := func(detail, todo string) error {
		return &UnavailableError{Provider: providerExternal, Detail: detail, Todo: todo}
	}
	if o.PostgresURL == "" || o.CacheURL == "" {
		return nil, unavailable("it needs the addresses of both servers",
			"give the addresses of running servers: postgres://user:password@host:port/database and "+
				"redis://host:port/0")
	}
	const todo = "start the server, or correct its address"
	env = &Environment{PostgresURL: o.PostgresURL, CacheURL: o.CacheURL, ReplicaURL: o.ReplicaURL}
	env.Postgres, err = identifyPostgres(ctx, o.PostgresURL)
	if err != nil {
		return nil, errors.Join(ctx.Err(), unavailable("PostgreSQL: "+err.Error(), todo))
	}
	if env.Postgres.Standby {
		return nil, unavailable("PostgreSQL: the server is a replica: pg_is_in_recovery() is true",
			"give the address of the primary")
	}
	env.Cache, err = identifyCache(ctx, o.CacheURL)
	if err != nil {
		return nil, errors.Join(ctx.Err(), unavailable("cache: "+err.Error(), todo))
	}
	if o.ReplicaURL == "" {
		return env, nil
	}
	env.Replica, err = identifyReplica(ctx, o.ReplicaURL)
	if err != nil {
		return nil, errors.Join(ctx.Err(), unavailable("replica: "+err.Error(), todo))
	}
	return env, nil
}
