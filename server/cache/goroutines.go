package cache

import "sync"

// goroutines counts the goroutines that Close has to wait for. (A sync.WaitGroup may not be added to while it is waited
// for, and a hit in L1 may start one at any time.)
type goroutines struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// begin reports whether one more may be started. It calls end when it is done.
func (g *goroutines) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.group.Add(1)
	return true
}

func (g *goroutines) end() { g.group.Done() }

// wait lets no more begin and waits for those that have.
func (g *goroutines) wait() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.group.Wait()
}
