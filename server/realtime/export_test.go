package realtime

import "time"

// NewWithSweep is New with another time between two looks at every tenant.
func NewWithSweep(o Options, sweep time.Duration) *Hub { return newHub(o, sweep) }

// Tells reports whether others are told of changes.
func (h *Hub) Tells() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tells
}

// HasNews reports whether others are to be told of something.
func (h *Hub) HasNews() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hasNews()
}
