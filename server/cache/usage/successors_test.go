package usage

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache/key"
)

func testKey(n byte) key.Key { return key.Key{Tenant: [16]byte{1}, ID: [16]byte{n}} }

// walk tells of misses one after the other, a second apart, and returns what is said to follow the last one.
func walk(s *Successors, start time.Duration, ids ...byte) (next byte, known bool) {
	var following key.Key
	for i, id := range ids {
		k := testKey(id)
		following, known = s.Missed(&k, mixed(uint64(id)), start+time.Duration(i)*time.Second)
	}
	return following.ID[0], known
}

func TestSuccessors(t *testing.T) {
	var s Successors
	hour := time.Duration(0)
	again := func(ids ...byte) (byte, bool) { hour += time.Hour; return walk(&s, hour, ids...) }
	if _, known := again(1, 2, 3, 1); known {
		t.Error("a pair was believed after it was seen once")
	}
	if next, known := again(1, 2, 9, 1); !known || next != 2 {
		t.Errorf("after 1 came 2 twice, got %d, %t", next, known)
	}
	if next, known := again(1, 5, 9, 1); known {
		t.Errorf("one time another came; with votes 2 to 1 nothing should be said, got %d", next)
	}
	again(1, 5)
	again(1, 5)
	if next, known := again(1, 5, 9, 1); !known || next != 5 {
		t.Errorf("the habit changed to 5, got %d, %t", next, known)
	}
}

func TestSuccessorsKeepTenantsAndTimesApart(t *testing.T) {
	var s Successors
	first, second := testKey(1), testKey(2)
	other := second
	other.Tenant[14] = 1
	for i := range 10 {
		at := time.Duration(i) * time.Hour
		s.Missed(&first, 1, at)
		s.Missed(&other, 2, at+time.Second)
		s.Missed(&second, 3, at+successorTime)
	}
	if next, known := s.Missed(&first, 1, 11*time.Hour); known {
		t.Errorf("%+v is said to follow", next)
	}
	long := testKey(3)
	long.Query = strings.Repeat("q", maxLearnedQuery+1)
	for i := range 10 {
		at := time.Duration(20+i) * time.Hour
		s.Missed(&first, 1, at)
		s.Missed(&long, 4, at+time.Second)
	}
	if _, known := s.Missed(&first, 1, 40*time.Hour); known {
		t.Error("a key was learned that is longer than the table may keep")
	}
}
