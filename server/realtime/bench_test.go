package realtime_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/realtime"
)

// BenchmarkBroadcast commits an event and waits until each of 1,000 subscribers in this process has got it: everything
// but the network. Its time is that of the slowest.
func BenchmarkBroadcast(b *testing.B) {
	h, db := newHub(b, realtime.Options{}, never)
	tenant := uuid.New()
	const subscribers = 1000
	var got atomic.Int64
	all := make(chan struct{})
	var reading sync.WaitGroup
	for range subscribers {
		s := subscribe(b, h, tenant, nil)
		reading.Go(func() {
			for {
				events, err := s.Next(b.Context(), nil)
				if err != nil {
					return
				}
				if n := got.Add(int64(len(events))); n%subscribers == 0 {
					all <- struct{}{}
				}
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		add(b, db, tenant, "test.happened")
		h.Changed(tenant)
		<-all
	}
	b.StopTimer()
	h.Drain()
	reading.Wait()
}

// BenchmarkChanged is what a change costs its request where nobody is subscribed to it: here or, at another instance,
// to another tenant. The announcements, which that one asks for, are made beside it, at most 200 a second; see
// BenchmarkAnnounce in server/store.
func BenchmarkChanged(b *testing.B) {
	for name, others := range map[string]bool{"nobody": false, "another instance": true} {
		b.Run(name, func(b *testing.B) {
			h, _ := newHub(b, realtime.Options{}, never)
			if others {
				there, _ := newHub(b, realtime.Options{}, never)
				subscribe(b, there, uuid.New(), nil)
			}
			for _, tells := range []bool{true, others} { // it tells at first, until it knows that nobody asks
				for h.Tells() != tells {
					time.Sleep(time.Millisecond)
				}
			}
			tenant := uuid.New()
			b.ReportAllocs()
			for b.Loop() {
				h.Changed(tenant)
			}
		})
	}
}
