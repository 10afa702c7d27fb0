package server

import (
	"fmt"
	"time"

	"github.com/policycortex/headroom/server/policy"
)

// minPolicyTime lets a module run a hundred thousand instructions, which a kilobyte needs.
const minPolicyTime = 100 * time.Microsecond

// checkPolicies holds the limits of rules within what the server can do.
func (o Options) checkPolicies() (faults []error) {
	if t := o.PolicyTime; t != 0 && (t < minPolicyTime || t > policy.MaxTime) {
		faults = append(faults, fmt.Errorf("HEADROOM_POLICY_TIME is %s; set it to %s or more and at most %s, or not "+
			"at all for %s", t, minPolicyTime, policy.MaxTime, policy.DefaultTime))
	}
	for _, setting := range []struct {
		name                    string
		value, least, most, not int64
	}{
		{
			"HEADROOM_POLICY_MEMORY_PAGES", int64(o.PolicyMemoryPages), 1, policy.MaxMemoryPages,
			policy.DefaultMemoryPages,
		},
		{
			"HEADROOM_POLICY_MODULE_BYTES", int64(o.PolicyModuleBytes), policy.MinModuleBytes, policy.MaxModuleBytes,
			policy.DefaultModuleBytes,
		},
		{
			"HEADROOM_POLICY_CACHE_BYTES", o.PolicyCacheBytes, policy.MinCacheBytes, policy.MaxCacheBytes,
			policy.DefaultCacheBytes,
		},
	} {
		if v := setting.value; v != 0 && (v < setting.least || v > setting.most) {
			faults = append(faults, fmt.Errorf("%s is %d; set it to a number from %d to %d, or not at all for %d",
				setting.name, v, setting.least, setting.most, setting.not))
		}
	}
	return faults
}

func (o Options) policyLimits() policy.Limits {
	return policy.Limits{
		Time: o.PolicyTime, MemoryPages: o.PolicyMemoryPages, ModuleBytes: o.PolicyModuleBytes,
		CacheBytes: o.PolicyCacheBytes,
	}
}
