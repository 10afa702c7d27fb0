package scenarios

import (
	"slices"
	"strings"
	"time"
)

// Browser loads pages in a browser. It is a closed load: each user loads a page when its previous one has settled.
type Browser struct {
	VUs      int
	Duration time.Duration
	Network  Network // empty: not limited
	CPU      float64 // how many times slower the page's CPU is; 1: not slowed down
}

// Network names the conditions of a network.
type Network string

// NetworkConditions are how a network limits a browser.
type NetworkConditions struct {
	Latency          time.Duration // from a request to the head of its response, at least
	Download, Upload float64       // bytes per second of all requests together
}

// networks are the presets, with the figures of Chromium's developer tools: the rates and latencies of typical
// connections (1.6 Mbit/s and 150 ms for slow 4G) with factors by which limiting requests comes closest to limiting
// packets.
var networks = map[Network]NetworkConditions{
	"3g":      {2 * time.Second, 500_000 / 8 * 0.8, 500_000 / 8 * 0.8},
	"slow-4g": {562500 * time.Microsecond, 1_600_000 / 8 * 0.9, 750_000 / 8 * 0.9},
	"fast-4g": {165 * time.Millisecond, 9_000_000 / 8 * 0.9, 1_500_000 / 8 * 0.9},
}

// networkNames are those of the presets, the slowest first.
var networkNames = []string{"3g", "slow-4g", "fast-4g"}

// Conditions are those of a preset; limited is false where the network is not limited.
func (n Network) Conditions() (c NetworkConditions, limited bool) {
	c, limited = networks[n]
	return c, limited
}

const (
	// maxBrowserUsers bounds the pages that are loaded at once: each is a process with tens of megabytes.
	maxBrowserUsers = 64
	maxCPUSlowdown  = 100
)

func (Browser) Executor() Executor      { return "browser" }
func (Browser) Open() bool              { return false }
func (Browser) Steady() bool            { return true }
func (l Browser) Length() time.Duration { return l.Duration }
func (l Browser) Workers() int          { return l.VUs }
func (l Browser) WithWorkers(n int) Load {
	l.VUs = n
	return l
}
func (Browser) sealed() {}

func (r *reader) browser(n *node) Browser {
	load := Browser{
		VUs:      int(r.whole(n.get("vus"), 1, 1, maxBrowserUsers)),
		Duration: r.length(n),
		Network:  Network(r.word(n.get("network"), "", networkNames)),
		CPU:      1,
	}
	if cpu := n.get("cpu"); given(cpu) {
		slower, ok := r.number(cpu, 1, maxCPUSlowdown)
		if ok {
			load.CPU = slower
		}
	}
	if engine := n.get("engine"); given(engine) {
		r.faultAt(engine.keyAt, "leave it out", "%s: executor browser loads pages in Chromium", engine.path)
	}
	return load
}

// notInBrowser are the keys of requests that a browser decides about, or that it could not hold to.
var notInBrowser = append([]string{
	"grpc",
	"method", "headers", "checks", "extract", "redirects", "steps", "stream", "goodput",
}, bodyKeys...)

// pageKeys refuses the keys that the requests of a scenario with executor browser cannot have, and those that only they
// can have.
func (r *reader) pageKeys(n *node, executor Executor) {
	list := n.get("requests")
	if !given(list) || executor == "" {
		return
	}
	for _, item := range list.items {
		for _, e := range item.entries {
			switch {
			case executor == Browser{}.Executor() && slices.Contains(notInBrowser, e.key):
				r.faultAt(e.at, "leave it out", "executor browser loads pages, whose requests have no %s", e.key)
			case executor != Browser{}.Executor() && e.key == "click":
				r.faultAt(e.at, "leave it out", "click needs a browser: executor browser")
			}
		}
	}
}

// click reads the CSS selector of what is clicked on.
func (r *reader) click(n *node) string {
	r.plainText(n)
	if !given(n) {
		return ""
	}
	if strings.TrimSpace(n.text) == "" {
		r.fault(n, "for example button.more", "%s is empty", n.path)
	}
	return n.text
}

// loadsPages reports whether a scenario loads pages in a browser.
func (p *Plan) loadsPages() bool {
	return slices.ContainsFunc(p.Scenarios, func(s Scenario) bool { _, ok := s.Load.(Browser); return ok })
}
