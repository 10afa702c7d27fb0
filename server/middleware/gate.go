package middleware

import "sync/atomic"

// Gate sheds load: it admits a limited number of concurrent requests and refuses others at once. Requests that queue
// for an overloaded database would be answered only after their clients have left.
type Gate struct {
	limit  int64
	inside atomic.Int64
	_      [112]byte // keeps refusals from slowing down admitted requests
	shed   atomic.Uint64
}

// NewGate makes a gate for limit concurrent requests.
func NewGate(limit int) *Gate { return &Gate{limit: int64(limit)} }

// Enter admits a request, which must then call Leave, or refuses it.
func (g *Gate) Enter() bool {
	if g.inside.Add(1) > g.limit {
		g.inside.Add(-1)
		g.shed.Add(1)
		return false
	}
	return true
}

// Leave ends an admitted request.
func (g *Gate) Leave() { g.inside.Add(-1) }

// Inside returns the current number of admitted requests.
func (g *Gate) Inside() int64 { return g.inside.Load() }

// Shed returns the number of refused requests.
func (g *Gate) Shed() uint64 { return g.shed.Load() }
