package experiment

import (
	"math"

	"github.com/policycortex/headroom/results/stats"
)

// Outlook says what an experiment can find at its end, given the noise that its blocks have shown.
type Outlook struct {
	// Smallest is the smallest change for the worse that all blocks together find with a probability of 90 %: 0.05 for
	// 5 %.
	Smallest float64 `json:"smallest"`
	// Blocks is the number of blocks with which the gate's tolerance would be found as surely.
	Blocks int `json:"blocks"`
}

// Reaches says whether the gate's tolerance can be found in the blocks that there are to be.
func (o Outlook) Reaches(g Gate) bool { return o.Smallest <= g.Tolerance }

// mostBlocks bounds the search of Outlook.Blocks: a week of blocks of 24 s.
const mostBlocks = 25_000

// Outlook is that of one gate whose estimate from n blocks has the standard error noise / √n, as GateState.MeanNoise
// says of the blocks so far; all gates share the error rate. That noise is taken to be what the blocks to come will
// have, and the last look to be the only one, at the level that the design leaves to it: what the earlier looks find is
// found at the last one as well. To be found, a change must also seem larger than half of the tolerance.
func (t *Test) Outlook(g Gate, noise float64) Outlook {
	last := len(t.design.looks) - 1
	level := t.levels.fail[len(t.rule.Gates)-1][last]
	reach := func(n int) float64 {
		return stats.Reach(level, stats.Power, freedomOf(n, t.rule.Continuous), noise/math.Sqrt(float64(n)),
			g.limit()/2)
	}
	o := Outlook{Smallest: math.Abs(g.change(reach(t.design.Most())))}
	low, high := fewestBlocks, mostBlocks
	for low < high {
		middle := (low + high) / 2
		if reach(middle) <= g.limit() {
			high = middle
		} else {
			low = middle + 1
		}
	}
	o.Blocks = low
	return o
}
