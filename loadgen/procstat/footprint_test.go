package procstat

import (
	"os"
	"testing"
)

// TestResidentOf: the second and third field of statm are pages.
func TestResidentOf(t *testing.T) {
	page := int64(os.Getpagesize())
	for text, want := range map[string][2]int64{
		"412345 12000 9000 6000 0 50000 0\n": {12000 * page, 9000 * page},
		"412345 12000\n":                     {},
		"":                                   {},
		"a b c":                              {},
	} {
		if memory, mapped := residentOf(text); [2]int64{memory, mapped} != want {
			t.Errorf("%q: %d and %d", text, memory, mapped)
		}
	}
}

// TestFootprintOfThisProcess: it has some memory and goroutines, and what it takes is seen.
func TestFootprintOfThisProcess(t *testing.T) {
	before := footprint()
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		if before.Memory != 0 || before.Goroutines == 0 {
			t.Errorf("%+v", before)
		}
		return
	}
	taken := make([]byte, 64<<20)
	for i := 0; i < len(taken); i += 1 << 10 {
		taken[i] = 1
	}
	after := footprint()
	if grown := after.Memory - before.Memory; grown < 60<<20 || before.Mapped == 0 || before.Mapped > before.Memory {
		t.Errorf("64 MiB more: %+v, then %+v with %d", before, after, taken[1<<20])
	}
}
