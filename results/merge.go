package results

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxStartSpread is how far the starts of shards may lie apart without a warning.
const maxStartSpread = 50 * time.Millisecond

// Merge makes one run of the shards of a run. Counts are added and histograms merged count by count, so that nothing is
// lost. It fails when the runs do not belong together or when one is missing or there twice.
func Merge(shards []*Run) (*Run, error) {
	if err := belongTogether(shards); err != nil {
		return nil, err
	}
	shards = slices.SortedFunc(slices.Values(shards), func(a, b *Run) int { return a.Shard.Index - b.Shard.Index })
	merged := *shards[0]
	merged.Shard, merged.Verdict = nil, Verdict{}
	merged.Environment.Machine, merged.Environment.GeneratorSettings = Machine{}, nil // there are several: see Shards
	parts := make([]*Measurements, len(shards))
	for i, s := range shards {
		parts[i] = &s.Measurements
		told, err := newShardRun(s)
		if err != nil {
			return nil, fmt.Errorf("shard %v: %w", s.Shard, err)
		}
		merged.Shards = append(merged.Shards, told)
	}
	m, err := mergeMeasurements(parts)
	if err != nil {
		return nil, fmt.Errorf("merge runs: %w", err)
	}
	merged.Measurements = *m
	return &merged, nil
}

// belongTogether says why runs are not the shards of one run.
func belongTogether(runs []*Run) error {
	first := runs[0]
	seen := map[int]bool{}
	for _, r := range runs {
		switch {
		case r.Shard == nil:
			return fmt.Errorf("run %s was not made with --shard", r.Label())
		case r.Shard.Of != first.Shard.Of:
			return fmt.Errorf("shard %v and shard %v do not belong to the same split", first.Shard, r.Shard)
		case seen[r.Shard.Index]:
			return fmt.Errorf("shard %v was given twice", r.Shard)
		}
		if what := difference(first, r); what != "" {
			return fmt.Errorf("shard %v and shard %v do not belong to the same run: %s differ", first.Shard,
				r.Shard, what)
		}
		seen[r.Shard.Index] = true
	}
	var missing []string
	for i := range first.Shard.Of {
		if !seen[i] {
			missing = append(missing, Shard{i, first.Shard.Of}.String())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: shard %s", strings.Join(missing, ", "))
	}
	return nil
}

// Label names the run and when it was made.
func (r *Run) Label() string {
	return fmt.Sprintf("%s of %s", r.Name, r.Measurements.Started.Format(time.DateTime))
}

// difference names in what two runs differ that all shards of a run have in common.
func difference(a, b *Run) string {
	switch {
	case a.Name != b.Name:
		return "their names"
	case a.Scenario.Text != b.Scenario.Text || !slices.Equal(a.Scenario.Includes, b.Scenario.Includes):
		return "their scenario files"
	case !slices.Equal(a.Scenario.Overrides, b.Scenario.Overrides):
		return "their --set"
	case a.Scenario.Seed != b.Scenario.Seed:
		return "their seeds"
	case a.Tool.Version != b.Tool.Version || a.Tool.Commit != b.Tool.Commit:
		return "the versions of headroom that made them"
	}
	for _, name := range slices.Sorted(maps.Keys(a.Measurements.FeederSHA256)) {
		if a.Measurements.FeederSHA256[name] != b.Measurements.FeederSHA256[name] {
			return fmt.Sprintf("the files of feeder %s", name)
		}
	}
	return ""
}

// mergeMeasurements takes the measurements of shards together. Offsets keep counting from each shard's own start.
func mergeMeasurements(parts []*Measurements) (*Measurements, error) {
	m := &Measurements{
		Engine: parts[0].Engine, Pacing: parts[0].Pacing, Started: parts[0].Started,
		FeederSHA256: parts[0].FeederSHA256,
	}
	latest := m.Started
	warnings := map[string]bool{}
	for i, p := range parts {
		if p.Started.Before(m.Started) {
			m.Started = p.Started
		}
		if p.Started.After(latest) {
			latest = p.Started
		}
		if p.Engine != m.Engine {
			m.Engine = "several"
		}
		m.Elapsed = max(m.Elapsed, p.Elapsed)
		m.Interrupted = m.Interrupted || p.Interrupted
		m.Generator = m.Generator.plus(p.Generator)
		for _, w := range p.Warnings {
			if !warnings[w] {
				warnings[w] = true
				m.Warnings = append(m.Warnings, w)
			}
		}
		if err := m.mergeLoads(p.Loads); err != nil {
			return nil, fmt.Errorf("shard %d: %w", i, err)
		}
		if err := m.mergeSeries(p.Series); err != nil {
			return nil, fmt.Errorf("shard %d: %w", i, err)
		}
		if err := m.mergeStreams(p.Streams); err != nil {
			return nil, fmt.Errorf("shard %d: %w", i, err)
		}
	}
	for _, p := range parts {
		m.TimeBlocks = append(m.TimeBlocks, p.TimeBlocks...) // those of one time are put together where they are judged
		m.Seconds = append(m.Seconds, p.Seconds...)          // and so are these
	}
	m.Slowest = MergeSlowest(parts)
	m.mergePages(parts)
	if err := m.mergeIterations(parts); err != nil {
		return nil, err
	}
	m.mergePoints(parts)
	m.mergeStreamPoints(parts)
	if spread := latest.Sub(m.Started); spread > maxStartSpread {
		m.Warnings = append(m.Warnings,
			fmt.Sprintf("the shards began up to %.3g s apart, so the load was not that of the single schedule: start "+
				"them all with the same --start-at", spread.Seconds()))
	}
	if len(parts) > 1 {
		m.Warnings = append(m.Warnings,
			"merged from shards: the percentiles of each second are the highest of any shard, and so at least those "+
				"of all requests; every other percentile is of all requests")
	}
	return m, nil
}

// plus takes two generators together: what they used is added, what limits one of them is the worse of both.
func (g Generator) plus(o Generator) Generator {
	return Generator{
		CPUSeconds: g.CPUSeconds + o.CPUSeconds, WallSeconds: max(g.WallSeconds, o.WallSeconds), CPUs: g.CPUs + o.CPUs,
		GCPauses: g.GCPauses + o.GCPauses, NumGC: g.NumGC + o.NumGC, MaxRSSBytes: g.MaxRSSBytes + o.MaxRSSBytes,
		GoMaxProcs: g.GoMaxProcs + o.GoMaxProcs, StolenShare: max(g.StolenShare, o.StolenShare), GoVersion: o.GoVersion,
	}
}

// mergeLoads adds the loads of a shard, whose histograms stay as they are.
func (m *Measurements) mergeLoads(loads []*Load) error {
	for _, l := range loads {
		i := slices.IndexFunc(m.Loads, func(o *Load) bool { return o.Scenario == l.Scenario })
		if i < 0 {
			sum := *l
			sum.Lag, sum.OwnLag, sum.Stages = NewHistogram(), NewHistogram(), slices.Clone(l.Stages)
			sum.Planned, sum.Sent, sum.Dropped, sum.MaxVUs, sum.MeasuredPlanned = 0, 0, 0, 0, 0
			sum.OutOfFiles, sum.OutOfPorts, sum.Begun, sum.Resent = 0, 0, 0, 0
			m.Loads = append(m.Loads, &sum)
			i = len(m.Loads) - 1
		}
		if err := m.Loads[i].merge(l); err != nil {
			return err
		}
	}
	return nil
}

func (l *Load) merge(o *Load) error {
	if l.RecordingSHA256 != o.RecordingSHA256 {
		return fmt.Errorf("scenario %s replayed a different file than in the shards before it", l.Scenario)
	}
	if l.Engine != o.Engine {
		l.Engine = "several"
	}
	l.Planned += o.Planned
	l.Sent += o.Sent
	l.Dropped += o.Dropped
	l.OutOfFiles += o.OutOfFiles
	l.Resent += o.Resent
	l.OutOfPorts += o.OutOfPorts
	l.MaxVUs += o.MaxVUs
	l.MeasuredPlanned += o.MeasuredPlanned
	l.Begun += o.Begun
	l.MeasuredFrom = min(l.MeasuredFrom, o.MeasuredFrom)
	l.MeasuredTo = max(l.MeasuredTo, o.MeasuredTo)
	l.ScheduledTo = max(l.ScheduledTo, o.ScheduledTo)
	l.LastAnswer = max(l.LastAnswer, o.LastAnswer)
	l.Cut = l.Cut || o.Cut
	for i := range min(len(l.Stages), len(o.Stages)) { // shards have the stages of one plan
		l.Stages[i].LastAnswer = max(l.Stages[i].LastAnswer, o.Stages[i].LastAnswer)
	}
	return errors.Join(l.Lag.Merge(o.Lag), l.OwnLag.Merge(o.OwnLag))
}

func (m *Measurements) mergeSeries(series []*Series) error {
	for _, s := range series {
		i := slices.IndexFunc(m.Series, func(o *Series) bool {
			return o.Scenario == s.Scenario && o.Name == s.Name && o.Stage == s.Stage && o.Instance == s.Instance &&
				o.Outcome == s.Outcome
		})
		if i < 0 {
			m.Series = append(m.Series, s.blank())
			i = len(m.Series) - 1
		}
		if err := m.Series[i].Merge(s); err != nil {
			return err
		}
	}
	return nil
}

// mergePoints adds up the seconds. A percentile of all requests of a second cannot be had from those of its parts, but
// it is at most the highest of them: were more than 1 - p of all requests above that, so would more than 1 - p of some
// part.
func (m *Measurements) mergePoints(parts []*Measurements) {
	type key struct {
		scenario, request string
		second            int
	}
	sums := map[key]Point{}
	for _, part := range parts {
		for _, p := range part.Points {
			k := key{p.Scenario, p.Request, p.Second}
			sum, known := sums[k]
			if !known {
				sums[k] = p
				continue
			}
			sum.Asked += p.Asked
			sum.Requests += p.Requests
			sum.Failed += p.Failed
			sum.Partial = sum.Partial || p.Partial
			sum.P50, sum.P95, sum.P99, sum.Max = max(sum.P50, p.P50), max(sum.P95, p.P95), max(sum.P99, p.P99),
				max(sum.Max, p.Max)
			sums[k] = sum
		}
	}
	// In the order of a single run: by scenario and second, the whole scenario before its requests.
	scenario, request := map[string]int{}, map[[2]string]int{}
	for i, l := range m.Loads {
		scenario[l.Scenario] = i
	}
	for i, s := range m.Series {
		request[[2]string{s.Scenario, s.Name}] = 1 + i // and 0 the whole scenario
	}
	m.Points = slices.SortedFunc(maps.Values(sums), func(a, b Point) int {
		return cmp.Or(scenario[a.Scenario]-scenario[b.Scenario], a.Second-b.Second,
			request[[2]string{a.Scenario, a.Request}]-request[[2]string{b.Scenario, b.Request}])
	})
}
