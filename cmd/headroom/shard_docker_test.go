//go:build docker

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestFourContainersAreOneRun: the same in four containers of the image that deploy/Dockerfile makes.
func TestFourContainersAreOneRun(t *testing.T) {
	t.Parallel()
	dir, image := t.TempDir(), fmt.Sprintf("headroom-test:%d", os.Getpid())
	for _, c := range []*exec.Cmd{
		exec.Command("cp", binary(t), dir), // which is pure Go
		exec.Command("docker", "build", "--quiet", "--tag", image, "--file", "../../deploy/Dockerfile", dir),
	} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "--force", image).Run() })
	runs := filepath.Join(dir, "runs")
	if err := os.Mkdir(runs, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(runs, 0o777); err != nil { // the image's user is nobody here
		t.Fatal(err)
	}
	fourAreOneRun(t, func(i int, file, start string) (shard *program, saved string) {
		p := headroom(t)
		p.Path, p.Err = exec.LookPath("docker")
		part := fmt.Sprintf("part-%d", i)
		p.Args = []string{
			"docker", "run", "--rm", "--network", "host", "--env", completionIndex + "=" + strconv.Itoa(i),
			"--volume", file + ":/scenario.yaml:ro", "--volume", runs + ":/runs", image,
			"run", "/scenario.yaml", "--shard", "/4", "--start-at", start, "--out", "/runs/" + part,
		}
		return p, filepath.Join(runs, part)
	})
}
