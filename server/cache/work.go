package cache

import "sync"

// work counts goroutines that the cache has to wait for when it is closed. (A sync.WaitGroup may not be added to while
// it is waited for, and a hit in L1 may begin one at any time.)
type work struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// begin says whether one more may be started.
func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.group.Add(1)
	return true
}

func (w *work) end() { w.group.Done() }

func (w *work) wait() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.group.Wait()
}
