package arrival

// Shard is the part of a schedule that this process carries out: every Count-th iteration from Index on. As an
// iteration's instant and its request follow from its number and the seed alone, the shards together are the single
// schedule.
type Shard struct{ Index, Count int64 }

// Whole is all of the schedule.
var Whole = Shard{0, 1}

// Iteration is the number, in the whole schedule, of the shard's iteration j = 0, 1, 2, …
func (s Shard) Iteration(j int64) int64 { return s.Index + j*s.Count }

// Of is how many of the schedule's first n iterations are the shard's.
func (s Shard) Of(n int64) int64 { return max(0, (n-s.Index+s.Count-1)/s.Count) }

// Share is the i-th of n parts of a whole, as even as can be.
func Share(whole, i, n int) int { return (whole + n - 1 - i) / n }
