package judge

import (
	"fmt"
	"strings"

	"github.com/policycortex/headroom/results"
)

// The limits from which others have disturbed a run. docs/measurement.md has the experiment that they come from.
const (
	// A second is disturbed when the threads of the generator or of the system under test waited for a CPU for more
	// than maxWait of the time in which they could have run, and others used at least minOthers of the CPU time used:
	// threads that wait for each other, or beside a neighbour on cores of its own, are not disturbed by it.
	maxWait   = 0.55
	minOthers = 0.25
	// A run is disturbed when that is so for at least maxDisturbed of the measured time: enough to move a P95.
	maxDisturbed = 0.05
	// noticeableSteal is the share of the machine's CPU time from which what other virtual machines took is a
	// disturbance.
	noticeableSteal = 0.02
)

// disturbances say in which way others demonstrably took CPU time from the measured part of a run.
func disturbances(m *results.Measurements) []string {
	var found []string
	if m.Health != nil {
		if text := crowded(m); text != "" {
			found = append(found, text)
		}
	}
	if s := stolenShare(m); s > noticeableSteal {
		found = append(found, fmt.Sprintf("other virtual machines took %.1f %% of this machine's CPU time (the limit "+
			"is %.0f %%)", 100*s, 100*noticeableSteal))
	}
	return found
}

// crowded says for how much of the measured time others kept the run's threads from a CPU.
func crowded(m *results.Measurements) string {
	if m.Health.Processes == results.ProcessesUnknown {
		return "" // those that took the CPUs may be the system under test
	}
	var disturbed, all, others, worst float64
	for _, s := range m.Health.Seconds {
		if !measures(m, s.At-s.Length, s.At) || s.Others == nil {
			continue
		}
		all += s.Length
		if wait, crowds := crowding(s); crowds {
			disturbed += s.Length
			others += *s.Others * s.Length
			worst = max(worst, wait)
		}
	}
	if disturbed == 0 || disturbed < maxDisturbed*all {
		return ""
	}
	return fmt.Sprintf("other processes kept its threads off the CPU in %.0f of %.0f measured seconds: they used "+
		"%.2g cores, and the threads of "+
		"the generator or of the system under test waited up to %.0f %% of the time in which they could have run "+
		"(the limit is %.0f %%)",
		disturbed, all, others/disturbed, 100*worst, 100*maxWait)
}

// crowding is the share of the time in which threads of the run could have run that they waited for a CPU, and whether
// others took it from them.
func crowding(s results.HealthSecond) (wait float64, crowds bool) {
	if s.Others == nil {
		return 0, false
	}
	wait = max(numberOr0(s.Waited), numberOr0(s.SysWaited))
	used := s.Generator + numberOr0(s.System) + *s.Others
	return wait, wait > maxWait && *s.Others >= minOthers*used
}

// measures says whether any scenario measured during the whole of a stretch of time.
func measures(m *results.Measurements, from, to float64) bool {
	for _, l := range m.Loads {
		if from >= l.MeasuredFrom && from < l.MeasuredTo && to <= max(l.MeasuredTo, l.LastAnswer)+slack {
			return true
		}
	}
	return false
}

// slack is what a second's reading may be late, in seconds.
const slack = 0.1

// stolenShare is what other virtual machines took of the machine's CPU time while it measured; during the whole run
// where the seconds were not recorded.
func stolenShare(m *results.Measurements) float64 {
	if m.Health == nil || m.Generator.CPUs == 0 {
		return m.Generator.StolenShare
	}
	var stolen, all float64
	for _, s := range m.Health.Seconds {
		if s.Stolen != nil && measures(m, s.At-s.Length, s.At) {
			stolen += *s.Stolen * s.Length
			all += s.Length
		}
	}
	if all == 0 {
		return m.Generator.StolenShare
	}
	return stolen / all / float64(m.Generator.CPUs)
}

func numberOr0(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// weighDisturbance makes a verdict of crossed thresholds invalid when others disturbed the run in the ways found, and
// warns where none was: what takes CPU time makes a system slower and never faster. A threshold over no data has failed
// whoever disturbed, and one that is unresolved has not.
func weighDisturbance(v *results.Verdict, found []string) {
	if len(found) == 0 {
		return
	}
	why := strings.Join(found, "; ")
	var crossed []string
	for _, g := range v.Gates {
		if !g.Passed && !g.Unresolved && !g.NotReached && g.Samples > 0 {
			crossed = append(crossed, g.Metric+" "+g.Expression)
		}
	}
	if len(crossed) == 0 {
		v.Warnings = append(v.Warnings, "the run was disturbed: "+why)
		return
	}
	v.Invalid = append(v.Invalid, fmt.Sprintf("the run was disturbed: %s. It is not known whether that or the system "+
		"made %s fail: "+
		"repeat the run on a quiet machine", why, strings.Join(crossed, ", ")))
}
