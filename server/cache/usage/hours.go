package usage

import (
	"sync"
	"time"
)

// hours counts requests by the hour of the day, UTC, since the start. It is told of the total from time to time, so it
// costs the requests nothing.
type hours struct {
	mu       sync.Mutex
	total    uint64
	requests [24]uint64
}

// note gives what was added to the total since the last call to the hour of at.
func (h *hours) note(total uint64, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if total < h.total { // counted before, by a call that overtook this one
		return
	}
	h.requests[at.UTC().Hour()] += total - h.total
	h.total = total
}

func (h *hours) read() [24]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests
}

// peakFactor is how much busier than the average hour a peak is.
const peakFactor = 1.5

// peaks are the hours with more than peakFactor times the average of those that had requests; nil when none had.
func peaks(requests [24]uint64) []int {
	sum, busy := uint64(0), 0
	for _, n := range requests {
		sum += n
		if n > 0 {
			busy++
		}
	}
	if sum == 0 {
		return nil
	}
	found := []int{}
	for hour, n := range requests {
		if float64(n) > peakFactor*float64(sum)/float64(busy) {
			found = append(found, hour)
		}
	}
	return found
}
