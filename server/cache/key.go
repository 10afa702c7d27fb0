package cache

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync/atomic"
)

// Key names a value of one tenant. Make it with [ItemKey] or [Cache.ListKey]. It is a struct and not a string so that
// looking into L1 allocates nothing.
type Key struct {
	Tenant [16]byte
	// ID is the item's id; zero for a list.
	ID [16]byte
	// Query says which list; empty for an item.
	Query string
	// generation is that of the tenant's lists when the key was made; zero for an item.
	generation uint64
}

// ItemKey is the key of one item. Items are never changed, so nothing invalidates them.
func ItemKey(tenant, id [16]byte) Key { return Key{Tenant: tenant, ID: id} }

// ListKey is the key of a tenant's list in its present generation. It must be made before the list is loaded: a list
// that was read before an insert then lands under a key that nobody asks for after it.
func (c *Cache) ListKey(tenant [16]byte, query string) Key {
	return Key{Tenant: tenant, Query: query, generation: c.generations.of(tenant).Load()}
}

// InvalidateLists makes every list of the tenant that was loaded before it unreachable. Call it after a change is
// committed and before it is acknowledged.
func (c *Cache) InvalidateLists(tenant [16]byte) { c.generations.of(tenant).Add(1) }

// generations number the states of the tenants' lists. They are kept in this process alone:
//
//   - They cannot be lost or delayed by L2, so a list that this instance serves is never older than the last insert
//     that it acknowledged, whether L2 answers or not.
//   - They start from a random number, so lists that an earlier process left in L2 are not reached: it may have died
//     between an insert and its invalidation, or the database may have been loaded anew.
//   - The price is that instances do not share lists in L2, and that an insert through one instance is seen by the
//     lists of another only when they expire there. Several instances need a generation that they share.
//
// The number of counters is fixed, as the tenant of a request is whatever its sender claims. Tenants that share a
// counter invalidate each other's lists, which costs a load and is never wrong: the tenant itself is in the key.
type generations [1024]atomic.Uint64

func (g *generations) start() {
	var seed [8]byte
	rand.Read(seed[:])
	for i := range g {
		g[i].Store(binary.LittleEndian.Uint64(seed[:]))
	}
}

func (g *generations) of(tenant [16]byte) *atomic.Uint64 {
	// The last bytes of a UUID are random in every version that anyone uses for tenants.
	return &g[binary.LittleEndian.Uint16(tenant[14:])%uint16(len(g))]
}

// formatVersion is part of every name in L2. Raise it when the form of the stored bytes changes.
const formatVersion = "1"

// l2Name is the key in L2: headroom:1:<tenant>:i:<id> or headroom:1:<tenant>:l:<generation>:<query>. No two keys share
// a name: every part before the query has a fixed alphabet without the separator.
func (k Key) l2Name() string {
	name := make([]byte, 0, 96+len(k.Query))
	name = append(name, "headroom:"+formatVersion+":"...)
	name = hex.AppendEncode(name, k.Tenant[:])
	if k.Query == "" && k.generation == 0 {
		name = append(name, ":i:"...)
		return string(hex.AppendEncode(name, k.ID[:]))
	}
	name = append(name, ":l:"...)
	name = strconv.AppendUint(name, k.generation, 36)
	name = append(name, ':')
	return string(append(name, k.Query...))
}
