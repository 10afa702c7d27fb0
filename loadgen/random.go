package loadgen

import (
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
)

// random is the source of one iteration's choices. It depends on the plan's seed, the scenario's name and the
// iteration's number alone: whichever engine, worker or machine sends iteration n sends the same request.
type random struct{ pcg rand.PCG }

// scenarioSeed mixes a plan's seed with a scenario's name.
func scenarioSeed(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return seed ^ h.Sum64()
}

func iterationRandom(scenarioSeed uint64, n int64) random {
	var r random
	r.pcg.Seed(scenarioSeed, uint64(n))
	return r
}

// below is uniform in 0..n-1 (the bias, below n/2^64, cannot be observed).
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.pcg.Uint64(), uint64(n))
	return int(hi)
}

// float is uniform in [0, 1).
func (r *random) float() float64 { return float64(r.pcg.Uint64()>>11) / (1 << 53) }
