package arrival

import (
	"sync"
	"time"
)

// Shortage spaces the attempts of users for whom there is no file descriptor or no port: without a pause they would try
// over and over, and take from those who have one the CPU time that sending needs.
type Shortage struct {
	mu     sync.Mutex
	last   time.Duration // when one was last missing
	latest time.Duration // the last pause
}

const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// Pause is how long a user who found none at the instant now is to wait: twice as long as the one before, until none
// has been missing for a while. It is safe for concurrent use.
func (s *Shortage) Pause(now time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == 0 || now-s.last > 2*longestPause {
		s.latest = firstPause / 2
	}
	s.last, s.latest = now, min(2*s.latest, longestPause)
	return s.latest
}
