package containers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/alicebob/miniredis/v2"
)

// startMiniredis starts a cache inside this process, if the machine has no cache server.
func (w *workshop) startMiniredis(ctx context.Context, env *Environment, o Options) (err error) {
	o.Progress("starting cache (miniredis in this process)")
	env.CacheURL, env.Cache, err = w.dialMiniredis(ctx)
	if err != nil {
		return fmt.Errorf("start the cache: %w", err)
	}
	env.breakable(TargetCache, miniredisServer{w.miniredis})
	env.Warnings = append(env.Warnings, "the cache is miniredis inside the process of the load generator: "+
		"its CPU time counts as the generator's, and its latencies are not those of a real cache")
	return nil
}

func (w *workshop) dialMiniredis(ctx context.Context) (string, Server, error) {
	cache := miniredis.NewMiniRedis()
	if err := cache.StartAddr(loopback + ":0"); err != nil {
		return "", Server{}, err
	}
	w.miniredis = cache
	cache.ClockTTL(true) // otherwise keys never expire by themselves
	url := "redis://" + cache.Addr() + "/0"
	client, err := dialCache(ctx, url)
	if err != nil {
		return "", Server{}, err
	}
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx).Err(); err != nil {
		return "", Server{}, fmt.Errorf("ping the cache: %w", err)
	}
	version := miniredisVersion()
	return url, Server{
		Name: nameMiniredis, Version: version,
		Answer: "github.com/alicebob/miniredis/v2 " + version + " (a library; it does not answer INFO server)",
	}, nil
}

// miniredisServer injects faults into a cache inside this process.
type miniredisServer struct{ cache *miniredis.Miniredis }

func (m miniredisServer) kill(context.Context) error {
	m.cache.Close()
	return nil
}

// restart brings it back empty, as a server that keeps nothing on disk.
func (m miniredisServer) restart(context.Context) error {
	m.cache.Close()
	m.cache.FlushAll()
	return m.cache.Restart()
}

func (miniredisServer) pause(context.Context) error { return errMiniredisPause }

func (miniredisServer) resume(context.Context) error { return errMiniredisPause }

var errMiniredisPause = errors.New("a cache inside this process cannot be paused; use provider process or docker")

// miniredisVersion is what this program was built with; empty if the build does not say.
func miniredisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/alicebob/miniredis/v2" {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return ""
}
