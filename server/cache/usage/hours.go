package usage

import (
	"sync"
	"time"
)

// hours counts requests by the hour of the day, UTC, since the start. It samples the total from time to time, so
// requests pay nothing for it.
type hours struct {
	mu       sync.Mutex
	total    uint64
	requests [24]uint64
}

// note adds the increase of the total since the last call to the hour of at.
func (h *hours) note(total uint64, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if total < h.total { // a later call was faster and has counted this
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

// peakFactor defines a peak hour by its ratio to the average hour.
const peakFactor = 1.5

// peaks returns the hours with more than peakFactor times the average of all hours with requests; nil without requests.
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
