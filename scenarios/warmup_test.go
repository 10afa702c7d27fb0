package scenarios

import (
	"fmt"
	"testing"
	"time"
)

func TestAutomaticWarmup(t *testing.T) {
	for keys, want := range map[string]time.Duration{
		"duration: 30s":                   15 * time.Second,
		"duration: 100s":                  50 * time.Second,
		"duration: 1h":                    time.Minute,
		"duration: 20s, warmupLimit: 15s": 15 * time.Second,
		"duration: 1h, warmupLimit: 30m":  30 * time.Minute,
	} {
		for _, executor := range []string{"constant-arrival-rate, rate: 10", "constant-vus, vus: 2"} {
			src := fmt.Sprintf("scenarios: {s: {executor: %s, %s, requests: [{name: a, path: /}]}}", executor, keys)
			p, err := Parse("x.yaml", []byte(src), "scenarios.s.warmup=auto")
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			if s := p.Scenarios[0]; !s.AutoWarmup || s.Warmup != want {
				t.Errorf("%s: automatic %v, at most %v, want %v", src, s.AutoWarmup, s.Warmup, want)
			}
		}
	}
}
