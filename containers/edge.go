package containers

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// The edges that Options.Edge may name.
const (
	EdgeVarnish = "varnish"
	EdgeNginx   = "nginx"
)

//go:embed edge.vcl.tmpl
var varnishConfig string

//go:embed edge.conf.tmpl
var nginxEdgeConfig string

// edgeMemory bounds what Varnish caches.
const edgeMemory = "256m"

var edges = []front{
	{
		name: EdgeVarnish, title: "Varnish", program: "varnishd", image: "varnish:stable", user: "varnish",
		configFile: "edge.vcl", config: template.Must(template.New("varnish").Parse(varnishConfig)), args: varnishArgs,
		askVersion: "-V",
	},
	{
		name: EdgeNginx, title: "nginx", program: "nginx", image: "nginx:stable", user: "nginx",
		configFile: "edge.conf", config: template.Must(template.New("edge").Parse(nginxEdgeConfig)), args: nginxArgs,
		askVersion: "-v",
	},
}

// varnishArgs start a Varnish that drops no privileges, because it is started without any. Its threads add to its
// counters after each request: by default they do when a connection rests, which under load is seconds late.
func varnishArgs(dir, config, address string) []string {
	return []string{
		"-F", "-a", address, "-f", config, "-n", filepath.Join(dir, varnishDir), "-s", "malloc," + edgeMemory, "-j",
		"none", "-l", "8m", "-p", "timeout_linger=0", "-p", "thread_stats_rate=1",
	}
}

// varnishDir is where Varnish has its counters, below the directory that it runs in.
const varnishDir = "varnish"

// edging is what the configuration of an edge is made of.
type edging struct {
	place
	Origin                 string // host:port
	OriginHost, OriginPort string
	Header                 string
}

// StartEdge starts the edge that the options named before an origin, host:port on loopback, waits until it answers, and
// sets EdgeURL and Edge. It caches what the origin lets shared caches keep, for each value of what Vary names, and is
// stopped with the environment.
func (e *Environment) StartEdge(ctx context.Context, origin string) error {
	f, err := frontByName(edges, "edge", e.options.Edge)
	if err != nil {
		return err
	}
	where, err := newPlace("")
	if err != nil {
		return err
	}
	values := edging{Origin: origin, Header: InstanceHeader}
	values.OriginHost, values.OriginPort, err = net.SplitHostPort(origin)
	if err != nil {
		return fmt.Errorf("start the edge: %w", err)
	}
	started, err := e.startFront(ctx, TargetEdge, f, e.options.EdgeImage, where, func(at place) any {
		values.place = at
		return values
	})
	if err != nil {
		return err
	}
	e.edge, e.EdgeURL, e.Edge = started, started.url, started.server
	return nil
}

// EdgeCounts are the requests that the edge has looked up in its cache since it was started: those that it answered
// from there, also with what was stale, and those that it had to ask the origin for. Requests that it does not look up,
// such as POSTs, are in neither.
func (e *Environment) EdgeCounts(ctx context.Context) (hits, misses int64, err error) {
	count := e.edge.nginxCounts
	if e.options.Edge == EdgeVarnish {
		count = e.edge.varnishCounts
	}
	hits, misses, err = count(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask the edge for its counters: %w", err)
	}
	return hits, misses, nil
}

// varnishCounts are Varnish's own counters.
func (s startedFront) varnishCounts(ctx context.Context) (hits, misses int64, err error) {
	out, err := s.run(ctx, "varnishstat", "-1", "-j", "-n", filepath.Join(s.dir, varnishDir), "-f",
		"MAIN.cache_hit", "-f",
		"MAIN.cache_miss")
	if err != nil {
		return 0, 0, err
	}
	return readVarnishStat(out)
}

// readVarnishStat reads the output of varnishstat -j.
func readVarnishStat(text string) (hits, misses int64, err error) {
	var stat struct {
		Counters map[string]struct{ Value int64 }
	}
	if err := json.Unmarshal([]byte(text), &stat); err != nil {
		return 0, 0, fmt.Errorf("varnishstat: %w", err)
	}
	hit, okHit := stat.Counters["MAIN.cache_hit"]
	miss, okMiss := stat.Counters["MAIN.cache_miss"]
	if !okHit || !okMiss {
		return 0, 0, errors.New("varnishstat does not tell MAIN.cache_hit and MAIN.cache_miss")
	}
	return hit.Value, miss.Value, nil
}

// nginxCounts are the lines of the files to which nginx writes one for each request.
func (s startedFront) nginxCounts(ctx context.Context) (hits, misses int64, err error) {
	const line = 2 // bytes
	files := []string{filepath.Join(s.dir, "edge_hits"), filepath.Join(s.dir, "edge_misses")}
	sizes := make([]int64, len(files))
	for i, file := range files {
		sizes[i], err = s.size(ctx, file)
		if err != nil {
			return 0, 0, err
		}
	}
	return sizes[0] / line, sizes[1] / line, nil
}

// size is that of a file where the front runs.
func (s startedFront) size(ctx context.Context, file string) (int64, error) {
	if s.server.Image == "" {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	out, err := s.run(ctx, "stat", "-c", "%s", file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(out), 10, 64)
}
