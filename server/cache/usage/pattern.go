package usage

import (
	"math"
	"time"
)

// AccessPattern describes the use of a key.
type AccessPattern struct {
	// Frequency is in accesses per minute: the accesses before this one, each decaying with a time constant of a
	// minute. A key that is read n times a minute has n on average; a new key has 0. (If it included this access, it
	// would exceed 1 for every key that was ever seen before.)
	Frequency float64
	// Recency is the time since the last access.
	Recency time.Duration
	// Size is the size of the uncompressed value, in bytes.
	Size int
	// ReadWriteRatio is the number of reads per write: see [ReadWriteRatio].
	ReadWriteRatio float64
}

// The thresholds of the policy. Sizes are in bytes.
const (
	hotFrequency = 10
	hotRecency   = 300 * time.Second
	l2Frequency  = 1
	l2Ratio      = 3
	l3Size       = 1024
	l3Ratio      = 10
	// smallSize is the size under which a value is kept in L1 whether it is hot or not.
	smallSize = 1024
)

// IsHot says that a key is read more than ten times a minute, and was read in the last five.
func (p AccessPattern) IsHot() bool {
	return p.Frequency > hotFrequency && p.Recency < hotRecency
}

// ShouldCacheL2 says that a value is worth sharing: it is read more than once a minute, or more than three times for
// each write.
func (p AccessPattern) ShouldCacheL2() bool {
	return p.Frequency > l2Frequency || p.ReadWriteRatio > l2Ratio
}

// ShouldCacheL3 says that a value is worth a row in the database: big enough, and read more than ten times for each
// write. Whether it is expensive to compute is a matter of its [key.Kind].
func (p AccessPattern) ShouldCacheL3() bool {
	return p.Size > l3Size && p.ReadWriteRatio > l3Ratio
}

// Placement says which levels keep a value. What is not for L1 is there for a moment nevertheless: it takes a
// while to reach L2.
type Placement struct{ L1, L2, L3 bool }

// place is the policy for a value that was just loaded. A value that would be in no shared level is kept in L1 at
// least: it was loaded for a request, and the next one may be a second away.
func (p AccessPattern) place() Placement {
	w := Placement{
		L1: p.IsHot() || p.Size < smallSize,
		L2: p.ShouldCacheL2(),
		L3: p.ShouldCacheL3(),
	}
	w.L1 = w.L1 || !w.L2
	return w
}

// ReadWriteRatio is reads / max(writes, 1): what was never written counts as written once, so that the ratio of a key
// grows with the reads that show it, instead of being infinite at the first.
func ReadWriteRatio(reads, writes float64) float64 { return reads / math.Max(writes, 1) }

// priorWeight is how many accesses the experience with a kind of key counts for.
const priorWeight = 4

// withPrior is the read/write ratio of a key of which little is known yet. By its own accesses alone a key could not
// reach a ratio over 3 before its fourth read, so nothing would be shared until it had been loaded over and over. It is
// therefore judged as if it had been accessed priorWeight times before, with the mix of reads and writes of its kind;
// its own accesses outweigh these as they come.
func withPrior(reads, writes, kindRatio float64) float64 {
	priorWrites := priorWeight / (1 + kindRatio)
	return ReadWriteRatio(reads+priorWeight-priorWrites, writes+priorWrites)
}
