package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/policycortex/headroom/results"
)

// machine describes the machine for the run's record. Unknown values stay empty.
func machine() results.Machine {
	m := results.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	m.Host, _ = os.Hostname()
	m.CPUModel = field("/proc/cpuinfo", "model name")
	m.Governor = line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	m.Kernel = line("/proc/sys/kernel/osrelease")
	m.Container = inContainer()
	kilobytes, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kilobytes, 10, 64); err == nil {
		m.MemBytes = n << 10
	}
	return m
}

// machineFindings are doctor's lines about the machine itself.
func machineFindings() []finding {
	m := machine()
	out := []finding{{
		what: "CPUs", ok: m.CPUs >= 2, detail: fmt.Sprintf("%d × %s", m.CPUs, orUnknown(m.CPUModel)),
		todo: "generator, server and database share one CPU: expect them to disturb each other",
	}}
	out = append(out, finding{
		what: "CPU governor", ok: m.Governor == "" || m.Governor == "performance", detail: orUnknown(m.Governor),
		todo: "for steadier figures: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
	})
	out = append(out, openFiles(), ports())
	return append(out, finding{
		what: "container", ok: !m.Container,
		detail: map[bool]string{true: "this process runs in a container", false: "no"}[m.Container],
		todo:   "the CPU quota of a container shows up as latency: compare only runs in the same container",
	})
}

func openFiles() finding {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return finding{what: "open files", detail: err.Error()}
	}
	return finding{
		what: "open files", ok: l.Cur >= 4096, detail: fmt.Sprintf("%d (hard limit %d)", l.Cur, l.Max),
		todo: "each connection needs one; raise the limit: ulimit -n 65536",
	}
}

func ports() finding {
	text := line("/proc/sys/net/ipv4/ip_local_port_range")
	var from, to int
	if _, err := fmt.Sscan(text, &from, &to); err != nil {
		return finding{what: "ephemeral ports", ok: true, detail: "unknown"}
	}
	return finding{
		what: "ephemeral ports", ok: to-from >= 10000, detail: fmt.Sprintf("%d (%d to %d)", to-from+1, from, to),
		todo: "services that close connections use one per request; raise the number: sudo sysctl " +
			"net.ipv4.ip_local_port_range='1024 65535'",
	}
}

func inContainer() bool {
	for _, path := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// line is the content of a one-line file; empty when it cannot be read.
func line(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// field is the value of "name: value" in a file of such lines; empty when it is not there.
func field(path, name string) string {
	for l := range strings.Lines(line(path)) {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
