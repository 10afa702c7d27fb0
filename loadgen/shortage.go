package loadgen

import (
	"fmt"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/scenarios"
)

// shortage spaces the attempts of users for whom there is no file descriptor or no port: without a pause they would try over
// and over, and take from those who have one the CPU time that sending needs.
type shortage struct {
	mu     sync.Mutex
	last   time.Duration // when one was last missing
	latest time.Duration // the last pause
}

const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// pause is how long who found none at the instant now is to wait: twice as long as the one before, until none was
// missing for a while.
func (s *shortage) pause(now time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == 0 || now-s.last > 2*longestPause {
		s.latest = firstPause / 2
	}
	s.last, s.latest = now, min(2*s.latest, longestPause)
	return s.latest
}

// spareFiles is how many files a run has open now and then beside its connections: what it reads of the machine, asks of
// the server, and makes of loops and timers.
const spareFiles = 16

// FewFiles says that this process may open fewer files than a plan may need; empty where it may open enough.
func FewFiles(plan *scenarios.Plan) string {
	limit, _ := procstat.Limits()
	needed := filesNeeded(plan)
	if limit == 0 || needed <= limit {
		return ""
	}
	return fmt.Sprintf("with all of its requests in flight the run needs %d file descriptors, and the limit is %d: raise it with ulimit -n %[1]d",
		needed, limit)
}

// filesNeeded is how many file descriptors this process needs for a plan: those that it has open, and one for each request
// that may be in flight at once.
func filesNeeded(plan *scenarios.Plan) int64 {
	most := 0
	for i := range plan.Scenarios {
		at, together := plan.Scenarios[i].StartTime, 0
		for k := range plan.Scenarios {
			s := &plan.Scenarios[k]
			if s.StartTime <= at && at < s.StartTime+s.Duration+s.GracefulStop {
				together += workers(s)
			}
		}
		most = max(most, together)
	}
	return int64(most) + procstat.OpenFiles() + spareFiles
}
