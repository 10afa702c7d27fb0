// Package calibration keeps blocks of experiments whose outcome is known, because the arms were equal or the head was
// made slower by a known amount, and says what experiments drawn from them come to.
package calibration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/results/experiment"
)

// Block is a block of a recording: a line of JSON.
type Block struct {
	Change  string           `json:"change"` // the name of what was done to the head
	Time    time.Time        `json:"time"`
	Seconds float64          `json:"seconds"` // how long it took, with the start of the arms
	Usual   Usual            `json:"usual"`
	Block   experiment.Block `json:"block"`
	// Origin is what was recorded; the zero value in recordings of versions that did not note it.
	Origin Origin `json:"origin,omitzero"`
}

// Origin is what must be the same for blocks to belong to one recording.
type Origin struct {
	Version  string `json:"version"`  // of Headroom, whose reference server both arms are
	Scenario string `json:"scenario"` // a fingerprint of its load and of the servers
	Machine  string `json:"machine"`
	// Warmup, Discard and Measure are the parts of a slice, in seconds.
	Warmup  float64 `json:"warmup"`
	Discard float64 `json:"discard"`
	Measure float64 `json:"measure"`
}

// Differs says in what a recording of another origin differs; empty if in nothing.
func (o Origin) Differs(other Origin) string {
	if o == (Origin{}) {
		return "it does not say what was recorded"
	}
	var all []string
	for _, d := range []struct {
		what string
		own  any
		now  any
	}{
		{"the version", o.Version, other.Version},
		{"the scenario or the servers (a fingerprint of them)", o.Scenario, other.Scenario},
		{"the machine", o.Machine, other.Machine},
		{"the warm-up in seconds", o.Warmup, other.Warmup},
		{"the discarded part of a slice in seconds", o.Discard, other.Discard},
		{"the measured part of a slice in seconds", o.Measure, other.Measure},
	} {
		if d.own != d.now {
			all = append(all, fmt.Sprintf("%s was %v and is %v", d.what, d.own, d.now))
		}
	}
	return strings.Join(all, "; ")
}

// Usual is what a request costs the unchanged server, from which the sizes of changes follow.
type Usual struct {
	CPU      float64 `json:"cpu_ms"`      // CPU time per request
	Response float64 `json:"response_ms"` // median response time
}

// The figures of the scenario regression that say what a request costs.
const (
	cpuFigure = "cpu_per_request{scenario:get} value"
	p50Figure = "http_req_duration{name:get_hot} p(50)"
)

// UsualOf is the mean over the slices of a block.
func UsualOf(b Block) (Usual, error) {
	var u Usual
	n := float64(len(b.Block.Slices))
	for _, s := range b.Block.Slices {
		u.CPU += s.Figures[cpuFigure] / n
		u.Response += s.Figures[p50Figure] / n
	}
	if !(u.CPU > 0 && u.Response > 0) {
		return u, errors.New("the first block has no CPU time or no response times: nothing follows from it")
	}
	return u, nil
}

// Change is something that is done to the head.
type Change struct {
	Name  string
	CPU   float64 // CPU work added to each request, as a share of the usual CPU time
	Work  float64 // the same as a share of the usual response time: a delay without work is not to be had so short
	Delay float64 // time added to each slowed request, as a share of the usual response time
	Every int     // one request in so many is slowed; 0: all
}

// Equal says that nothing is done.
func (c Change) Equal() bool { return c.CPU == 0 && c.Work == 0 && c.Delay == 0 }

// Changes are those of a calibration; the first is none.
var Changes = []Change{
	{Name: "none"},
	{Name: "CPU +2.5 %", CPU: 0.025},
	{Name: "CPU +5 %", CPU: 0.05},
	{Name: "CPU +10 %", CPU: 0.10},
	{Name: "response time +5 %", Work: 0.05},
	{Name: "1 request in 100 takes 10 times as long", Delay: 9, Every: 100},
}

// Settings are the environment variables that make the reference server slower in this way.
func (c Change) Settings(u Usual) []string {
	ms := func(v float64) string { return time.Duration(v * float64(time.Millisecond)).String() }
	var out []string
	if work := c.CPU*u.CPU + c.Work*u.Response; work > 0 {
		out = append(out, "HEADROOM_SLOWDOWN_CPU="+ms(work))
	}
	if c.Delay > 0 {
		out = append(out, "HEADROOM_SLOWDOWN_DELAY="+ms(c.Delay*u.Response))
	}
	if c.Every > 0 {
		out = append(out, fmt.Sprintf("HEADROOM_SLOWDOWN_EVERY=%d", c.Every))
	}
	return out
}

// Append adds a block to a recording, which is made where there is none.
func Append(path string, b Block) error {
	line, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("record a block: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("record a block: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Read reads a recording, whose blocks are all of one origin. A last line that was not written to its end is left out.
func Read(path string) ([]Block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the recording: %w", err)
	}
	var all []Block
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var b Block
		if err := json.Unmarshal(line, &b); err != nil {
			return nil, fmt.Errorf("%s:%d: it is no block of a recording: %w", path, number, err)
		}
		if !slices.ContainsFunc(Changes, func(c Change) bool { return c.Name == b.Change }) {
			return nil, fmt.Errorf("%s:%d: there is no change %q", path, number, b.Change)
		}
		if len(all) > 0 && b.Origin != all[0].Origin {
			return nil, fmt.Errorf("%s:%d: the blocks before are of another recording: %s", path, number,
				all[0].Origin.Differs(b.Origin))
		}
		all = append(all, b)
	}
	return all, nil
}
