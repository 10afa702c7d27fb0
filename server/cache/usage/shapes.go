package usage

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/policycortex/headroom/server/cache/key"
)

// shapes counts requests by the form of their keys: the kind, and of a query the names of its parameters with * for the
// values: *:resources:limit=*&type=*. A query comes from whoever calls, so the number of forms that are kept is fixed;
// the rest is counted together. Counting allocates only when a form is seen for the first time.
type shapes struct {
	table [shapeCount]atomic.Pointer[shape]
	other atomic.Uint64
}

const (
	shapeCount = 256
	// shapeTries is how many places are looked at for a form.
	shapeTries = 8
	// maxShape bounds the length of a form, in bytes.
	maxShape = 256
)

type shape struct {
	hash    uint64
	pattern string
	count   atomic.Uint64
}

func (s *shapes) record(k *key.Key, n uint64) {
	hash := shapeHash(k)
	for i := range uint64(shapeTries) {
		place := &s.table[(hash+i)%shapeCount]
		known := place.Load()
		if known == nil && len(k.Query) <= maxShape {
			known = &shape{hash: hash, pattern: shapeOf(k)}
			if !place.CompareAndSwap(nil, known) {
				known = place.Load()
			}
		}
		if known != nil && known.hash == hash {
			known.count.Add(n)
			return
		}
	}
	s.other.Add(n)
}

// shapeHash is FNV-1a over the kind and the names of the parameters.
func shapeHash(k *key.Key) uint64 {
	const prime = 1099511628211
	h := (14695981039346656037 ^ uint64(k.Kind)) * prime
	if k.ID != ([16]byte{}) {
		h = (h ^ '!') * prime
	}
	for parameter := range strings.SplitSeq(k.Query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * prime
		}
		h = (h ^ '&') * prime
	}
	return h
}

func shapeOf(k *key.Key) string {
	var b strings.Builder
	b.WriteString("*:" + k.Kind.String() + ":")
	separator := ""
	if k.ID != ([16]byte{}) {
		b.WriteByte('*')
		separator = "?"
	}
	if k.Query == "" {
		return b.String()
	}
	for parameter := range strings.SplitSeq(k.Query, "&") {
		name, _, hasValue := strings.Cut(parameter, "=")
		b.WriteString(separator + name)
		if hasValue {
			b.WriteString("=*")
		}
		separator = "&"
	}
	return b.String()
}

// KeyPattern is a form of keys and its share of the requests.
type KeyPattern struct {
	// a glob: * stands for tenant, ID and values of parameters; "other" for what was not told apart
	Pattern  string  `json:"pattern"`
	Requests uint64  `json:"requests"` // estimated from a sample
	Share    float64 `json:"share"`    // of all requests, 0 to 1
}

// most returns the most frequent forms, at most n.
func (s *shapes) most(n int) []KeyPattern {
	total := s.other.Load()
	all := []KeyPattern{}
	if total > 0 {
		all = append(all, KeyPattern{Pattern: "other", Requests: total})
	}
	for i := range s.table {
		if known := s.table[i].Load(); known != nil {
			count := known.count.Load()
			all = append(all, KeyPattern{Pattern: known.pattern, Requests: count})
			total += count
		}
	}
	for i := range all {
		all[i].Share = float64(all[i].Requests) / float64(max(total, 1))
	}
	slices.SortFunc(all, func(a, b KeyPattern) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Pattern, b.Pattern))
	})
	return all[:min(n, len(all))]
}
