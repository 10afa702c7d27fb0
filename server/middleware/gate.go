package middleware

import "sync/atomic"

// Gate sheds load: it lets a number of requests in at the same time and refuses the others at once. What waits in front
// of a database that cannot keep up would only be answered when nobody waits for it any more.
type Gate struct {
	limit  int64
	inside atomic.Int64
	_      [112]byte // refusals do not slow down those who are let in
	shed   atomic.Uint64
}

// NewGate makes a gate for limit requests at the same time.
func NewGate(limit int) *Gate { return &Gate{limit: int64(limit)} }

// Enter lets a request in, which must call Leave, or refuses it.
func (g *Gate) Enter() bool {
	if g.inside.Add(1) > g.limit {
		g.inside.Add(-1)
		g.shed.Add(1)
		return false
	}
	return true
}

// Leave lets a request out.
func (g *Gate) Leave() { g.inside.Add(-1) }

// Inside returns how many requests are in now.
func (g *Gate) Inside() int64 { return g.inside.Load() }

// Shed returns how many requests were refused.
func (g *Gate) Shed() uint64 { return g.shed.Load() }
