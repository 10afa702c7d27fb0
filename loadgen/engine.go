package loadgen

import (
	"context"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// engine sends one scenario's requests and records what becomes of them.
type engine interface {
	// run returns when the schedule and gracefulStop have ended, or soon after ctx is cancelled, and closes the books.
	run(ctx context.Context)
	// discard frees what an engine holds that does not run.
	discard()
	// name is what the run's record says, once it has run.
	name() string
}

// chooseEngine resolves "auto": the wire engine where it can do what is asked.
func chooseEngine(plan *scenarios.Plan, target string) scenarios.Engine {
	if plan.Engine == scenarios.EngineVegeta || plan.BeyondWire() != "" || !strings.HasPrefix(target, "http://") {
		return scenarios.EngineVegeta
	}
	return scenarios.EngineWire
}
