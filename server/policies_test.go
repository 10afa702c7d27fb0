package server

import (
	"strings"
	"testing"
	"time"
)

func TestLimitsOfPolicies(t *testing.T) {
	for name, o := range map[string]Options{
		"HEADROOM_POLICY_TIME is 1ns":                 {PolicyTime: 1},
		"HEADROOM_POLICY_TIME is 2s":                  {PolicyTime: 2 * time.Second},
		"HEADROOM_POLICY_MEMORY_PAGES is -1":          {PolicyMemoryPages: -1},
		"HEADROOM_POLICY_MEMORY_PAGES is 1025":        {PolicyMemoryPages: 1025},
		"HEADROOM_POLICY_MODULE_BYTES is 10":          {PolicyModuleBytes: 10},
		"HEADROOM_POLICY_MODULE_BYTES is 1048577":     {PolicyModuleBytes: 1<<20 + 1},
		"HEADROOM_POLICY_CACHE_BYTES is 1000":         {PolicyCacheBytes: 1000},
		"HEADROOM_POLICY_CACHE_BYTES is 137438953472": {PolicyCacheBytes: 1 << 37},
	} {
		o.Addr = "127.0.0.1:0"
		err := o.Check()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one that says %s", err, name)
		}
	}
	o := Options{
		Addr: "127.0.0.1:0", PolicyTime: time.Millisecond, PolicyMemoryPages: 16, PolicyModuleBytes: 1 << 20,
		PolicyCacheBytes: 1 << 30,
	}
	err := o.Check()
	if err != nil {
		t.Error(err)
	}
}
