package loadgen

import (
	"fmt"

	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/scenarios"
)

// spareFiles is how many files a run has open now and then beside its connections: what it reads of the machine, asks
// of the server, and makes of loops and timers.
const spareFiles = 16

// filesOfRegion is enough for both ends of the connections of a region's instance to the primary and the cache.
const filesOfRegion = 200

// FewFiles says that this process may open fewer files than a plan may need; empty where it may open enough.
func FewFiles(plan *scenarios.Plan) string {
	limit, _ := procstat.Limits()
	needed := filesNeeded(plan)
	if limit == 0 || needed <= limit {
		return ""
	}
	return fmt.Sprintf("with all of its requests in flight the run needs %d file descriptors, and the limit is %d: "+
		"raise it with ulimit -n %[1]d",
		needed, limit)
}

// filesNeeded is how many file descriptors this process needs for a plan: those that it has open, one for each
// subscriber, and to each instance of the target one for each request that may be in flight at once. Where there are
// regions, this process also has the two sockets of the proxy that each connection leads through.
func filesNeeded(plan *scenarios.Plan) int64 {
	instances, each := max(1, len(plan.Target.Others)+1, plan.Environment.Instances), 1
	regions := len(plan.Environment.Regions)
	if regions > 0 {
		each = 3
	}
	most := mostAtOnce(plan, func(s *scenarios.Scenario) int {
		if isStream(s) { // each subscriber has one connection at a time
			return s.Load.Workers() * each
		}
		return s.Load.Workers() * instances * each
	})
	return int64(most+regions*filesOfRegion) + procstat.OpenFiles() + spareFiles
}

// mostAtOnce is the greatest sum of something that scenarios have, over those that run at the same time.
func mostAtOnce(plan *scenarios.Plan, has func(*scenarios.Scenario) int) (most int) {
	for i := range plan.Scenarios {
		at, together := plan.Scenarios[i].StartTime, 0
		for k := range plan.Scenarios {
			s := &plan.Scenarios[k]
			if s.StartTime <= at && at < s.StartTime+s.Load.Length()+s.GracefulStop {
				together += has(s)
			}
		}
		most = max(most, together)
	}
	return most
}
