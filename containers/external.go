package containers

import (
	"context"
	"errors"
	"fmt"
)

func checkExternal(ctx context.Context, o Options) (string, error) {
	postgres, cache, err := identifyExternal(ctx, o)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s, %s %s", postgres.Name, postgres.Version, cache.Name, cache.Version), nil
}

func startExternal(ctx context.Context, o Options) (*Environment, error) {
	postgres, cache, err := identifyExternal(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Environment{PostgresURL: o.PostgresURL, CacheURL: o.CacheURL, Postgres: postgres, Cache: cache}, nil
}

func identifyExternal(ctx context.Context, o Options) (postgres, cache Server, err error) {
	unavailable := func(detail, todo string) error {
		return &UnavailableError{Provider: providerExternal, Detail: detail, Todo: todo}
	}
	if o.PostgresURL == "" || o.CacheURL == "" {
		return postgres, cache, unavailable("it needs the addresses of both servers",
			"give postgres://user:password@host:port/database and redis://host:port/0 of servers that run")
	}
	const todo = "start the server, or correct its address"
	postgres, err = identifyPostgres(ctx, o.PostgresURL)
	if err != nil {
		return postgres, cache, errors.Join(ctx.Err(), unavailable("PostgreSQL: "+err.Error(), todo))
	}
	cache, err = identifyCache(ctx, o.CacheURL)
	if err != nil {
		return postgres, cache, errors.Join(ctx.Err(), unavailable("cache: "+err.Error(), todo))
	}
	return postgres, cache, nil
}
