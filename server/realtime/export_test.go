package realtime

import "time"

// NewWithSweep is New with another time between two looks at every tenant.
func NewWithSweep(o Options, sweep time.Duration) *Hub { return newHub(o, sweep) }
