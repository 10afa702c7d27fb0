package main

import (
	"slices"
	"time"
)

// The server that freezes: it answers freezeService after it has read a request, and stops for freezeFor in each period
// of freezeEvery.
const (
	freezeService = 2 * time.Millisecond
	freezeFor     = 200 * time.Millisecond
	freezeEvery   = 2 * time.Second
)

// truth is the response times, from the intended send instants, of the requests of one period, in ascending order. They
// are sent evenly, rate a second, over so many connections; 0: as many as it takes.
//
// Let s be the service time, F the length of the stop, C the connections, R the rate, and a the intended instant of a
// request, counted from the beginning of the stop.
//
//   - Those with −s ≤ a < 0 are being answered as the stop begins. They are answered as it ends: after F − a.
//   - Of those with a ≥ 0, number n = ⌊a·R⌋. The first C find a free connection, or get one as the stop ends, are read
//     then and answered at F + s. With every answer a connection becomes free for one that waits, so the next C are
//     answered at F + 2s, and so on: number n at F + s·(1 + ⌊n/C⌋), which is after F − a + s·(1 + ⌊n/C⌋).
//   - That falls with a as long as R·s < C: the connections catch up. From where it is below s nobody waits any more,
//     and the response time is s.
//
// The network and the server's own work are left out, some 0.1 ms on loopback.
func truth(rate, connections int) []time.Duration {
	gap := time.Second / time.Duration(rate)
	var all []time.Duration
	for a := -freezeService; a < 0; a += gap {
		all = append(all, freezeFor-a)
	}
	for n := 0; len(all) < int(freezeEvery/gap); n++ {
		batch := 1
		if connections > 0 {
			batch += n / connections
		}
		wait := freezeFor - time.Duration(n)*gap + freezeService*time.Duration(batch)
		all = append(all, max(wait, freezeService))
	}
	slices.Sort(all)
	return all
}

// quantile of sorted times: the least one that is not in the lower share q of them.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))+0.5))]
}
