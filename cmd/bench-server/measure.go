package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/fixtures"
)

const (
	connections = 32
	// batchClients are fewer: an answer to each of 32 would take longer than a short measurement.
	batchClients = 4
	seed         = 1
	// leastShare is the least part of the requests that the level that is meant must have answered.
	leastShare = 0.99
	// primingRounds bounds how often keys are asked for until the level that is meant has them.
	primingRounds = 20
)

// warmSeconds is how long a contender is asked before it is measured. The test sets it to 0.
var warmSeconds = 1

//go:embed wrk.lua
var wrkScript []byte

// bench is one run.
type bench struct {
	options
	self, dir  string
	log        *os.File
	servers    *containers.Environment
	cache      *redis.Client
	tenant     string
	paths      []string // of all resources, in an order that is not that of the table
	pathsFile  string
	itemBodies map[string][]byte // of those in the cache server, by path
	list       []byte
	batches    int
	started    time.Time
}

// result is one measurement.
type result struct {
	rate       float64 // requests a second
	cpu        time.Duration
	p50, p99   time.Duration
	memory     int64   // resident bytes at the end
	disturbed  float64 // see sidebyside.Disturbance
	levelShare float64 // of the requests, answered by the level that is meant
}

// measured is a contender with its measurements, one a round.
type measured struct {
	*contender
	results []result
	fault   error // why one of them is not there; it wraps errInvalid
}

// measure lets every contender take its turn in every round.
func measure(ctx context.Context, o options, say func(string)) (rows []*measured, err error) {
	if err := sidebyside.CheckMachine(); err != nil {
		return nil, err
	}
	if err := sidebyside.LeaveServerCPU(); err != nil {
		return nil, err
	}
	for _, c := range contenders {
		if o.wants(c) {
			rows = append(rows, &measured{contender: c})
		}
	}
	if rows == nil {
		return nil, fmt.Errorf("--only %s selects no contender", o.only)
	}
	b := &bench{options: o, started: time.Now()}
	defer func() { err = errors.Join(err, b.close(ctx, err)) }()
	if err := b.prepare(ctx, say); err != nil {
		return nil, err
	}
	for round := range o.rounds {
		for i := range rows {
			row := rows[(i+round)%len(rows)] // another one begins each round
			r, err := b.turn(ctx, row.contender)
			switch {
			case errors.Is(err, errInvalid):
				row.fault = err
				say(fmt.Sprintf("%s (%s): %v", row.name, row.group, err))
				continue
			case err != nil:
				return nil, fmt.Errorf("%s (%s): %w", row.name, row.group, err)
			}
			row.results = append(row.results, r)
			say(fmt.Sprintf("round %d: %-28s %-36s %9.0f requests/s", round+1, row.group, row.name, r.rate))
		}
	}
	return rows, nil
}

// prepare starts Postgres and the cache server, loads the fixture and takes the bodies that the peers serve from a
// server of ours.
func (b *bench) prepare(ctx context.Context, say func(string)) (err error) {
	b.self, err = os.Executable()
	if err != nil {
		return err
	}
	// Readable by the user as which nginx may run.
	b.dir, err = os.MkdirTemp("/tmp", "bench-server-")
	if err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	b.log, err = os.Create(filepath.Join(b.dir, "servers.log"))
	if err != nil {
		return err
	}
	// Processes, because they inherit the CPUs that this process is bound to.
	b.servers, err = containers.Start(ctx, containers.Options{Provider: "process", Progress: say})
	if err != nil {
		return err
	}
	say(fmt.Sprintf("%s %s, %s %s", b.servers.Postgres.Name, b.servers.Postgres.Version, b.servers.Cache.Name,
		b.servers.Cache.Version))
	fixture := fixtures.Options{Seed: seed, Resources: b.resources}
	if _, err := fixtures.Load(ctx, b.servers.PostgresURL, fixture); err != nil {
		return err
	}
	if err := b.writePaths(fixture); err != nil {
		return err
	}
	address, err := redis.ParseURL(b.servers.CacheURL)
	if err != nil {
		return err
	}
	b.cache = redis.NewClient(address)
	return b.takeBodies(ctx)
}

func (b *bench) writePaths(fixture fixtures.Options) error {
	tenants, err := fixtures.Keys("tenant_id", fixture)
	if err != nil {
		return err
	}
	b.tenant = string(tenants.Append(nil, 0))
	ids, err := fixtures.Keys("resource_id", fixture)
	if err != nil {
		return err
	}
	b.paths = make([]string, ids.Len)
	for i := range b.paths {
		b.paths[i] = string(ids.Append([]byte(itemRoute), i))
	}
	b.pathsFile = filepath.Join(b.dir, "paths")
	if err := os.WriteFile(b.pathsFile, []byte(strings.Join(b.paths, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "wrk.lua"), wrkScript, 0o644)
}

func (b *bench) takeBodies(ctx context.Context) error {
	r, err := b.start(ctx, &contender{name: "ours", serve: "ours"})
	if err != nil {
		return err
	}
	defer r.child.Stop(ctx)
	b.itemBodies = map[string][]byte{}
	for _, path := range b.paths[:min(cacheKeys, len(b.paths))] {
		b.itemBodies[path], _, err = b.get(ctx, r.url+path)
		if err != nil {
			return err
		}
	}
	b.list, _, err = b.get(ctx, r.url+listPath)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, itemFile), b.itemBodies[b.paths[0]], 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, listFile), b.list, 0o644)
}

// close removes everything. The log stays when there was an error.
func (b *bench) close(ctx context.Context, failed error) error {
	var faults []error
	if b.cache != nil {
		faults = append(faults, b.cache.Close())
	}
	if b.servers != nil {
		faults = append(faults, b.servers.Stop(ctx))
	}
	if b.log != nil {
		faults = append(faults, b.log.Close())
	}
	if b.dir != "" && failed == nil {
		faults = append(faults, os.RemoveAll(b.dir))
	}
	return errors.Join(faults...)
}

// turn starts a contender's server, warms it up, measures it and stops it.
func (b *bench) turn(ctx context.Context, c *contender) (result, error) {
	if err := b.fillCache(ctx, c); err != nil {
		return result{}, err
	}
	r, err := b.start(ctx, c)
	if err != nil {
		return result{}, err
	}
	defer r.child.Stop(ctx)
	if err := b.checkBytes(ctx, c, r); err != nil {
		return result{}, err
	}
	if err := b.prime(ctx, c, r); err != nil {
		return result{}, err
	}
	warm := warmSeconds
	if c.keys == newBatch {
		warm = 2 // a new instance of ours waits for a second before it acknowledges its first change
	}
	if warm > 0 {
		_, _, err := b.wrk(ctx, c, r, warm, false)
		if err != nil {
			return result{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	return b.measureOnce(ctx, c, r)
}

// fillCache empties the cache server, and gives it the peer's values for the peer.
func (b *bench) fillCache(ctx context.Context, c *contender) error {
	if err := b.cache.FlushAll(ctx).Err(); err != nil {
		return err
	}
	if c.serve != "redis" {
		return nil
	}
	var pairs []any
	for path, body := range b.itemBodies {
		pairs = append(pairs, redisPeerKey+strings.TrimPrefix(path, itemRoute), body)
	}
	return b.cache.MSet(ctx, pairs...).Err()
}

// checkBytes holds that a contender serves what the others serve.
func (b *bench) checkBytes(ctx context.Context, c *contender, r *running) error {
	want := b.itemBodies[b.paths[0]]
	switch c.keys {
	case newBatch:
		return nil
	case oneList:
		want = b.list
	}
	got, _, err := b.get(ctx, r.url+c.path(b))
	if err == nil && !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		err = fmt.Errorf("it serves other bytes than ours from byte %d on: %.80q, not %.80q", at, got[at:], want[at:])
	}
	return err
}

// prime asks for keys until the level that is meant has them all.
func (b *bench) prime(ctx context.Context, c *contender, r *running) error {
	paths := c.primed(b)
	for range primingRounds {
		var others int
		for _, path := range paths {
			_, level, err := b.get(ctx, r.url+path)
			if err != nil {
				return err
			}
			if level != c.level {
				others++
			}
		}
		if others <= len(paths)/1000 {
			return nil
		}
	}
	return fmt.Errorf("%w: after %d times, level %s does not have the keys yet", errInvalid, primingRounds, c.level)
}

func (b *bench) measureOnce(ctx context.Context, c *contender, r *running) (out result, err error) {
	var hitsBefore, hitsAfter served
	if c.level != "" {
		hitsBefore, err = r.served(ctx)
		if err != nil {
			return out, err
		}
	}
	before, err := sidebyside.ReadUsage()
	if err != nil {
		return out, err
	}
	load, client, err := b.wrk(ctx, c, r, b.seconds, true)
	if err != nil {
		return out, err
	}
	after, err := sidebyside.ReadUsage()
	if err != nil {
		return out, err
	}
	if c.level != "" {
		hitsAfter, err = r.served(ctx)
		if err != nil {
			return out, err
		}
		out.levelShare = share(hitsBefore, hitsAfter, c.level)
		if out.levelShare < leastShare && c.keys != hotItems { // there, what the server chooses to keep is a part of it
			return out, fmt.Errorf("%w: level %s answered %.1f %% of the requests; by level there were %v before "+
				"and %v after",
				errInvalid, c.level, 100*out.levelShare, hitsBefore, hitsAfter)
		}
	}
	if c.keys == newItems && load.Requests > len(b.paths)-len(b.paths)/5 {
		return out, fmt.Errorf("%w: keys were asked for twice; give more --resources", errInvalid)
	}
	pid := r.child.Pid()
	out.rate = float64(load.Requests) / (float64(load.Micros) / 1e6)
	out.cpu = (after.Processes[pid] - before.Processes[pid]) / time.Duration(load.Requests)
	out.p50, out.p99 = time.Duration(load.P50)*time.Microsecond, time.Duration(load.P99)*time.Microsecond
	out.disturbed = sidebyside.Disturbance(before, after, client)
	out.memory, err = sidebyside.ResidentBytes(pid)
	return out, err
}

// wrkResult is the line that wrk.lua prints.
type wrkResult struct {
	Requests, Micros, Failed, P50, P99 int
}

func (b *bench) wrk(ctx context.Context, c *contender, r *running, seconds int, measure bool) (wrkResult, time.Duration,
	error,
) {
	tenant, clients := b.tenant, connections
	if c.keys == newBatch {
		tenant = batchTenant // the lists of the other contenders must not change
		clients = batchClients
	}
	args := []string{
		"-c", sidebyside.ClientCPU, "wrk", "-t1", fmt.Sprintf("-c%d", clients), fmt.Sprintf("-d%ds", seconds),
		"--latency",
		"-s", filepath.Join(b.dir, "wrk.lua"), "-H", "X-Tenant-ID: " + tenant,
	}
	if c.keys == newBatch {
		args = append(args, "-H", "Content-Type: application/json")
	}
	args = append(append(args, r.url+c.path(b), "--"), c.load(b, measure)...)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "taskset", args...)
	out, err := command.CombinedOutput()
	if err != nil {
		return wrkResult{}, 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	_, line, _ := bytes.Cut(out, []byte("\n@"))
	var w wrkResult
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&w); err != nil {
		return w, 0, fmt.Errorf("wrk said %s: %w", out, err)
	}
	if w.Failed > 0 || w.Requests == 0 {
		return w, 0, fmt.Errorf("%d of %d requests failed: %s", w.Failed, w.Requests, out)
	}
	state := command.ProcessState
	return w, state.UserTime() + state.SystemTime(), nil
}
