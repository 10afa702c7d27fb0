package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
)

// side is the runs of one side of a comparison, with the word for it.
type side struct {
	word string
	runs []*results.Run
}

// environmentDifferences name what differs between the runs of two sides besides the service: the version of headroom,
// the machine, the engine, the servers, and each setting. Where the runs of one side differ among themselves, all that
// they had is named.
func environmentDifferences(base, head side) []string {
	all := slices.Concat(base.runs, head.runs)
	detailed := !slices.ContainsFunc(all, func(r *results.Run) bool { return r.Environment.ServerSettings == nil })
	var out []string
	for _, part := range []struct {
		what string
		text func(*results.Run) string
	}{
		{"version of headroom", func(r *results.Run) string { return r.Tool.Version + " " + r.Tool.Commit }},
		{"machine", machineText},
		{"engine", func(r *results.Run) string {
			return r.Measurements.Engine + ", pacing " + r.Measurements.Pacing
		}},
		{"environment", func(r *results.Run) string { return environmentText(r, detailed) }},
	} {
		then, now := textsOf(base.runs, part.text, "unknown"), textsOf(head.runs, part.text, "unknown")
		out = append(out, differenceOf("the "+part.what, then, now)...)
	}
	out = append(out, settingDifferences("reference server", base, head,
		func(r *results.Run) map[string]string { return r.Environment.ServerSettings })...)
	merged := 0
	for _, r := range all {
		merged += min(1, len(r.Shards))
	}
	if merged == 0 || merged == len(all) {
		out = append(out, settingDifferences("load generator", base, head, generatorSettings)...)
	}
	return out
}

// textsOf are the different texts of a side's runs, in the order of the runs; without replaces an empty one.
func textsOf(runs []*results.Run, text func(*results.Run) string, without string) []string {
	var out []string
	for _, r := range runs {
		t := strings.TrimSpace(text(r))
		if t == "" {
			t = without
		}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// differenceOf says what both sides had, unless all had the same.
func differenceOf(what string, base, head []string) []string {
	if len(base) == 1 && slices.Equal(base, head) {
		return nil
	}
	return []string{
		fmt.Sprintf("%s differs: %s, then %s", what, strings.Join(base, " or "), strings.Join(head, " or ")),
	}
}

// settingDifferences name the settings in which runs differ. Where one of them did not record them, they say that
// only.
func settingDifferences(of string, base, head side,
	settings func(*results.Run) map[string]string,
) []string {
	names := map[string]bool{}
	var without []string
	for _, side := range []side{base, head} {
		missing := 0
		for _, r := range side.runs {
			s := settings(r)
			if s == nil {
				missing++
			}
			for name := range s {
				names[name] = true
			}
		}
		switch {
		case missing == 1 && len(side.runs) == 1:
			without = append(without, fmt.Sprintf("the %s run", side.word))
		case missing > 0:
			without = append(without, fmt.Sprintf("%d of %d %s runs", missing, len(side.runs), side.word))
		}
	}
	if len(names) == 0 {
		return nil
	}
	if len(without) > 0 {
		return []string{fmt.Sprintf("%s did not record the settings of the %s: they may differ",
			strings.Join(without, " and "), of)}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		value := func(r *results.Run) string { return settings(r)[name] }
		out = append(out, differenceOf(fmt.Sprintf("the %s's %s", of, name), textsOf(base.runs, value, "not set"),
			textsOf(head.runs, value, "not set"))...)
	}
	return out
}

// generatorSettings are those of a run's generator; of a merged run those of all shards.
func generatorSettings(r *results.Run) map[string]string {
	if len(r.Shards) == 0 {
		return r.Environment.GeneratorSettings
	}
	var all map[string]string
	for _, s := range r.Shards {
		for name, value := range s.Settings {
			if all == nil {
				all = map[string]string{}
			}
			all[fmt.Sprintf("%s of shard %v", name, s.Shard)] = value
		}
	}
	return all
}

func machineText(r *results.Run) string {
	if len(r.Shards) > 0 {
		return fmt.Sprintf("%d shards", len(r.Shards))
	}
	m := r.Environment.Machine
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s, %d CPUs %s, kernel %s", m.Host, m.OS, m.Arch, m.CPUs, m.CPUModel,
		m.Kernel))
}

// environmentText describes the environment of a run. With detailed the reference server's settings are left out:
// settingDifferences names them.
func environmentText(r *results.Run, detailed bool) string {
	e := r.Environment
	parts := []string{"reference server"}
	if e.Own {
		parts[0] = "own service"
	}
	if len(e.Others) > 0 {
		parts[0] = fmt.Sprintf("%d instances of the %s", 1+len(e.Others), parts[0])
	}
	if e.Proxy != "" {
		parts = append(parts, "proxy "+e.Proxy)
	}
	if e.Provider != "" {
		parts = append(parts, "provider "+e.Provider)
	}
	for _, s := range e.Servers {
		parts = append(parts, strings.TrimSpace(s.Role+" "+s.Name+" "+s.Version))
	}
	if e.Fixture != "" {
		parts = append(parts, e.Fixture)
	}
	for _, s := range e.Settings {
		if !detailed || !strings.HasPrefix(s, "server ") {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}
