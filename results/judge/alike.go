package judge

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// NotAlikeError says why two runs cannot be compared.
type NotAlikeError struct{ Reason string }

func (e *NotAlikeError) Error() string { return "the runs cannot be compared: " + e.Reason }

// plan reads the run's scenario file as it was.
func planOf(r *results.Run) (*scenarios.Plan, error) {
	p, err := r.Scenario.Plan()
	if err != nil {
		return nil, fmt.Errorf("read the saved scenario of %s: %w", r.Label(), err)
	}
	return p, nil
}

// alike says in what two runs differ that makes their figures incomparable: in the load. Empty when in nothing.
func alike(a, b *results.Run, pa, pb *scenarios.Plan) string {
	for _, r := range []*results.Run{a, b} {
		if r.Shard != nil {
			return fmt.Sprintf("%s is shard %v of a run: headroom merge makes one run of all shards", r.Label(),
				r.Shard)
		}
	}
	if a.Scenario.Seed != b.Scenario.Seed {
		return fmt.Sprintf("their seeds differ: %d and %d", a.Scenario.Seed, b.Scenario.Seed)
	}
	if what := differentScenarios(pa, pb); what != "" {
		return what
	}
	if !reflect.DeepEqual(pa.Faults, pb.Faults) {
		return "their faults differ"
	}
	for _, name := range slices.Sorted(maps.Keys(a.Measurements.FeederSHA256)) {
		if a.Measurements.FeederSHA256[name] != b.Measurements.FeederSHA256[name] {
			return fmt.Sprintf("the files of feeder %s differ", name)
		}
	}
	for _, l := range a.Measurements.Loads {
		for _, o := range b.Measurements.Loads {
			if l.Scenario == o.Scenario && l.RecordingSHA256 != o.RecordingSHA256 {
				return fmt.Sprintf("scenario %s replayed different files", l.Scenario)
			}
		}
	}
	return ""
}

func differentScenarios(a, b *scenarios.Plan) string {
	names := func(p *scenarios.Plan) []string {
		var out []string
		for _, s := range p.Scenarios {
			out = append(out, s.Name)
		}
		return slices.Sorted(slices.Values(out))
	}
	if na, nb := names(a), names(b); !slices.Equal(na, nb) {
		return fmt.Sprintf("their scenarios differ: %s and %s", strings.Join(na, ", "), strings.Join(nb, ", "))
	}
	for _, s := range a.Scenarios {
		for _, o := range b.Scenarios {
			if s.Name != o.Name {
				continue
			}
			if what := differentLoad(s, o); what != "" {
				return fmt.Sprintf("scenario %s: %s", s.Name, what)
			}
		}
	}
	return ""
}

// differentLoad names in what two scenarios do not ask the same of a service. How long they are may differ, and tags
// and checks, which send nothing.
func differentLoad(a, b scenarios.Scenario) string {
	if x, y := a.Load.Executor(), b.Load.Executor(); x != y {
		return fmt.Sprintf("executor is %s in one and %s in the other", x, y)
	}
	if what := differentField(a, b, "Engine", "Load", "Warmup", "AutoWarmup", "GracefulStop", "Tags",
		"Requests"); what != "" {
		return what
	}
	if what := differentField(withoutPlace(a.Load), withoutPlace(b.Load), "Duration"); what != "" {
		return what
	}
	for i := range max(len(a.Requests), len(b.Requests)) {
		if i >= len(a.Requests) || i >= len(b.Requests) || a.Requests[i].Name != b.Requests[i].Name {
			return "their requests differ"
		}
		if what := differentField(a.Requests[i], b.Requests[i], "Tags", "Checks"); what != "" {
			return fmt.Sprintf("request %s: %s", a.Requests[i].Name, what)
		}
	}
	return ""
}

// withoutPlace is a load without the place of its recording, whose content is compared.
func withoutPlace(load scenarios.Load) scenarios.Load {
	if replay, ok := load.(scenarios.Replay); ok {
		r := &replay.Recording
		r.File, r.Format, r.Line, r.Column = "", "", 0, 0
		return replay
	}
	return load
}

// differentField names the first field, but for some, in which two structures differ.
func differentField(a, b any, but ...string) string {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		name := va.Type().Field(i).Name
		x, y := va.Field(i).Interface(), vb.Field(i).Interface()
		if slices.Contains(but, name) || reflect.DeepEqual(x, y) {
			continue
		}
		name = strings.ToLower(name[:1]) + name[1:]
		if name == "vUs" {
			name = "vus"
		}
		if kind := va.Field(i).Kind(); kind == reflect.Slice || kind == reflect.Pointer || kind == reflect.Struct {
			return fmt.Sprintf("their %s differ", name)
		}
		return fmt.Sprintf("%s is %v in one and %v in the other", name, x, y)
	}
	return ""
}
