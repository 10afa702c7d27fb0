package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// recorded is the health of ten seconds as an experiment recorded it: 4,000 requests/s on two cores.
func recorded(generator, system, others, stolen, waited, sysWaited float64) *results.Health {
	h := &results.Health{Processes: results.ProcessesChildren}
	for second := range 10 {
		h.Seconds = append(h.Seconds, results.HealthSecond{
			At: float64(second) + 1.001, Length: 1, Generator: generator, System: &system, Others: &others,
			Stolen: &stolen,
			Waited: &waited, SysWaited: &sysWaited,
		})
	}
	return h
}

// TestDisturbed judges runs whose health was recorded in clean runs and in runs beside CPU hogs.
func TestDisturbed(t *testing.T) {
	crossed := threshold("http_req_duration", "p95", "<", 10)
	held := threshold("http_req_duration", "p95", "<", 2000)
	noData := threshold("checks", "rate", ">", 0.5)
	clean := func() *results.Health { return recorded(0.25, 0.51, 0, 0.002, 0.34, 0.36) }
	unknown := recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90)
	unknown.Processes = results.ProcessesUnknown
	once := clean()
	once.Seconds[4] = recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90).Seconds[4]
	before := recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90)
	for i := range before.Seconds {
		before.Seconds[i].At -= 10
	}
	for name, c := range map[string]struct {
		health    *results.Health
		threshold scenarios.Threshold
		want      results.Outcome
		reason    string
	}{
		"clean, crossed": {clean(), crossed, results.Fail, ""},
		"clean, held":    {clean(), held, results.Pass, ""},
		"two hogs, crossed": {
			recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90), crossed, results.Invalid,
			"other processes kept its threads off the CPU in 10 of 10 measured seconds",
		},
		"two hogs, held": {
			recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90), held, results.Pass,
			"disturbed",
		},
		"two hogs, unresolved": {
			recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90),
			threshold("http_req_duration", "p95", "<", 950), results.Unresolved, "the run was disturbed: ",
		},
		"two hogs, no data": {
			recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90), noData, results.Fail,
			"disturbed",
		},
		"one hog, crossed": {
			recorded(0.20, 0.48, 0.74, 0.002, 0.71, 0.56), crossed, results.Invalid,
			"0.74 cores",
		},
		"a neighbour on idle cores":    {recorded(0.25, 0.51, 1, 0.002, 0.34, 0.36), crossed, results.Fail, ""},
		"the system crowds itself":     {recorded(0.4, 1.5, 0.1, 0.002, 0.8, 0.7), crossed, results.Fail, ""},
		"one second of ten":            {once, crossed, results.Invalid, "1 of 10"},
		"before it was measured":       {before, crossed, results.Fail, ""},
		"nobody knows whose processes": {unknown, crossed, results.Fail, ""},
		"another virtual machine, crossed": {
			recorded(0.25, 0.51, 0, 0.1, 0.34, 0.36), crossed, results.Invalid,
			"took 5.0 % of this machine's CPU time",
		},
		"not recorded": {nil, crossed, results.Fail, ""},
	} {
		m := measured()
		m.Health, m.Generator.CPUs = c.health, 2
		v, err := Run(m, []scenarios.Threshold{c.threshold})
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(append(v.Invalid, v.Warnings...), "\n")
		if v.Outcome != c.want || !strings.Contains(said, c.reason) || c.reason == "" &&
			strings.Contains(said, "disturbed") {
			t.Errorf("%s: %s, %q; want %s because of %q", name, v.Outcome, said, c.want, c.reason)
		}
	}
}
