package procstat

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// TestFindListening: sockets that listen at the address, or at all addresses, and no others.
func TestFindListening(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0000000000000000 100 0 0 10 0
   2: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0000000000000000 100 0 0 10 0
   3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0000000000000000 100 0 0 10 0
   4: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 15 1 0000000000000000 100 0 0 10 0
   5: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 16 1
   6: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 17 1
   7: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 18 1
   8: 0100007:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 19 1
   9: 0100007F:1F90 00000000:0000 0A
  10: 0100007X:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20 1
  11: 0100007F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1
`
	for address, want := range map[string][]string{
		"127.0.0.1:8080": {"11", "12", "17", "18"},
		"[::1]:8080":     {"12", "16", "17"},
		"127.0.0.1:8082": nil,
	} {
		sockets := map[string]bool{}
		findListening(table, []netip.AddrPort{netip.MustParseAddrPort(address)}, sockets)
		for _, inode := range want {
			if !sockets["socket:["+inode+"]"] {
				t.Errorf("%s: %s is missing in %v", address, inode, sockets)
			}
		}
		if len(sockets) != len(want) {
			t.Errorf("%s: %v, want %v", address, sockets, want)
		}
	}
}

// TestServiceThatListens: the process that listens at an address is found by it, and what it uses is told.
func TestServiceThatListens(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", ":0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		address := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(l.Addr().(*net.TCPAddr).Port))
		if found := listeners([]netip.AddrPort{address}); !slices.Contains(found, os.Getpid()) {
			t.Errorf("%s: %v, want %d", at, found, os.Getpid())
		}
		w, known := NewWatch(results.ProcessesUnknown, []netip.AddrPort{address}, 0),
			NewWatch(results.ProcessesChildren, []netip.AddrPort{address}, 0)
		w.Begin()
		known.Begin()
		for w.read().cpu-w.first.cpu < 50*time.Millisecond {
		}
		s := w.Sofar()
		if s.Service == nil || *s.Service*s.Length < 0.04 || *s.Process != *s.Service {
			t.Errorf("%s: %+v", at, s)
		}
		s = known.Sofar()
		if s.Service != nil || s.Process != nil {
			t.Errorf("where all processes are known, some are told again: %+v", s)
		}
		l.Close()
		if found := listeners([]netip.AddrPort{address}); len(found) != 0 {
			t.Errorf("nobody listens any more, and %v was found", found)
		}
	}
}

// TestProcessesThatEnded: what a process used that is not there any more is not known.
func TestProcessesThatEnded(t *testing.T) {
	const nobody = 1<<22 + 7 // more than there can be
	if times := timesOf([]int{os.Getpid()}); times[os.Getpid()] <= 0 {
		t.Errorf("own time %v", times)
	}
	if times := timesOf([]int{os.Getpid(), nobody}); times != nil {
		t.Errorf("with one that ended: %v", times)
	}
}
