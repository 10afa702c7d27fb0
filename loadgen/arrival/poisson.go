package arrival

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// poisson is a Poisson process of rate 1 on the interval from 0 to length, fixed by its seed: point n = 0, 1, 2, … lies
// at at(n).
//
// What happens in disjoint intervals of a Poisson process is independent, so that each block of the interval can be
// drawn by itself, from a random stream of its own: exponential gaps from the block's start for as long as they stay in
// it. So any point can be had without drawing all before it, and however the process is split among threads and
// machines, it is the same one. The number of points in each block is counted once, at the start.
type poisson struct {
	seed   uint64
	length float64
	before []int64 // points before each block, and at last all
	total  int64

	mu     sync.Mutex
	recent [8]block // by number, modulo their count
}

// block is a block's points.
type block struct {
	number int
	points []float64
}

// blockLength is the number of points that a block is expected to have.
const blockLength = 1024

func newPoisson(seed uint64, length float64) *poisson {
	p := &poisson{seed: seed, length: length}
	var points []float64
	for b := 0; float64(b)*blockLength < length; b++ {
		p.before = append(p.before, p.total)
		points = p.draw(b, points[:0])
		p.total += int64(len(points))
	}
	p.before = append(p.before, p.total)
	for i := range p.recent {
		p.recent[i].number = -1
	}
	return p
}

// draw appends the points of a block.
func (p *poisson) draw(number int, points []float64) []float64 {
	const stream = 0x706f6973736f6e // apart from those of the iterations, whose numbers are small
	random := rand.New(rand.NewPCG(p.seed, stream<<8^uint64(number)<<1|1))
	start := float64(number) * blockLength
	end := min(start+blockLength, p.length)
	for at := start + random.ExpFloat64(); at < end; at += random.ExpFloat64() {
		points = append(points, at)
	}
	return points
}

// at is the place of point n, 0 <= n < total. It is safe for concurrent use.
func (p *poisson) at(n int64) float64 {
	// The last block that begins at or before n: of empty ones, which begin where the next does, the last.
	number, _ := slices.BinarySearch(p.before, n+1)
	number--
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.recent[number%len(p.recent)]
	if b.number != number {
		b.number, b.points = number, p.draw(number, b.points[:0])
	}
	return b.points[n-p.before[number]]
}
