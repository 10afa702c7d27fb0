package experiment

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// power is the probability with which a change is to be found that is called one that can be found.
const power = 0.9

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

// Outlook is that of one gate with the standard deviation of its blocks' values; all gates share the error rate. The
// estimate of the variance is taken to be exact, and the last look to be the only one, at the level that the design
// leaves to it: what the earlier looks find is found at the last one as well.
func (t *Test) Outlook(g Gate, noise float64) Outlook {
	last := len(t.design.looks) - 1
	level := t.levels.fail[len(t.rule.Gates)-1][last]
	o := Outlook{Smallest: math.Abs(g.change(reach(level, noise, t.design.Most())))}
	low, high := fewestBlocks, mostBlocks
	for low < high {
		middle := (low + high) / 2
		if reach(level, noise, middle) <= g.limit() {
			high = middle
		} else {
			low = middle + 1
		}
	}
	o.Blocks = low
	return o
}

// reach is the difference of logarithms that n blocks find with the probability power at a one-sided level.
func reach(level, noise float64, n int) float64 {
	student := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}
	return (student.Quantile(power) - student.Quantile(level)) * noise / math.Sqrt(float64(n))
}
