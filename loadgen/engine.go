package loadgen

import (
	"context"
	"fmt"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// engine sends one scenario's requests and records what becomes of them.
type engine interface {
	// run returns when the schedule and gracefulStop have ended, or soon after ctx is cancelled, and closes the books.
	run(ctx context.Context)
	// name is what the run's record says, once it has run.
	name() string
}

// chooseEngine resolves "auto": the wire engine where it can do what is asked.
func chooseEngine(asked scenarios.Engine, target string) (scenarios.Engine, error) {
	plain := strings.HasPrefix(target, "http://")
	switch {
	case asked == scenarios.EngineVegeta:
		return asked, nil
	case plain:
		return scenarios.EngineWire, nil
	case asked == scenarios.EngineWire:
		return "", fmt.Errorf("engine: wire speaks plain HTTP/1.1 only, and the target is %s: use engine: vegeta", target)
	}
	return scenarios.EngineVegeta, nil
}
