// Package random is the source of all choices of a run. They depend on the plan's seed, the scenario's name and the
// iteration's number alone: whichever engine, worker or machine sends iteration n sends the same request.
package random

import (
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
)

// Source is the source of one iteration's choices.
type Source struct{ pcg rand.PCG }

// ScenarioSeed mixes a plan's seed with a scenario's name.
func ScenarioSeed(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return seed ^ h.Sum64()
}

// ForIteration is the source of iteration n of the scenario with the given seed.
func ForIteration(scenarioSeed uint64, n int64) Source {
	var r Source
	r.pcg.Seed(scenarioSeed, uint64(n))
	return r
}

// Below is uniform in 0..n-1 (the bias, below n/2^64, cannot be observed).
func (r *Source) Below(n int) int {
	hi, _ := bits.Mul64(r.pcg.Uint64(), uint64(n))
	return int(hi)
}

// Float is uniform in [0, 1).
func (r *Source) Float() float64 { return float64(r.pcg.Uint64()>>11) / (1 << 53) }

// Uint64 is uniform in all 64 bits.
func (r *Source) Uint64() uint64 { return r.pcg.Uint64() }
