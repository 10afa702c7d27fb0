// Package key defines the names of cached values, each of one kind and one tenant, and of the scopes of invalidations.
package key

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/policycortex/headroom/server/store"
)

// Kind is what a value is about. Its name is part of every key's name. New kinds are added at the end.
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

// String returns the kind as it appears in names.
func (k Kind) String() string { return kindNames[k] }

// Key names a value of one tenant. It is a struct rather than a string so that a lookup in L1 does not allocate.
type Key struct {
	// Query is the canonical query string of a list; empty for a value without one.
	Query  string
	Tenant [16]byte
	// ID is the id of a single object; zero for a collection.
	ID   [16]byte
	Kind Kind
}

// Name returns <tenant>:<kind>:<id or query>, with UUIDs in their usual form, or <id>?<query> for a key with both.
// Patterns match names. Different keys have different names.
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

// Scope is what an invalidation names: the values of a kind about one object or, with a zero ID, all collections of
// that kind of the tenant. Every key belongs to exactly one scope.
type Scope struct {
	Tenant [16]byte
	ID     [16]byte
	Kind   Kind
}

// Name returns <tenant>:<kind>:<id>, with UUIDs in their usual form, and without an id for collections.
func (s *Scope) Name() string {
	b := make([]byte, 0, 96)
	return string(s.AppendName(b))
}

// AppendName appends the name to b.
func (s *Scope) AppendName(b []byte) []byte {
	b = store.AppendUUID(b, s.Tenant[:])
	b = append(b, ':')
	b = append(b, kindNames[s.Kind]...)
	b = append(b, ':')
	if s.ID == ([16]byte{}) {
		return b
	}
	return store.AppendUUID(b, s.ID[:])
}

// Scope returns the key's scope.
func (k *Key) Scope() Scope { return Scope{Tenant: k.Tenant, ID: k.ID, Kind: k.Kind} }

// Hash returns the same value in every instance, because instances exchange stripes. The multiplier is odd and
// otherwise arbitrary; UUIDs are random enough to need little mixing.
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

// Hash returns the hash of the scope for a key without a query, so that reads and writes of an object are counted
// together.
func (k *Key) Hash() uint64 {
	s := k.Scope()
	h := s.Hash()
	if k.Query == "" {
		return h
	}
	return h ^ xxhash.Sum64String(k.Query)
}
