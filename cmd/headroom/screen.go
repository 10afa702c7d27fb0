package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// screen shows the progress of a run: on a terminal, a block of lines that is redrawn; elsewhere, a plain line every
// few seconds.
type screen struct {
	w     io.Writer
	live  bool
	lines int // of the block on the terminal
	shown int // seconds at which the last plain line was written
	mu    sync.Mutex
}

// plainEvery is the number of seconds between plain lines.
const plainEvery = 5

func newScreen(w io.Writer, plan *scenarios.Plan) *screen {
	w = bare(w) // the names of a plan are plain words
	f, isFile := w.(*os.File)
	s := &screen{w: w, live: isFile && term.IsTerminal(int(f.Fd())), shown: 2 - plainEvery}
	for _, sc := range plan.Scenarios {
		fmt.Fprintf(w, "scenario %s: %s, from %v for %v", sc.Name, sc.Load.Executor(), sc.StartTime, sc.Load.Length())
		switch {
		case sc.AutoWarmup:
			fmt.Fprintf(w, " at most, including a warm-up until steady of at most %v", sc.Warmup)
		case sc.Warmup > 0:
			fmt.Fprintf(w, ", including %v of warm-up", sc.Warmup)
		}
		fmt.Fprintln(w)
	}
	return s
}

// show is called about once a second.
func (s *screen) show(p loadgen.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	elapsed := int(p.Elapsed / time.Second)
	if !s.live {
		if elapsed-s.shown < plainEvery {
			return
		}
		s.shown = elapsed
	}
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", s.lines)
	}
	left := max(0, p.Total-p.Elapsed).Round(time.Second)
	lines := 0
	for _, sc := range p.Scenarios {
		if !s.live && (sc.State == loadgen.Waiting || sc.State == loadgen.Done) {
			continue
		}
		failed, inFlight := "errors", "in flight"
		if sc.Streams {
			failed, inFlight = "breaks", "connected"
		}
		fmt.Fprintf(&b, "%4ds  %-12s %-9s %7d/s  P50 %s  P95 %s  %s %d  %s %d  left %v\n",
			elapsed, sc.Name, sc.State, sc.Last.Requests, timeOf(sc.Last, sc.Last.P50), timeOf(sc.Last, sc.Last.P95),
			failed, sc.Failed, inFlight, sc.InFlight, left)
		lines++
	}
	if s.live {
		s.lines = lines
	}
	io.WriteString(s.w, b.String())
}

// close leaves the last block on the terminal.
func (s *screen) close() { s.lines = 0 }

// say writes a line below the block that show draws. The next block begins after it.
func (s *screen) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = 0
	_, _ = io.WriteString(s.w, text+"\n")
}

// timeOf shows a percentile of one second, or a dash if the second had no responses.
func timeOf(second results.Point, ms float64) string {
	if second.Max == 0 {
		return fmt.Sprintf("%11s", "–")
	}
	return fmt.Sprintf("%8.2f ms", ms)
}
