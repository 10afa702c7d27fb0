package report

import (
	"fmt"

	"github.com/policycortex/headroom/server/cache/usage"
)

// Recommendation is advice on the settings of the cache, with the numbers that it rests on.
type Recommendation struct {
	Code    string             `json:"code"` // stable, for programs
	Text    string             `json:"text"`
	Numbers map[string]float64 `json:"numbers"`
}

// Smaller samples lead to no advice.
const (
	enoughRequests = 1000
	enoughValues   = 100
)

// MinEffectiveness is the share of prefetched values that must be used for prefetching to be worth its loads.
const MinEffectiveness = 0.25

// rules look at a report and return nil when they have no advice.
var rules = [...]func(*Report) *Recommendation{
	l1TooSmall, l1LargerThanNeeded, entriesExpireTooSoon, l2Fails, l2SlowerThanLoading, l2ServesLittle,
	manyInvalidations, prefetchWasted, compressionDoesNotPay, valuesTooLarge, fewHits,
}

// Recommend returns the advice that follows from a report; an empty list, never nil, when there is none.
func Recommend(r *Report) []Recommendation {
	found := []Recommendation{}
	for _, rule := range rules {
		if advice := rule(r); advice != nil {
			found = append(found, *advice)
		}
	}
	return found
}

// enough reports whether a level got enough requests to be judged.
func (l *Level) enough() bool { return l.HitRate != nil && l.Hits+l.Misses >= enoughRequests }

func l1TooSmall(r *Report) *Recommendation {
	evicted := float64(r.Evictions) / float64(max(r.Requests, 1))
	if !r.Levels.L1.enough() || *r.Levels.L1.HitRate >= usage.GrowBelow || evicted < 0.01 ||
		float64(r.L1.MaxBytes)*usage.GrowFactor <= float64(r.L1.LargestBytes) {
		return nil
	}
	return &Recommendation{
		Code: "l1_too_small",
		Text: "L1 serves fewer than 80 % of the requests, evicts, and is as large as it may be. Allow it more " +
			"memory: set HEADROOM_L1_MAX_BYTES higher.",
		Numbers: map[string]float64{
			"l1_hit_rate": *r.Levels.L1.HitRate, "evictions_per_request": usage.Rounded(evicted),
			"l1_largest_bytes": float64(r.L1.LargestBytes),
		},
	}
}

func l1LargerThanNeeded(r *Report) *Recommendation {
	if !r.Levels.L1.enough() || *r.Levels.L1.HitRate <= usage.ShrinkAbove || r.L1.Bytes >= r.L1.SmallestBytes/2 {
		return nil
	}
	return &Recommendation{
		Code: "l1_larger_than_needed",
		Text: "L1 serves more than 95 % of the requests with less than half of its smallest size. " +
			"HEADROOM_L1_BYTES can be lower.",
		Numbers: map[string]float64{
			"l1_hit_rate": *r.Levels.L1.HitRate, "l1_bytes": float64(r.L1.Bytes),
			"l1_smallest_bytes": float64(r.L1.SmallestBytes),
		},
	}
}

func entriesExpireTooSoon(r *Report) *Recommendation {
	if r.Reaccess == nil || r.Reaccess.Intervals < enoughValues || r.Reaccess.P50Seconds <= r.L1.TTLSeconds {
		return nil
	}
	return &Recommendation{
		Code: "entries_expire_before_reaccess",
		Text: "Half of the keys that are asked for again wait longer than an entry lives in L1, and L1 does " +
			"little for them. They are L2's to serve: see to its memory first.",
		Numbers: map[string]float64{"reaccess_p50_seconds": r.Reaccess.P50Seconds, "l1_ttl_seconds": r.L1.TTLSeconds},
	}
}

func l2Fails(r *Report) *Recommendation {
	l2 := &r.Levels.L2
	state := r.Breakers["l2"]
	open := state != "" && state != "closed"
	failed := float64(l2.Errors) / float64(max(l2.Hits+l2.Misses, 1))
	if !open && (!l2.enough() || failed < 0.01) {
		return nil
	}
	return &Recommendation{
		Code: "l2_fails",
		Text: "The L2 cache fails or does not answer in time, so requests go to the database. See to its memory, " +
			"its load and the network.",
		Numbers: map[string]float64{"errors_per_request": usage.Rounded(failed), "errors": float64(l2.Errors)},
	}
}

func l2SlowerThanLoading(r *Report) *Recommendation {
	l2 := &r.Levels.L2
	if !l2.enough() || l2.Latency == nil || r.LoadLatency == nil || r.LoadLatency.Count < enoughValues ||
		l2.Latency.P50US <= r.LoadLatency.P50US {
		return nil
	}
	return &Recommendation{
		Code: "l2_slower_than_loading",
		Text: "Half of the hits in L2 take longer than half of the loads from the database. L2 is overloaded " +
			"or far away.",
		Numbers: map[string]float64{"l2_p50_us": l2.Latency.P50US, "load_p50_us": r.LoadLatency.P50US},
	}
}

func l2ServesLittle(r *Report) *Recommendation {
	if !r.Levels.L2.enough() || *r.Levels.L2.HitRate >= 0.1 {
		return nil
	}
	return &Recommendation{
		Code: "l2_serves_little",
		Text: "L2 has fewer than a tenth of what it is asked for. It has too little memory, or the values are " +
			"changed before they are asked for again.",
		Numbers: map[string]float64{"l2_hit_rate": *r.Levels.L2.HitRate},
	}
}

func manyInvalidations(r *Report) *Recommendation {
	perRequest := float64(r.Invalidations) / float64(max(r.Requests, 1))
	if r.Requests < enoughRequests || perRequest < 0.1 {
		return nil
	}
	return &Recommendation{
		Code: "many_invalidations",
		Text: "More than one invalidation comes to ten requests. Write in batches: a batch invalidates a tenant's " +
			"lists once.",
		Numbers: map[string]float64{"invalidations_per_request": usage.Rounded(perRequest)},
	}
}

func prefetchWasted(r *Report) *Recommendation {
	p := &r.Prefetch
	if p.Used+p.Lost < enoughValues || float64(p.Used) >= MinEffectiveness*float64(p.Used+p.Lost) {
		return nil
	}
	return &Recommendation{
		Code: "prefetch_wasted",
		Text: "Most of what is prefetched is never asked for. The cache tries it less and less by itself; nothing " +
			"has to be set.",
		Numbers: map[string]float64{"used": float64(p.Used), "lost": float64(p.Lost)},
	}
}

func compressionDoesNotPay(r *Report) *Recommendation {
	z := &r.Compression
	if z.Ratio == nil || z.BytesBefore < 1<<20 || *z.Ratio >= 1.2 {
		return nil
	}
	return &Recommendation{
		Code:    "compression_does_not_pay",
		Text:    "Compressing values saves less than a sixth. They are random or compressed already.",
		Numbers: map[string]float64{"ratio": *z.Ratio, "bytes_before": float64(z.BytesBefore)},
	}
}

func valuesTooLarge(r *Report) *Recommendation {
	const large = 64 << 10
	all, over := uint64(0), uint64(0)
	for i, class := range r.SizeDistribution {
		all += class.Values
		if i > 0 && (class.Below == nil || *class.Below > large) {
			over += class.Values
		}
	}
	if all < enoughValues || over*10 < all {
		return nil
	}
	return &Recommendation{
		Code:    "values_too_large",
		Text:    fmt.Sprintf("A tenth or more of the values has %d KB or more. Ask for smaller pages.", large>>10),
		Numbers: map[string]float64{"values": float64(all), "large_values": float64(over)},
	}
}

func fewHits(r *Report) *Recommendation {
	if r.Requests < enoughRequests || r.OverallHitRate == nil || *r.OverallHitRate >= usage.GrowBelow {
		return nil
	}
	advice := &Recommendation{
		Code:    "few_hits",
		Text:    "No level serves more than 80 % of the requests.",
		Numbers: map[string]float64{"overall_hit_rate": *r.OverallHitRate},
	}
	if len(r.KeyPatterns) > 0 {
		most := r.KeyPatterns[0]
		advice.Text = fmt.Sprintf("The levels serve fewer than 80 %% of the requests. Most requests are for %s: warm "+
			"these, or ask for them in fewer spellings.", most.Pattern)
		advice.Numbers["share_of_most_frequent_pattern"] = usage.Rounded(most.Share)
	}
	return advice
}
