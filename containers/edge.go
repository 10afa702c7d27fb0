package containers

import (
	"context"
	_ "embed"
	"encoding/json"
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
		// What the origin does not let it keep or serve stale is not kept.
		"-p", "default_ttl=0", "-p", "default_grace=0", "-p", "default_keep=0",
	}
}

// varnishDir is where Varnish has its counters, below the directory that it runs in.
const varnishDir = "varnish"

// edging is what the configuration of an edge is made of.
type edging struct {
	place
	Origin                 string // host:port
	OriginHost, OriginPort string
	Token                  string
	Header                 string
}

// EdgeSpec says where an edge is, and what stands behind it.
type EdgeSpec struct {
	// Address is where it listens, as host:port; empty means a free port of loopback.
	Address string
	// Origin is what answers what the edge cannot, host:port on loopback.
	Origin string
	// Token is the secret by which Varnish accepts invalidations, of characters that need no quotes; without one it
	// accepts none. (nginx never does.)
	Token string
}

// StartEdge starts the edge that the options named, waits until it answers, and adds it to EdgeURLs. It keeps what the
// origin lets shared caches keep, for each value of what Vary names; Varnish only what has a Surrogate-Key that is the
// one of the request. It may be called several times. The edges are stopped with the environment.
func (e *Environment) StartEdge(ctx context.Context, spec EdgeSpec) error {
	f, err := frontByName(edges, "edge", e.options.Edge)
	if err != nil {
		return err
	}
	where, err := newPlace(spec.Address)
	if err != nil {
		return err
	}
	values := edging{Origin: spec.Origin, Token: spec.Token, Header: InstanceHeader}
	values.OriginHost, values.OriginPort, err = net.SplitHostPort(spec.Origin)
	if err != nil {
		return fmt.Errorf("start the edge: %w", err)
	}
	started, err := e.startFront(ctx, EdgeTarget(len(e.edges)), f, e.options.EdgeImage, where, func(at place) any {
		values.place = at
		return values
	})
	if err != nil {
		return err
	}
	e.edges = append(e.edges, &runningEdge{startedFront: started, varnish: e.options.Edge == EdgeVarnish})
	e.EdgeURLs, e.Edge = append(e.EdgeURLs, started.url), started.server
	return nil
}

// EdgeTarget names the edges in the order in which they were started: edge, edge-2, edge-3. n counts from 0.
func EdgeTarget(n int) Target {
	if n == 0 {
		return TargetEdge
	}
	return Target(fmt.Sprintf("%s-%d", TargetEdge, n+1))
}

// EdgeCounts are the requests that the edges have looked up in their caches since they were started: those that they
// answered from there, also with what was stale, and those that they had to ask the origin for. Requests that are not
// looked up, such as POSTs, are in neither.
func (e *Environment) EdgeCounts(ctx context.Context) (hits, misses int64, err error) {
	for _, edge := range e.edges {
		n, err := edge.counts(ctx)
		if err != nil {
			return 0, 0, fmt.Errorf("ask the edge for its counters: %w", err)
		}
		hits, misses = hits+n.hits, misses+n.misses
	}
	return hits, misses, nil
}

// varnishCounts are made of Varnish's own counters. Those of lookups are of no use, because the configuration looks
// each request up more than once.
func (s startedFront) varnishCounts(ctx context.Context) (hits, misses int64, err error) {
	args := []string{"-1", "-j", "-n", filepath.Join(s.dir, varnishDir)}
	for _, name := range varnishNames {
		args = append(args, "-f", name)
	}
	out, err := s.run(ctx, "varnishstat", args...)
	if err != nil {
		return 0, 0, err
	}
	return readVarnishStat(out)
}

// Counters of Varnish: the requests of clients; those of them that were not looked up because they were passed to the
// backend direct, became a pipe, or were answered by Varnish itself; the requests to the backend origin; and those of
// them that no client waited for.
const (
	varnishRequests   = "MAIN.client_req"
	varnishPassed     = "MAIN.s_pass"
	varnishPiped      = "MAIN.s_pipe"
	varnishSynthetic  = "MAIN.s_synth"
	varnishFetched    = "VBE.boot.origin.req"
	varnishBackground = "MAIN.s_bgfetch"
)

var varnishNames = []string{
	varnishRequests, varnishPassed, varnishPiped, varnishSynthetic, varnishFetched, varnishBackground,
}

// readVarnishStat reads the output of varnishstat -j.
func readVarnishStat(text string) (hits, misses int64, err error) {
	var stat struct {
		Counters map[string]struct{ Value int64 }
	}
	if err := json.Unmarshal([]byte(text), &stat); err != nil {
		return 0, 0, fmt.Errorf("varnishstat: %w", err)
	}
	count := map[string]int64{}
	for _, name := range varnishNames {
		c, ok := stat.Counters[name]
		if !ok {
			return 0, 0, fmt.Errorf("varnishstat does not tell %s", name)
		}
		count[name] = c.Value
	}
	lookedUp := count[varnishRequests] - count[varnishPassed] - count[varnishPiped] - count[varnishSynthetic]
	misses = count[varnishFetched] - count[varnishBackground]
	return max(0, lookedUp-misses), max(0, misses), nil // the counters are not of one instant
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
