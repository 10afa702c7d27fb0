package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/policycortex/headroom/results"
)

// machineFingerprint describes what of a machine decides how fast it is. Its name is left out: the machines of a CI
// service have a new one each time.
func machineFingerprint(m results.Machine) string {
	text := fmt.Sprintf("%s/%s, %d × %s", m.OS, m.Arch, m.CPUs, orUnknown(m.CPUModel))
	if m.Kernel != "" {
		text += ", kernel " + m.Kernel
	}
	return text
}

// unmeasured are the sections of a scenario on which no figure depends. What of the section experiment does, the
// lengths of the slices, is known from the saved experiment.
var unmeasured = []string{"name", "description", "thresholds", "regression", "experiment"}

// environmentFingerprint is a hash of what the figures depend on besides the code and the machine: the load and the
// servers with their settings, and how it was measured where that was not by a run. Thresholds, names and the addresses
// of the service are left out, and so is what an experiment compares.
func environmentFingerprint(s results.Scenario, e results.Environment, how ...any) string {
	load := measuredPart(s.Text)
	var included []map[string]any
	for _, f := range s.Includes {
		included = append(included, measuredPart(f.Text))
	}
	var overrides []string
	for _, o := range s.Overrides {
		section := strings.Trim(o[:strings.IndexAny(o+"=", ".=")], `"`)
		if !slices.Contains(unmeasured, section) && !strings.HasPrefix(o, "target.url=") &&
			!strings.HasPrefix(o, "target.urls.") {
			overrides = append(overrides, o)
		}
	}
	var servers []string
	for _, server := range e.Servers {
		servers = append(servers, server.Role+" "+server.Name+" "+server.Version)
	}
	parts := []any{
		load, overrides, named(s.Variables, fmt.Sprint(load, included, overrides)), e.Own, e.Provider, servers,
		e.Settings, e.ServerSettings, e.GeneratorSettings, e.Fixture,
	}
	if len(included) > 0 {
		parts = append(parts, included)
	}
	text, err := json.Marshal(append(parts, how...))
	if err != nil { // a YAML document can have keys that JSON has not
		text = fmt.Appendf(nil, "%v %v %v %v %v", load, overrides, servers, e.ServerSettings, how)
		if len(included) > 0 {
			text = fmt.Append(text, included)
		}
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:8]
}

// measuredPart is a scenario file without what no figure depends on.
func measuredPart(text string) map[string]any {
	var load map[string]any
	if yaml.Unmarshal([]byte(text), &load) != nil || load == nil {
		load = map[string]any{"text": text}
	}
	for _, key := range unmeasured {
		delete(load, key)
	}
	if target, ok := load["target"].(map[string]any); ok {
		delete(target, "url")
		if urls, ok := target["urls"].([]any); ok {
			target["urls"] = len(urls)
		}
	}
	return load
}

// named are the variables that a text names: those that only the sections left out name are left out with them.
func named(variables map[string]string, text string) map[string]string {
	var in map[string]string
	for name, value := range variables {
		if !strings.Contains(text, "${"+name+"}") && !strings.Contains(text, "${"+name+":") {
			continue
		}
		if in == nil {
			in = map[string]string{}
		}
		in[name] = value
	}
	return in
}
