package results

// ServerWork is what the reference server did besides answering, by all instances together: in a snapshot since its
// start, in a sample since the one before. How large L1 is, and how long its entries live, is as of that instant.
type ServerWork struct {
	L1Bytes       int64   `json:"l1_bytes"`
	L1MaxBytes    int64   `json:"l1_max_bytes"` // that L1 may have now
	L1TTL         float64 `json:"l1_ttl_seconds"`
	Evictions     int64   `json:"evictions"`
	Expirations   int64   `json:"expirations"`
	Invalidations int64   `json:"invalidations"`
	Prefetched    int64   `json:"prefetched"`
	PrefetchUsed  int64   `json:"prefetch_used"`
	GCPauses      float64 `json:"gc_pauses_ms"` // of several instances their mean
	GC            float64 `json:"gc_cpu_seconds"`
}

// workJSON is the cache's work in a snapshot.
type workJSON struct {
	L1 struct {
		Bytes    int64   `json:"bytes"`
		MaxBytes int64   `json:"max_bytes"`
		TTL      float64 `json:"ttl_seconds"`
	} `json:"l1_size"`
	Evictions     int64 `json:"evictions"`
	Expirations   int64 `json:"expirations"`
	Invalidations int64 `json:"invalidations"`
	Prefetch      struct {
		Prefetched int64 `json:"prefetched"`
		Used       int64 `json:"used"`
	} `json:"prefetch"`
}

func (w *workJSON) work() *ServerWork {
	if w == nil {
		return nil
	}
	return &ServerWork{
		L1Bytes: w.L1.Bytes, L1MaxBytes: w.L1.MaxBytes, L1TTL: w.L1.TTL, Evictions: w.Evictions,
		Expirations: w.Expirations, Invalidations: w.Invalidations, Prefetched: w.Prefetch.Prefetched,
		PrefetchUsed: w.Prefetch.Used,
	}
}

// plus is the work of two instances; of lifetimes the longer one.
func (w *ServerWork) plus(o *ServerWork) *ServerWork {
	if w == nil || o == nil {
		if w == nil {
			return o
		}
		return w
	}
	return &ServerWork{
		L1Bytes: w.L1Bytes + o.L1Bytes, L1MaxBytes: w.L1MaxBytes + o.L1MaxBytes, L1TTL: max(w.L1TTL, o.L1TTL),
		Evictions: w.Evictions + o.Evictions, Expirations: w.Expirations + o.Expirations,
		Invalidations: w.Invalidations + o.Invalidations, Prefetched: w.Prefetched + o.Prefetched,
		PrefetchUsed: w.PrefetchUsed + o.PrefetchUsed,
	}
}

// now has the counts of w, and L1 as it is in o.
func (w *ServerWork) now(o *ServerWork) *ServerWork {
	if w == nil || o == nil {
		return w
	}
	sum := *w
	sum.L1Bytes, sum.L1MaxBytes, sum.L1TTL = o.L1Bytes, o.L1MaxBytes, o.L1TTL
	return &sum
}

// workBetween is the work between two snapshots; nil where one of them does not say.
func workBetween(before, now Snapshot) *ServerWork {
	b, n := before.Work, now.Work
	if b == nil || n == nil {
		return nil
	}
	return &ServerWork{
		L1Bytes: n.L1Bytes, L1MaxBytes: n.L1MaxBytes, L1TTL: n.L1TTL, Evictions: n.Evictions - b.Evictions,
		Expirations: n.Expirations - b.Expirations, Invalidations: n.Invalidations - b.Invalidations,
		Prefetched: n.Prefetched - b.Prefetched, PrefetchUsed: n.PrefetchUsed - b.PrefetchUsed,
		GCPauses: 1000 * (now.GCPauses - before.GCPauses), GC: now.GC - before.GC,
	}
}

// WorkIn is the server's work in a span, with L1 as it was at the end, and how large it was at the beginning; nil where
// no sample in it tells.
func (m *Measurements) WorkIn(s Span) (sum *ServerWork, l1Before int64) {
	for _, sample := range m.Samples {
		w := sample.Work
		if w == nil || !s.Has(sample.At) {
			continue
		}
		if sum == nil {
			sum, l1Before = &ServerWork{}, w.L1Bytes
		}
		total := sum.plus(w)
		total.GCPauses, total.GC = sum.GCPauses+w.GCPauses, sum.GC+w.GC
		sum = total.now(w)
	}
	return sum, l1Before
}
