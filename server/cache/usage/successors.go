package usage

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/cache/key"
)

// Successors learns which key is missed after which: among the keys that a tenant's requests miss in L1, the key that
// came next last time is likely to come next again. Only misses train it and only misses trigger it, so hits cost
// nothing. Keys that L1 has need no prefetching.
//
// It is bounded: the hash of the first key determines the slot of a pair. A new successor replaces the old one when it
// has come as often (the majority vote of Boyer and Moore), so one odd request does not undo what was learned.
type Successors struct {
	mu    sync.Mutex // taken only before a load from a server, never by a hit
	last  [lastMisses]lastMiss
	pairs [successorPairs]successorPair
}

const (
	lastMisses     = 1024 // tenants
	successorPairs = 4096
	// successorTime is how long after a key another one counts as its successor.
	successorTime = 5 * time.Second
	// successorVotes is how many more votes than others a pair needs to be used.
	successorVotes = 2
	maxVotes       = 8
	// maxLearnedQuery bounds the memory of a pair, in bytes.
	maxLearnedQuery = 512
)

type lastMiss struct {
	tenant [16]byte
	hash   uint64
	at     time.Duration
}

type successorPair struct {
	first uint64 // hash
	next  key.Key
	votes int8
}

// Missed records that k, with this hash, was missed at a time of [clock.Now], and returns the key that usually comes
// next.
func (s *Successors) Missed(k *key.Key, hash uint64, at time.Duration) (next key.Key, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := &s.last[binary.LittleEndian.Uint16(k.Tenant[14:])%lastMisses]
	if last.tenant == k.Tenant && at-last.at < successorTime && last.hash != hash && len(k.Query) <= maxLearnedQuery {
		s.pairs[last.hash%successorPairs].vote(last.hash, k)
	}
	*last = lastMiss{tenant: k.Tenant, hash: hash, at: at}
	pair := &s.pairs[hash%successorPairs]
	if pair.first != hash || pair.votes < successorVotes {
		return key.Key{}, false
	}
	return pair.next, true
}

func (p *successorPair) vote(first uint64, next *key.Key) {
	switch {
	case p.first == first && p.next == *next:
		p.votes = min(p.votes+1, maxVotes)
	case p.votes > 0:
		p.votes--
	default:
		*p = successorPair{first: first, next: *next, votes: 1}
	}
}
