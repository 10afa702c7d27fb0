package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/policycortex/headroom/scenarios"
)

// RunVersion is the version of the saved run's format; a reader refuses those that it does not know.
const RunVersion = 1

// The files of a saved run.
const (
	runFile        = "run.json"
	histogramsFile = "histograms.hlog"
)

// Run is one run with everything needed to draw its report again and to repeat it.
type Run struct {
	Version      int          `json:"version"`
	Name         string       `json:"name"`
	Description  string       `json:"description,omitempty"`
	Tool         Tool         `json:"tool"`
	Command      []string     `json:"command"` // as typed
	Scenario     Scenario     `json:"scenario"`
	Environment  Environment  `json:"environment"`
	Shard        *Shard       `json:"shard,omitempty"`  // of a run that is a part of one
	Shards       []ShardRun   `json:"shards,omitempty"` // of a run that was merged
	Measurements Measurements `json:"measurements"`
	Verdict      Verdict      `json:"verdict"`
	Reference    *Reference   `json:"reference,omitempty"` // measured beside it, with --calibrate
	Evidence     *Evidence    `json:"evidence,omitempty"`  // nil unless the reference server was loaded
}

// Tool is the headroom that made the run.
type Tool struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
}

// Scenario is the scenario file as it was, but for its secrets.
type Scenario struct {
	File      string               `json:"file"`
	Text      string               `json:"text"`
	Includes  []scenarios.Included `json:"includes,omitempty"` // the files that it includes
	Overrides []string             `json:"overrides,omitempty"`
	Variables map[string]string    `json:"variables,omitempty"` // of the environment, those that the file's values name
	Seed      uint64               `json:"seed"`
}

// ScenarioOf is the record of a plan's scenario file.
func ScenarioOf(p *scenarios.Plan) Scenario {
	return Scenario{
		File: p.Source.File, Text: p.Source.Text, Includes: slices.Clone(p.Source.Includes),
		Overrides: slices.Clone(p.Source.Overrides), Variables: p.Source.Variables, Seed: p.Seed,
	}
}

// Plan reads the scenario again. Where there was a secret, it has [scenarios.Redacted].
func (s Scenario) Plan() (*scenarios.Plan, error) { return s.saved().Parse() }

func (s Scenario) saved() scenarios.Saved {
	return scenarios.Saved{
		File: s.File, Text: s.Text, Includes: s.Includes, Overrides: s.Overrides, Variables: s.Variables,
	}
}

// Environment is what the run ran on.
type Environment struct {
	Target   string   `json:"target"`                  // base URL of the service under load
	Others   []string `json:"other_targets,omitempty"` // those of its further instances
	Proxy    string   `json:"proxy,omitempty"`         // URL of what the requests went through
	Own      bool     `json:"own_target"`              // the user's service: nothing below but the machine is known
	Provider string   `json:"provider,omitempty"`      // of the servers
	Reason   string   `json:"provider_reason,omitempty"`
	Servers  []Server `json:"servers,omitempty"`
	Settings []string `json:"settings,omitempty"` // that the scenario asks for: "postgres shared_buffers=256MB"
	// What is in force in the reference server and in the generator, by the environment variable that sets it. Secrets
	// are hashes. Nil where it was not recorded.
	ServerSettings    map[string]string `json:"server_settings,omitempty"`
	GeneratorSettings map[string]string `json:"generator_settings,omitempty"`
	Fixture           string            `json:"fixture,omitempty"`
	Machine           Machine           `json:"machine"`
}

// Targets are the base URLs of all instances of the service, on one line.
func (e Environment) Targets() string {
	return strings.Join(append([]string{e.Target}, e.Others...), ", ")
}

// Server is a server of the environment, by what it answered itself.
type Server struct {
	Role    string `json:"role"` // postgres, replica, cache
	Name    string `json:"name"`
	Version string `json:"version"`
	Answer  string `json:"answer,omitempty"`
	Image   string `json:"image,omitempty"`
	Digest  string `json:"image_digest,omitempty"`
	Binary  string `json:"binary,omitempty"`
	Standby bool   `json:"standby,omitempty"` // what a PostgreSQL answered to pg_is_in_recovery()
}

// Machine is the machine that the generator ran on.
type Machine struct {
	Host      string `json:"host,omitempty"` // its name
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	CPUs      int    `json:"cpus"`
	CPUModel  string `json:"cpu_model,omitempty"`
	Governor  string `json:"governor,omitempty"`
	Kernel    string `json:"kernel,omitempty"`
	Container bool   `json:"container"`
	MemBytes  int64  `json:"memory_bytes,omitempty"`
}

// Save writes the run into dir, which must exist. The files appear one by one, each whole or not at all, run.json last:
// a directory with a run.json holds a complete run.
func Save(dir string, r *Run) error {
	r.Version = RunVersion
	err := WriteFileBy(filepath.Join(dir, histogramsFile), func(w io.Writer) error {
		return writeHistograms(w, r.slots, r.Measurements.Started, r.Measurements.Elapsed)
	})
	if err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	err = WriteFileBy(filepath.Join(dir, runFile), func(w io.Writer) error { return writeDocument(w, r) })
	if err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	return nil
}

// Read reads a saved run; path is its directory or its run.json.
func Read(path string) (*Run, error) {
	dir := directoryOf(path)
	doc, err := os.ReadFile(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notHeld(dir, "run", runFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load run: %w", err)
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(doc, &version); err != nil {
		return nil, fmt.Errorf("load run %s: %w", dir, err)
	}
	if version.Version != RunVersion {
		return nil, fmt.Errorf("load run %s: its format is version %d and this headroom reads version %d", dir,
			version.Version, RunVersion)
	}
	r := &Run{}
	if err := json.Unmarshal(doc, r); err != nil {
		return nil, fmt.Errorf("load run %s: %w", dir, err)
	}
	err = r.Measurements.sound()
	if err != nil {
		return nil, fmt.Errorf("load run %s: %w", dir, err)
	}
	log, err := os.ReadFile(filepath.Join(dir, histogramsFile))
	if err != nil {
		return nil, fmt.Errorf("load run: %w", err)
	}
	if err := readHistograms(log, r.slots); err != nil {
		return nil, fmt.Errorf("load run %s: %s: %w", dir, histogramsFile, err)
	}
	r.Redact(r.Scenario.saved().Secrets()) // one of an older version, or that somebody wrote, may have some
	for i := range r.Verdict.Gates {
		if err := r.Verdict.Gates[i].complete(); err != nil {
			return nil, fmt.Errorf("load run %s: %w", dir, err)
		}
	}
	return r, nil
}

// What the tags of histograms begin with that not all runs have.
const (
	tagWaiting    = "waiting:"
	tagHandshakes = "tls_handshaking:"
)

// isOptional reports whether a run may lack the histogram with this tag.
func isOptional(tag string) bool {
	return strings.HasPrefix(tag, tagWaiting) || strings.HasPrefix(tag, tagHandshakes)
}

// slots visits every histogram of a run with its tag in the log.
func (r *Run) slots(visit func(tag string, h **Histogram)) {
	m := &r.Measurements
	for _, s := range m.Series {
		name := s.Scenario + "/" + url.PathEscape(s.Name) // names of replayed requests have blanks and slashes
		if s.Stage != "" {
			name += "/" + s.Stage
		}
		if s.Instance > 0 {
			name += "@" + strconv.Itoa(s.Instance)
		}
		if s.Outcome != "" {
			name += "#" + url.PathEscape(s.Outcome)
		}
		visit("response:"+name, &s.Response)
		visit("service:"+name, &s.Service)
		visit(tagWaiting+name, &s.Waiting)
		visit(tagHandshakes+name, &s.Handshakes)
		if s.Streamed != nil {
			visit("first_event:"+name, &s.Streamed.First)
			visit("event_gap:"+name, &s.Streamed.Gap)
		}
	}
	for _, s := range m.Streams {
		visit("stream_delivery:"+s.Scenario, &s.Delivery)
		visit("stream_first_byte:"+s.Scenario, &s.FirstByte)
		visit("stream_first_event:"+s.Scenario, &s.FirstEvent)
		visit("stream_gap:"+s.Scenario, &s.Gap)
	}
	for _, i := range m.Iterations {
		visit("iteration:"+i.Scenario+"/"+i.Flow, &i.Duration)
	}
	for _, l := range m.Loads {
		visit("lag:"+l.Scenario, &l.Lag)
		visit("own_lag:"+l.Scenario, &l.OwnLag)
	}
	for _, v := range m.Views {
		names := make([]string, 0, len(v.Queries))
		for name := range v.Queries {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			q := v.Queries[name]
			visit("db:"+v.Scenario+"/"+name, &q.Duration)
			v.Queries[name] = q
		}
	}
}

// slots visits every histogram of a record with the tag that it has in the log.
type slots func(visit func(tag string, h **Histogram))

// writeHistograms writes histograms as an HdrHistogram interval log (version 1.3), which the HdrHistogram tools read:
// one tagged line a histogram, its values in microseconds, the maximum column in seconds. All cover the same time.
func writeHistograms(w io.Writer, all slots, started time.Time, elapsed float64) error {
	lw := hdr.NewHistogramLogWriter(w)
	err := errors.Join(lw.OutputLogFormatVersion(), lw.OutputStartTime(started.UnixMilli()), lw.OutputLegend())
	c := newDense() // one for all: it is large
	all(func(tag string, h **Histogram) {
		if *h == nil && isOptional(tag) {
			return
		}
		if *h == nil {
			*h = NewHistogram()
		}
		c.Reset()
		(*h).addTo(c)
		c.SetTag(tag)
		c.SetStartTimeMs(started.UnixMilli())
		c.SetEndTimeMs(started.Add(time.Duration(elapsed * float64(time.Second))).UnixMilli())
		err = errors.Join(err, lw.OutputIntervalHistogram(c))
	})
	return err
}

func readHistograms(log []byte, all slots) error {
	reader := hdr.NewHistogramLogReader(strings.NewReader(string(log)))
	byTag := map[string]*Histogram{}
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			return err
		}
		if h == nil {
			break
		}
		byTag[h.Tag()], err = ofDense(h)
		if err != nil {
			return fmt.Errorf("%s: %w", h.Tag(), err)
		}
	}
	var missing []string
	all(func(tag string, h **Histogram) {
		*h = byTag[tag]
		if *h == nil && !isOptional(tag) {
			missing = append(missing, tag)
		}
	})
	if len(missing) > 0 {
		return fmt.Errorf("no histogram %s", strings.Join(missing, ", "))
	}
	return nil
}
