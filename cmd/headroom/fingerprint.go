package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// environmentFingerprint is a hash of what the figures depend on besides the code and the machine: the load and the
// servers with their settings. Thresholds, names and the addresses of the service are left out.
func environmentFingerprint(s results.Scenario, e results.Environment) string {
	var load map[string]any
	if yaml.Unmarshal([]byte(s.Text), &load) != nil || load == nil {
		load = map[string]any{"text": s.Text}
	}
	for _, key := range []string{"name", "description", "thresholds", "regression", "experiment"} {
		delete(load, key)
	}
	if target, ok := load["target"].(map[string]any); ok {
		delete(target, "url")
		if urls, ok := target["urls"].([]any); ok {
			target["urls"] = len(urls)
		}
	}
	var overrides []string
	for _, o := range s.Overrides {
		if !strings.HasPrefix(o, "target.url=") && !strings.HasPrefix(o, "target.urls.") &&
			!strings.HasPrefix(o, "thresholds.") {
			overrides = append(overrides, o)
		}
	}
	var servers []string
	for _, server := range e.Servers {
		servers = append(servers, server.Role+" "+server.Name+" "+server.Version)
	}
	text, err := json.Marshal([]any{
		load, overrides, s.Variables, e.Own, e.Provider, servers, e.Settings, e.ServerSettings, e.GeneratorSettings,
		e.Fixture,
	})
	if err != nil { // a YAML document can have keys that JSON has not
		text = fmt.Appendf(nil, "%v %v %v %v", load, overrides, servers, e.ServerSettings)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:8]
}
