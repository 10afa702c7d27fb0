package loadgen

import (
	"slices"
	"testing"

	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/results"
)

// TestReadOnly: only mappings of the file that nobody has written to are given back.
func TestReadOnly(t *testing.T) {
	const smaps = `00400000-01c00000 r-xp 00000000 fe:00 131 /opt/a program
Rss:               20000 kB
Anonymous:             0 kB
01c00000-03000000 r--p 01800000 fe:00 131 /opt/a program
Anonymous:            48 kB
03000000-03100000 rw-p 02c00000 fe:00 131 /opt/a program
Anonymous:             0 kB
03100000-03200000 r--p 02d00000 fe:00 131 /opt/a program
Anonymous:             0 kB
7f0000000000-7f0000100000 r-xp 00000000 fe:00 7 /lib/other
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          4096 kB
`
	want := []mapping{{0x400000, 0x1c00000}, {0x3100000, 0x3200000}}
	if got := readOnly(smaps, "/opt/a program"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestForgetProgram: less of this program is resident afterwards, and it still works.
func TestForgetProgram(t *testing.T) {
	mapped := func() int64 {
		watch := procstat.NewWatch(results.ProcessesUnknown, nil, 0)
		watch.Begin()
		return watch.Sofar().Footprint.Mapped
	}
	before := mapped()
	forgetProgram()
	after := mapped()
	if after >= before || after == 0 {
		t.Errorf("%d bytes of files are mapped, before %d", after, before)
	}
}
