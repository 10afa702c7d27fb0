package procstat

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// listeners are the processes that listen at one of the addresses on this machine, as far as this process may see them.
// Docker's proxy is not among them: what it forwards to is the service.
func listeners(at []netip.AddrPort) (pids []int) {
	sockets := map[string]bool{}
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(name)
		if err == nil {
			findListening(string(table), at, sockets)
		}
	}
	if len(sockets) == 0 {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && holds(pid, sockets) && !isForwarder(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// timesOf is the CPU time of each process since its start; nil where there is none, or one has ended: what the others
// use is not all that those did.
func timesOf(pids []int) map[int]time.Duration {
	if len(pids) == 0 {
		return nil
	}
	times := make(map[int]time.Duration, len(pids))
	for _, pid := range pids {
		used, err := processTime(pid)
		if err != nil {
			return nil
		}
		times[pid] = used
	}
	return times
}

// findListening adds the sockets of a table such as /proc/net/tcp that listen at one of the addresses, as the links of
// /proc/PID/fd name them. Somebody who listens at all addresses listens at each.
func findListening(table string, at []netip.AddrPort, sockets map[string]bool) {
	const local, state, inode, listen = 1, 3, 9, "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= inode || fields[state] != listen {
			continue
		}
		here, ok := tableAddress(fields[local])
		if !ok {
			continue
		}
		for _, a := range at {
			if a.Port() == here.Port() && (here.Addr().IsUnspecified() || a.Addr().Unmap() == here.Addr().Unmap()) {
				sockets["socket:["+fields[inode]+"]"] = true
			}
		}
	}
}

// tableAddress reads an address of such a table: words of four bytes, each in the order of the machine, a colon and the
// port, all in hexadecimal digits. Only machines with the low byte first are understood.
func tableAddress(text string) (netip.AddrPort, bool) {
	host, portText, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil || len(host)%8 != 0 {
		return netip.AddrPort{}, false
	}
	var bytes []byte
	for ; host != ""; host = host[8:] {
		word, err := strconv.ParseUint(host[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		bytes = append(bytes, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	address, ok := netip.AddrFromSlice(bytes)
	return netip.AddrPortFrom(address, uint16(port)), ok
}

// holds says that a process has one of the sockets open.
func holds(pid int, sockets map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return false // another user's, or it has ended
	}
	for _, f := range files {
		target, err := os.Readlink(dir + f.Name())
		if err == nil && sockets[target] {
			return true
		}
	}
	return false
}

func isForwarder(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.TrimSpace(string(name)) == "docker-proxy"
}
