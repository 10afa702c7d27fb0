package imports

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// pause is what a user waits: from least to most, in seconds, or as it is written.
type pause struct {
	least, most float64
	written     string
}

func (p pause) isZero() bool { return p.most <= 0 && p.written == "" }

// plus is one pause after the other. Of one that is known at run time only, the other is lost.
func (p pause) plus(q pause) pause {
	switch {
	case p.written != "":
		return p
	case q.written != "":
		return q
	}
	return pause{least: p.least + q.least, most: p.most + q.most}
}

// minus is a pause without a part of it.
func (p pause) minus(q pause) pause {
	const none = 1e-9 // rather than what adding has made inexact
	without := func(a, b float64) float64 {
		if a-b < none {
			return 0
		}
		return a - b
	}
	return pause{least: without(p.least, q.least), most: without(p.most, q.most)}
}

// yaml is the pause as a scenario file has it.
func (p pause) yaml() string {
	switch least, most := seconds(p.least), seconds(p.most); {
	case p.written != "":
		return p.written
	case least == most:
		return most
	case p.least <= 0:
		return "{min: 0s, max: " + most + "}"
	default:
		return "{min: " + least + ", max: " + most + "}"
	}
}

// seconds is a number of seconds as a duration, of a millisecond at least and a day at most.
func seconds(n float64) string {
	n = math.Min(math.Max(n, 0.001), 86400)
	if n < 1 {
		return strconv.FormatFloat(math.Round(n*1000), 'f', -1, 64) + "ms"
	}
	if n < 60 || n != math.Trunc(n) {
		return strconv.FormatFloat(math.Round(n*1000)/1000, 'f', -1, 64) + "s"
	}
	return durationText(time.Duration(n) * time.Second)
}

// durationText is a duration without the units of which there are none: "1m", not "1m0s".
func durationText(d time.Duration) string {
	s := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if len(s) > len(none) && s[len(s)-len(none):] == none {
			s = s[:len(s)-len(none)+1]
		}
	}
	return s
}

// hasUsers reports whether the load of a group is one of users, who pause after their iterations.
func (g *group) hasUsers() bool {
	return slices.ContainsFunc(g.load, func(s setting) bool {
		return s.key == "executor" && slices.Contains([]string{
			"constant-vus", "ramping-vus", "shared-iterations", "per-vu-iterations",
		}, s.value)
	})
}

// settlePauses makes think time of the pause behind the last request of an iteration. It is called when it is known
// which requests there are.
func (d *draft) settlePauses(g *group) {
	for _, r := range g.requests {
		steps := r.sent()
		last := steps[len(steps)-1]
		if last.pause.isZero() || last.thought {
			continue
		}
		switch {
		case len(g.requests) > 1:
			d.leaveOut(last.line, last.column, "the pause at the end of %s", r.name)
		case g.hasUsers():
			g.think = g.think.plus(last.pause)
		default:
			d.leaveOut(last.line, last.column,
				"the pause at the end of an iteration of %s: nobody waits for it where arrivals make the load", g.name)
		}
		if last.block != nil { // it is waited for between the times as well
			last.thought = true
		} else {
			last.pause = pause{}
		}
	}
}
