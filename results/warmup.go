package results

// Warmup is how the automatic warm-up of a scenario went.
type Warmup struct {
	Limit   float64   `json:"limit_seconds"` // the longest that it might have taken
	Seconds float64   `json:"seconds"`       // that it took
	Ended   WarmupEnd `json:"ended"`
	// Unsteady says what still moved when the limit ended it, or why that could not be told. It is empty where the
	// scenario was steady by then: since the last second, or while it waited for others whose warm-up ends together
	// with its own.
	Unsteady []string `json:"unsteady,omitempty"`
}

// WarmupEnd is why an automatic warm-up ended.
type WarmupEnd string

// The ends of an automatic warm-up.
const (
	WarmupSteady  WarmupEnd = "steady"
	WarmupLimit   WarmupEnd = "limit"
	WarmupRunOver WarmupEnd = "run" // ended before it
)
