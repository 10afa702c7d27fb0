package judge

import (
	"fmt"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// shortOfUsers is the share of a load's requests that waited for a free user from which on there are too few of them.
// A service that stands still for a moment makes fewer wait.
const shortOfUsers = 0.5

// UsersRanOut says that the users of a scenario were the limit of a trial, as many as its maxVUs: half of its requests
// waited for a free one in the generator, by more than a millisecond, and those that were sent were answered within the
// objectives. Empty where that is not so. It cannot tell that the service would have answered more of them, had there
// been more users: a closed loop can.
func UsersRanOut(m *results.Measurements, objectives []scenarios.Threshold) (string, error) {
	for _, l := range m.Loads {
		waited := above(l.Lag, leastTrialLag) - above(l.OwnLag, leastTrialLag)
		if waited == 0 || float64(waited) < shortOfUsers*float64(l.Lag.Count()) {
			continue
		}
		_, crossed, err := hold(m, onceSent(objectives))
		if err != nil || len(crossed) > 0 {
			return "", err
		}
		return fmt.Sprintf("%.0f %% of the requests of the scenario %s waited in the generator for one of its "+
			"%d users, "+
			"and the objectives held for those that were sent: raise its maxVUs",
			100*float64(waited)/float64(l.Lag.Count()), l.Scenario, l.MaxVUs), nil
	}
	return "", nil
}

// onceSent are objectives in which response times count from the instant at which requests were sent, and not from when
// they were due.
func onceSent(objectives []scenarios.Threshold) (all []scenarios.Threshold) {
	for _, o := range objectives {
		if o.Metric == scenarios.HTTPReqDuration {
			o.Metric = scenarios.HTTPReqServiceDuration
		}
		all = append(all, o)
	}
	return all
}
