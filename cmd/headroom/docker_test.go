//go:build docker

package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestKillLeavesNothingDocker needs a Docker engine with the images of the shipped scenarios. The reaper of
// testcontainers removes the containers, itself included, some ten seconds after the kill.
func TestKillLeavesNothingDocker(t *testing.T) {
	before := containersNow(t)
	killed(t, "docker", syscall.SIGKILL, nil, func() []string {
		var more []string
		for id := range containersNow(t) {
			if !before[id] {
				more = append(more, "container "+id)
			}
		}
		return more
	})
}

func TestOutageDocker(t *testing.T) {
	t.Parallel()
	outage(t, "docker")
}

func containersNow(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--all", "--quiet", "--no-trunc").Output()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for id := range strings.FieldsSeq(string(out)) {
		ids[id] = true
	}
	return ids
}
