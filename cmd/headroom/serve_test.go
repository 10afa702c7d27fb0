package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeLooksBeforeItStartsServers: what will not do is said before Postgres and a fixture are there.
func TestServeLooksBeforeItStartsServers(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		args     []string
		variable string
		mention  string
		code     int
	}{
		"a taken port": {[]string{"--addr", taken.Addr().String()}, "", "address already in use", exitError},
		"a taken admin port": {
			[]string{"--addr", "127.0.0.1:0", "--admin", taken.Addr().String()},
			"",
			"address already in use", exitError,
		},
		"a wrong option": {
			[]string{"--addr", "127.0.0.1:0"},
			"HEADROOM_EDGE_TTL=500ms", "HEADROOM_EDGE_TTL",
			exitUsage,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, append([]string{"serve", "--provider", "process"}, c.args...)...)
			p.Env = append(os.Environ(), c.variable)
			p.exits(t, c.code)
			said := p.stderr.String()
			says(t, said, c.mention)
			for _, progress := range []string{"starting", "fixture", "postgres"} {
				if strings.Contains(strings.ToLower(said), progress) {
					t.Errorf("it began to start servers:\n%s", said)
				}
			}
		})
	}
}

// TestServeBalanced: two instances serve at one address. One that is killed takes no request with it and is started
// again, and nothing is left at the end.
func TestServeBalanced(t *testing.T) {
	t.Parallel()
	needBalancer(t, "nginx")
	p := headroom(t, "serve", "--provider", "process", "--resources", "10", "--addr", "127.0.0.1:0", "--instances", "2",
		"--balancer", "nginx")
	p.Stdout = nil
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	var url string
	lines := bufio.NewReader(stdout)
	if _, err := fmt.Fscanf(lines, "serving %s by nginx", &url); err != nil {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	go io.Copy(io.Discard, lines)
	answers := func() (instance string) {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
		return resp.Header.Get("X-Instance")
	}
	awaitBoth := func() {
		t.Helper()
		seen := map[string]bool{}
		for deadline := time.Now().Add(time.Minute); len(seen) < 2; {
			if time.Now().After(deadline) {
				t.Fatalf("only %v answered", seen)
			}
			seen[answers()] = true
		}
		if !seen["1"] || !seen["2"] {
			t.Errorf("the instances call themselves %v", seen)
		}
	}
	awaitBoth()
	killed := instancesOf(t, p.Process.Pid)
	if len(killed) != 2 {
		t.Fatalf("instances %v", killed)
	}
	for _, pid := range killed {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		awaitBoth()
		time.Sleep(settleTime) // the balancer is to have it back before the other one goes
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, &p.stderr)
	}
	says(t, p.stderr.String(), "instance 1 ended", "instance 2 ended", "is started again")
	if resp, err := http.Get(url); err == nil {
		resp.Body.Close()
		t.Error("somebody still listens")
	}
}

// TestServeDemo: one command starts everything and loads it. A change reaches the page of live activity, and Ctrl-C
// leaves nothing behind.
func TestServeDemo(t *testing.T) {
	t.Parallel()
	needBalancer(t, "nginx")
	p := headroom(t, "serve", "--demo", "--provider", "process", "--resources", "200", "--with-replica=false", "--addr",
		"127.0.0.1:0")
	mark := fmt.Sprintf("HEADROOM_TEST=%s-%d", t.Name(), os.Getpid())
	tmp, err := os.MkdirTemp("/tmp", "headroom-demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	if err := os.Chmod(tmp, 0o1777); err != nil {
		t.Fatal(err)
	}
	p.Env = append(os.Environ(), mark, "TMPDIR="+tmp)
	p.Stdout = nil
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	address := ""
	for address == "" {
		if !lines.Scan() {
			t.Fatalf("it printed no address\n%s", &p.stderr)
		}
		fmt.Sscanf(lines.Text(), "open %s ", &address)
	}
	page, err := url.Parse(address)
	if err != nil || page.Path != "/ui/activity" {
		t.Fatalf("the address is %s (error %v)", address, err)
	}
	if body := demoPage(t, address); !strings.Contains(body, "<h1>Activity</h1>") {
		t.Errorf("the page is\n%s", body)
	}
	page.Path = "/ui/stream"
	// The first event may come before its request is answered, and Ctrl-C would end that: it counts as not sent.
	if event := thirdEvent(t, page.String()); !strings.Contains(event, `"type":"`) {
		t.Errorf("the third change is %s", event)
	}
	if n := len(belonging(t, mark, tmp)); n < 6 { // itself, Postgres, cache, nginx, two instances
		t.Errorf("%d processes while it serves", n)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last, requests, failed := "", 0, 0
	for lines.Scan() {
		last = lines.Text()
		fmt.Sscanf(last, "in the last %s %d requests, %d failed", new(string), &requests, &failed)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, &p.stderr)
	}
	if requests == 0 || failed > requests/2 { // a busy machine may be too late for some
		t.Errorf("%d requests, %d failed: %s", requests, failed, last)
	}
	nothingRemains(t, tmp, func() []string { return belonging(t, mark, tmp) })
}

func demoPage(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, error %v: %s", resp.StatusCode, err, body)
	}
	return string(body)
}

// thirdEvent is the third event with data of a stream of server-sent events.
func thirdEvent(t *testing.T, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines, events := bufio.NewScanner(resp.Body), 0
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if found {
			events++
		}
		if events == 3 {
			return data
		}
	}
	t.Fatalf("the stream ended with status %d and error %v", resp.StatusCode, lines.Err())
	return ""
}

// instancesOf are the processes of the reference server that a process has started.
func instancesOf(t testing.TB, parent int) (pids []int) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,ppid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var pid, its int
		if _, err := fmt.Sscan(line, &pid, &its); err == nil && its == parent &&
			strings.Contains(line, " serve --addr ") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestServeDemoRefusesServersOfOthers(t *testing.T) {
	t.Parallel()
	p := headroom(t, "serve", "--demo", "--postgres", "postgres://127.0.0.1/x", "--cache", "redis://127.0.0.1/0")
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "--demo changes data")
	p = headroom(t, "serve", "--demo")
	p.Env = append(os.Environ(), "HEADROOM_AUTH_SHARED_KEY=a secret of thirty-two characters")
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "without a token")
}

func TestServeRefusesInstancesWithoutAnAddress(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--instances needs --balancer": {"--instances", "2"},
		"use nginx or haproxy":         {"--balancer", "envoy"},
		"must be from 1 to 64":         {"--instances", "65", "--balancer", "nginx"},
		"has an admin listener of its": {"--balancer", "nginx", "--admin", "127.0.0.1:0"},
	} {
		p := headroom(t, append([]string{"serve"}, args...)...)
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), want)
	}
}
