package main

import "fmt"

// The groups: contenders of one group do the same work and are compared with the first of it.
const (
	groupItem     = "1 KB from memory"
	groupList     = "list of 20 from memory"
	groupCache    = "1 KB from the cache server"
	groupDatabase = "1 KB from Postgres"
	groupBatch    = "insert 100"
)

const (
	listRoute    = "/api/v1/resources"
	itemRoute    = "/api/v1/resources/"
	listPath     = listRoute + "?limit=20"
	batchPath    = listRoute + "/batch"
	redisPeerKey = "bench-server:"
)

const (
	// cacheKeys is how many resources the contenders of the cache server are asked for: enough that an L1 of a few
	// kilobytes never has the one that is asked for, few enough for the cache server.
	cacheKeys = 2000
	// tinyL1 holds two or three resources.
	tinyL1 = "4096"
	// postgresConns is the size of every pool.
	postgresConns = 8
	batchSize     = 100
	batchTenant   = "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"
)

// contender is a server and what it is asked for.
type contender struct {
	name, group string
	serve       string   // the argument of serve; empty for nginx
	env         []string // beside the addresses
	keys        keys
	// level is the cache level that is meant to answer; empty for peers. A measurement in which another one answered
	// more than one request in a hundred is not valid.
	level string
	// aim is the least ratio to the first of the group; 0 for none.
	aim float64
}

// keys says what is asked for.
type keys uint8

const (
	oneItem     keys = iota // the same resource again and again
	oneList                 // the same list
	hotItems                // 1,000 resources by chance
	cachedItems             // cacheKeys resources by chance
	newItems                // each resource once, after the cache server was emptied
	newBatch                // resources that nobody has inserted before
)

const hotKeys = 1000

var contenders = []*contender{
	{name: "bare Gin", group: groupItem, serve: "gin", keys: oneItem},
	{name: "nginx, file", group: groupItem, keys: oneItem},
	{name: "bare net/http", group: groupItem, serve: "nethttp", keys: oneItem},
	{name: "ours, L1", group: groupItem, serve: "ours", keys: oneItem, level: "l1", aim: 0.85},
	{name: "ours, L1, 1,000 keys", group: groupItem, serve: "ours", keys: hotItems, level: "l1"},

	{name: "bare Gin", group: groupList, serve: "gin", keys: oneList},
	{name: "nginx, file", group: groupList, keys: oneList},
	{name: "ours, L1", group: groupList, serve: "ours", keys: oneList, level: "l1", aim: 0.85},

	{name: "Gin and go-redis", group: groupCache, serve: "redis", keys: cachedItems},
	{
		name: "ours, L2", group: groupCache, serve: "ours", env: []string{"HEADROOM_L1_BYTES=" + tinyL1},
		keys: cachedItems, level: "l2", aim: 1.2,
	},

	{name: "Gin and pgx, scan and JSON by hand", group: groupDatabase, serve: "pgx", keys: newItems},
	{name: "ours, database", group: groupDatabase, serve: "ours", keys: newItems, level: "miss", aim: 1},

	{name: "ours, batch", group: groupBatch, serve: "ours", keys: newBatch},
}

// path is what a contender is asked for first.
func (c *contender) path(b *bench) string {
	switch c.keys {
	case oneList:
		return listPath
	case newBatch:
		return batchPath
	}
	return b.paths[0]
}

// load is what wrk's script gets: for the warm-up or for the measurement.
func (c *contender) load(b *bench, measured bool) []string {
	switch c.keys {
	case hotItems:
		return []string{"random", b.pathsFile, "1", fmt.Sprint(min(hotKeys, len(b.paths)))}
	case cachedItems:
		return []string{"random", b.pathsFile, "1", fmt.Sprint(min(cacheKeys, len(b.paths)))}
	case newItems: // the warm-up has a fifth of them
		border := len(b.paths) / 5
		if measured {
			return []string{"walk", b.pathsFile, fmt.Sprint(border + 1), fmt.Sprint(len(b.paths))}
		}
		return []string{"walk", b.pathsFile, "2", fmt.Sprint(border)}
	case newBatch:
		b.batches++
		return []string{"batch", fmt.Sprintf("%d-%d", b.started.UnixNano(), b.batches), fmt.Sprint(batchSize)}
	}
	return []string{"fixed"}
}

// primed are the paths that are asked for before the warm-up until the level that is meant has them.
func (c *contender) primed(b *bench) []string {
	switch {
	case c.keys == cachedItems && c.serve == "ours":
		return b.paths[:min(cacheKeys, len(b.paths))]
	case c.keys == hotItems:
		return b.paths[:min(hotKeys, len(b.paths))]
	}
	return nil
}
