package results

// Health is how the generator, the system under test and the machine were, second by second. What the machine does not
// tell is nil, never 0.
type Health struct {
	Processes Processes `json:"processes"`            // where those of the system under test are
	FileLimit int64     `json:"file_limit,omitempty"` // of the generator's process
	// FilesNeeded is how many file descriptors the generator needs when as many requests as allowed are in flight at
	// once.
	FilesNeeded int64          `json:"files_needed,omitempty"`
	PortRange   int64          `json:"port_range,omitempty"` // ephemeral ports that the machine has for one destination
	Seconds     []HealthSecond `json:"seconds"`
}

// Processes says which processes of the generator's machine are the system under test.
type Processes string

// The places of a system under test.
const (
	ProcessesUnknown   Processes = "unknown"   // on this machine, nobody knows which: they are among the others
	ProcessesChildren  Processes = "children"  // all of them descend from the generator's process
	ProcessesElsewhere Processes = "elsewhere" // on another machine
)

// HealthSecond is the state over one interval of about a second.
type HealthSecond struct {
	At        float64  `json:"at_seconds"`             // offset of its end
	Length    float64  `json:"seconds"`                // its length
	Generator float64  `json:"generator_cores"`        // CPU seconds a second, user and system
	System    *float64 `json:"system_cores,omitempty"` // of the system under test
	// of the processes that listen at the service's address on this machine, and of the one of them that used most:
	// parts of Others, told where nobody knows all processes of the system under test
	Service *float64 `json:"service_cores,omitempty"`
	Process *float64 `json:"service_process_cores,omitempty"`
	// of every other process and the kernel's own work, on the CPUs that the generator may use
	Others    *float64   `json:"others_cores,omitempty"`
	Stolen    *float64   `json:"stolen_cores,omitempty"`        // what other virtual machines took of these
	Waited    *float64   `json:"generator_wait,omitempty"`      // see WaitShare, of the generator's threads
	SysWaited *float64   `json:"system_wait,omitempty"`         // and of the system's
	GCPause   float64    `json:"gc_pause_ms"`                   // of the generator
	Resent    *int64     `json:"tcp_resent,omitempty"`          // TCP segments that the whole machine sent again
	Files     *int64     `json:"files,omitempty"`               // open file descriptors of the generator
	Ports     *int64     `json:"ports,omitempty"`               // TCP sockets of the whole machine, in use or in TIME_WAIT
	Footprint *Footprint `json:"generator_footprint,omitempty"` // at its end
}

// WaitShare is the part of the time in which threads could have run that they waited for a CPU instead, 0 to 1: the
// run-queue delay of schedstat over it and the time that they ran. It is 0 when they did not want to run.
func WaitShare(ran, waited float64) float64 {
	if ran+waited <= 0 {
		return 0
	}
	return waited / (ran + waited)
}

// Totals are the means of a run's shares and cores, the sums of its pauses and resent segments, and the most of its
// files and ports. What no second told is nil.
func (h *Health) Totals() HealthSecond {
	var t HealthSecond
	for _, s := range h.Seconds {
		t.At, t.Length = s.At, t.Length+s.Length
		t.GCPause += s.GCPause
		t.Generator += s.Generator * s.Length
		if s.Resent != nil {
			t.Resent = new(*s.Resent + valueOr(t.Resent, 0))
		}
		if s.Files != nil {
			t.Files = new(max(*s.Files, valueOr(t.Files, 0)))
		}
		if s.Ports != nil {
			t.Ports = new(max(*s.Ports, valueOr(t.Ports, 0)))
		}
	}
	if t.Length > 0 {
		t.Generator /= t.Length
	}
	t.System = mean(h.Seconds, func(s HealthSecond) *float64 { return s.System })
	t.Service = mean(h.Seconds, func(s HealthSecond) *float64 { return s.Service })
	t.Process = mean(h.Seconds, func(s HealthSecond) *float64 { return s.Process })
	t.Others = mean(h.Seconds, func(s HealthSecond) *float64 { return s.Others })
	t.Stolen = mean(h.Seconds, func(s HealthSecond) *float64 { return s.Stolen })
	t.Waited = mean(h.Seconds, func(s HealthSecond) *float64 { return s.Waited })
	t.SysWaited = mean(h.Seconds, func(s HealthSecond) *float64 { return s.SysWaited })
	return t
}

func valueOr(v *int64, otherwise int64) int64 {
	if v == nil {
		return otherwise
	}
	return *v
}

// mean is that over the seconds which told, weighed by their length.
func mean(seconds []HealthSecond, of func(HealthSecond) *float64) *float64 {
	var sum, length float64
	for _, s := range seconds {
		if v := of(s); v != nil {
			sum += *v * s.Length
			length += s.Length
		}
	}
	if length == 0 {
		return nil
	}
	return new(sum / length)
}
