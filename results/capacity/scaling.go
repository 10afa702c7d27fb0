package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Scaling is what is known of how the capacity grows with the number of instances.
type Scaling struct {
	// Measured is how many instances the capacity is that of.
	Measured int
	// Law is the law over instances; nil where there is none.
	Law *LawInterval
	// Shared is the share of the work of instances that is assumed to wait for the others where no law speaks: in the
	// middle, and at most.
	Shared [2]float64
}

// Efficiency is the throughput of several instances as a share of as many times that of one. Low and High are the least
// and the greatest that repetitions say.
type Efficiency struct {
	Instances int     `json:"instances"`
	Low       float64 `json:"lo"`
	Middle    float64 `json:"mid"`
	High      float64 `json:"hi"`
}

// Efficiencies are those of each number of instances above 1, in ascending order; none where a single one was not
// measured.
func Efficiencies(samples []Sample) (all []Efficiency) {
	by := map[int][]float64{}
	for _, s := range samples {
		by[int(s.N)] = append(by[int(s.N)], s.X)
	}
	one := by[1]
	if len(one) == 0 {
		return nil
	}
	for n, x := range by {
		if n == 1 {
			continue
		}
		times := float64(n)
		all = append(all, Efficiency{
			Instances: n, Low: slices.Min(x) / (times * slices.Max(one)), Middle: mean(x) / (times * mean(one)),
			High: slices.Max(x) / (times * slices.Min(one)),
		})
	}
	slices.SortFunc(all, func(a, b Efficiency) int { return cmp.Compare(a.Instances, b.Instances) })
	return all
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

// The shares of their work that instances of which nothing is known are assumed to wait for each other with.
const (
	assumedShared     = 0.02
	assumedMostShared = 0.05
)

// AssumedShared are the shares to assume where no law over instances speaks: 2 % in the middle and 5 % at most, or what
// follows from the efficiency of the most instances that were measured, where that is more:
//
//	α = (1 / efficiency - 1) / (n - 1)
func AssumedShared(measured []Efficiency) [2]float64 {
	shared := [2]float64{assumedShared, assumedMostShared}
	if len(measured) == 0 {
		return shared
	}
	most := measured[len(measured)-1]
	lost := (1/most.Middle - 1) / float64(most.Instances-1)
	return [2]float64{max(shared[0], lost), max(shared[1], lost)}
}

// assumed are the laws that are assumed: from instances that do not disturb each other at all to those that share the
// most.
func (s Scaling) assumed() [3]Law {
	return [3]Law{{Gamma: 1}, {Alpha: s.Shared[0], Gamma: 1}, {Alpha: s.Shared[1], Gamma: 1}}
}

// needed is how many working instances bear a rate by a law, when Measured of them have that capacity; infinite where
// no number of them does.
func (s Scaling) needed(rate, capacity float64, law Law) float64 {
	n, ok := Law{law.Alpha, law.Beta, capacity / law.relative(float64(s.Measured))}.Concurrency(rate)
	if !ok {
		return math.Inf(1)
	}
	return n
}

// byLaw are the numbers of working instances by the law: the middle one, and those that its interval and that of the
// capacity say together. refusal is why it may not be asked, as where one of them lies beyond twice what was measured;
// impossible says that no number bears the rate.
func (s Scaling) byLaw(rate float64, c Interval) (n [3]float64, refusal string, impossible bool) {
	at := func(capacity float64) func(Law) float64 {
		return func(l Law) float64 { return s.needed(rate, capacity, l) }
	}
	n[0], _, _ = s.Law.Of(at(c.High))
	_, n[1], _ = s.Law.Of(at(c.Middle))
	_, _, n[2] = s.Law.Of(at(c.Low))
	farthest := Farthest(s.Law.Basis)
	switch {
	case math.IsInf(n[1], 1) && s.Law.Best.Peak() <= farthest:
		return n, "", true
	case n[1] > farthest:
		return n, fmt.Sprintf("the law over instances says nothing of more than %.0f, which is twice as many as were "+
			"measured", farthest), false
	case n[2] > farthest:
		return n, fmt.Sprintf("the interval of the law over instances reaches beyond %.0f, which is twice as many as "+
			"were measured", farthest), false
	}
	return n, cmp.Or(Entitled(s.Law.Basis, max(1, n[1])), Entitled(s.Law.Basis, max(1, n[2]))), false
}
