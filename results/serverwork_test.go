package results

import "testing"

// TestServerWork: counts are those between two snapshots of all instances, a restart included, and L1 is as it is now.
func TestServerWork(t *testing.T) {
	parse := func(text string) Snapshot {
		t.Helper()
		s, err := ParseSnapshot([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := parse(`{"version":1,"process":{"gc_pauses_us_total":1000,"gc_cpu_seconds":1},"cache_work":{
		"l1_size":{"bytes":10,"max_bytes":100,"ttl_seconds":60},"evictions":5,"expirations":1,"prefetch":{"prefetched":3,"used":2}}}`)
	later := parse(`{"version":1,"process":{"gc_pauses_us_total":5000,"gc_cpu_seconds":1.5},"cache_work":{
		"l1_size":{"bytes":40,"max_bytes":200,"ttl_seconds":30},"evictions":15,"expirations":1,"invalidations":7,
		"prefetch":{"prefetched":8,"used":3}}}`)
	want := ServerWork{
		L1Bytes: 40, L1MaxBytes: 200, L1TTL: 30, Evictions: 10, Invalidations: 7, Prefetched: 5, PrefetchUsed: 1,
		GCPauses: 4, GC: 0.5,
	}
	if got := NewSample(1, first, later).Work; got == nil || *got != want {
		t.Errorf("got %+v", got)
	}
	both, err := SumSnapshots([]Snapshot{first, later})
	if err != nil || both.Work.L1Bytes != 50 || both.Work.Evictions != 20 || both.Work.L1TTL != 60 {
		t.Errorf("together %+v, error %v", both.Work, err)
	}
	again, err := first.Continuing(later)
	if err != nil || again.Work.L1Bytes != 10 || again.Work.Evictions != 20 || first.Work.Evictions != 5 {
		t.Errorf("after a restart %+v, error %v", again.Work, err)
	}
	if none := NewSample(1, parse(`{"version":1}`), later).Work; none != nil {
		t.Errorf("without an account before: %+v", none)
	}
}
