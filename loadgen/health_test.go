package loadgen

import "testing"

func TestCPUTicks(t *testing.T) {
	for stat, want := range map[string][2]uint64{
		"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n": {8, 36},
		"cpu  1 2 3 4 5 6 7\n":   {},
		"cpu  1 2 3 4 5 6 7 x\n": {},
		"":                       {},
	} {
		if stolen, all := cpuTicks(stat); [2]uint64{stolen, all} != want {
			t.Errorf("%q: %d of %d, want %v", stat, stolen, all, want)
		}
	}
}

func TestHealthOfARun(t *testing.T) {
	before := readHealth()
	for sum := 0; readHealth().cpu-before.cpu < 2e7; sum++ { // 20 ms of CPU time
	}
	g := readHealth().since(before)
	if g.CPUSeconds < 0.02 || g.WallSeconds <= 0 || g.MaxRSSBytes < 1<<20 || g.StolenShare < 0 || g.StolenShare > 1 {
		t.Errorf("%+v", g)
	}
}
