// Package key names what the cache keeps: values of a kind, of one tenant, and the scopes that invalidations name.
package key

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/policycortex/headroom/server/store"
)

// Kind says what a value is about. It is part of every key's name, so new ones go to the end.
type Kind uint8

// The kinds of values. Those in the plural are collections: their keys have a query and no ID.
const (
	Resource    Kind   = iota // one resource, by its ID
	Resources                 // a list of resources
	Policy                    // one policy, by its ID
	Policies                  // a list of policies
	Evaluations               // a list of evaluations
	Compliance                // a summary of compliance
	Costs                     // costs over time
	Kinds       = iota        // how many there are
)

var kindNames = [Kinds]string{"resource", "resources", "policy", "policies", "evaluations", "compliance", "costs"}

// String is the kind as it stands in names.
func (k Kind) String() string { return kindNames[k] }

// Key names a value of one tenant. It is a struct and not a string so that looking into L1 allocates nothing.
type Key struct {
	// Query says which of several values: the canonical query string of a list, empty for a value that has none.
	Query  string
	Tenant [16]byte
	// ID is that of the thing that the value is about; zero for a collection.
	ID   [16]byte
	Kind Kind
}

// Name is <tenant>:<kind>:<id or query>, with the UUIDs in their usual form; a key with an ID and a query has
// <id>?<query> there. It is what patterns match, and no two keys share one.
func (k *Key) Name() string { return string(k.AppendName(make([]byte, 0, 128+len(k.Query)))) }

// AppendName appends the name to b.
func (k *Key) AppendName(b []byte) []byte {
	b = store.AppendUUID(b, k.Tenant[:])
	b = append(b, ':')
	b = append(b, kindNames[k.Kind]...)
	b = append(b, ':')
	if k.ID == ([16]byte{}) {
		return append(b, k.Query...)
	}
	b = store.AppendUUID(b, k.ID[:])
	if k.Query == "" {
		return b
	}
	b = append(b, '?')
	return append(b, k.Query...)
}

// Scope is what an invalidation names: the values of a kind about one thing, or, with a zero ID, all collections of that
// kind of the tenant. Every key belongs to exactly one scope.
type Scope struct {
	Tenant [16]byte
	ID     [16]byte
	Kind   Kind
}

// Scope is the one that the key belongs to.
func (k *Key) Scope() Scope { return Scope{Tenant: k.Tenant, ID: k.ID, Kind: k.Kind} }

// Hash is the same in every instance: instances name stripes to each other. The multipliers are odd and otherwise of
// no meaning; the bits of UUIDs are random enough to need little mixing.
func (s *Scope) Hash() uint64 {
	const m = 0x9e3779b97f4a7c15
	h := uint64(s.Kind)*m ^ binary.LittleEndian.Uint64(s.Tenant[:8])
	h = (h ^ h>>32) * m
	h ^= binary.LittleEndian.Uint64(s.Tenant[8:])
	h = (h ^ h>>32) * m
	h ^= binary.LittleEndian.Uint64(s.ID[:8])
	h = (h ^ h>>32) * m
	h ^= binary.LittleEndian.Uint64(s.ID[8:])
	h = (h ^ h>>32) * m
	return h ^ h>>32
}

// Hash is that of the scope for a key without a query, so that an item's reads and writes meet in one place.
func (k *Key) Hash() uint64 {
	s := k.Scope()
	h := s.Hash()
	if k.Query == "" {
		return h
	}
	return h ^ xxhash.Sum64String(k.Query)
}
