// Package policy evaluates resources by the rules of policies: a WebAssembly module that a tenant has uploaded, run by
// wazero, or an expression in CEL, run by cel-go. Both are strangers' code: they see the document of one resource and
// nothing else, and are stopped by limits.
//
// # Limits of modules
//
// wazero can stop a module when a context ends (WithCloseOnContextDone), but then leaves the module for Go at each turn
// of a loop, which takes 25 ns: as long as the rest of a policy that reads a kilobyte (BenchmarkStopping). So a module
// is metered instead. Before it is compiled, [Meter] puts a counter into it, which each call and each turn of a loop
// decrease by the instructions that it can run, and which stops the module when it is used up. The counter stops the
// same module at the same instruction on every machine, however busy, and also in a browser.
//
// # State
//
// An evaluation starts from the memory and the globals that the module had when it was instantiated: the instance of a
// pool is reset after each evaluation. [Meter] refuses the instructions that would change anything else (tables,
// segments), and exports the globals that can change. An instance that was stopped, or whose memory has grown, is
// discarded.
package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Results are what an evaluation can result in, as in the history of evaluations. "error" is also the result of a rule
// that failed or was stopped.
var Results = []string{"compliant", "non_compliant", "exempt", "error"}

// Result is what a rule says of a resource.
type Result struct {
	Result  string   `json:"result"` // one of Results
	Reasons []string `json:"reasons"`
}

// Limits of what a rule answers, in bytes where nothing else is said.
const (
	maxAnswer  = 16 << 10
	maxReasons = 20 // their number
	maxReason  = 500
)

// failed is the result of a rule that did not come to one.
func failed(format string, args ...any) Result {
	return Result{Result: "error", Reasons: []string{fmt.Sprintf(format, args...)}}
}

// parseResult reads the answer of a module.
func parseResult(answer []byte) (Result, error) {
	var r Result
	if !utf8.Valid(answer) {
		return r, errors.New("it is not UTF-8")
	}
	decoder := json.NewDecoder(strings.NewReader(string(answer)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&r)
	if err != nil {
		return r, errors.New(`it is not {"result": "…", "reasons": ["…"]}`)
	}
	if decoder.More() {
		return r, errors.New("something follows the JSON")
	}
	return r, r.check()
}

// check returns what is wrong with a result, and makes missing reasons an empty list.
func (r *Result) check() error {
	if !slices.Contains(Results, r.Result) {
		return fmt.Errorf("the result is %.40q, and must be one of %s", r.Result, strings.Join(Results, ", "))
	}
	if len(r.Reasons) > maxReasons {
		return fmt.Errorf("it has %d reasons; at most %d are allowed", len(r.Reasons), maxReasons)
	}
	for _, reason := range r.Reasons {
		if len(reason) > maxReason {
			return fmt.Errorf("a reason has %d bytes; at most %d are allowed", len(reason), maxReason)
		}
	}
	if r.Reasons == nil {
		r.Reasons = []string{}
	}
	return nil
}

// Refusal is the error for a module or an expression that cannot be a rule.
type Refusal struct{ Reasons []string }

// Error returns the reasons.
func (r *Refusal) Error() string { return strings.Join(r.Reasons, "; ") }

func refuse(format string, args ...any) error {
	return &Refusal{[]string{fmt.Sprintf(format, args...)}}
}

// ErrBusy is returned when an evaluation or the compilation of a module had to wait for others for too long.
var ErrBusy = errors.New("too many policies are being evaluated or compiled")

// ErrSlow is returned when a module takes too long to compile. A server that is less busy may manage.
var ErrSlow = fmt.Errorf("the module takes longer than %s to compile", compileTimeout)

// Limits bound what rules may take. [Limits.WithDefaults] fills in what is 0.
type Limits struct {
	// Time is how long an evaluation may take. For a module it is counted in instructions, of which each counts as a
	// nanosecond: most take less, and some, such as divisions, count as more.
	Time time.Duration
	// MemoryPages is how many pages of 64 KiB an instance of a module may have.
	MemoryPages int
	// ModuleBytes is the largest module in bytes.
	ModuleBytes int
	// CacheBytes is what compiled modules with their idle instances may take in memory, estimated, in bytes.
	CacheBytes int64
}

// Defaults and bounds of [Limits].
const (
	DefaultTime        = 10 * time.Millisecond
	MaxTime            = time.Second
	DefaultMemoryPages = 32 // what a Rust module has by default is 17
	MaxMemoryPages     = 1024
	DefaultModuleBytes = 256 << 10
	MinModuleBytes     = 1 << 10
	MaxModuleBytes     = 1 << 20 // the largest body of a request
	DefaultCacheBytes  = 64 << 20
	MinCacheBytes      = 1 << 20
	MaxCacheBytes      = 16 << 30
)

// WithDefaults returns the limits with defaults for what is 0.
func (l Limits) WithDefaults() Limits {
	if l.Time == 0 {
		l.Time = DefaultTime
	}
	if l.MemoryPages == 0 {
		l.MemoryPages = DefaultMemoryPages
	}
	if l.ModuleBytes == 0 {
		l.ModuleBytes = DefaultModuleBytes
	}
	if l.CacheBytes == 0 {
		l.CacheBytes = DefaultCacheBytes
	}
	return l
}

// instructions is how many a module may run.
func (l *Limits) instructions() int64 { return l.Time.Nanoseconds() }
