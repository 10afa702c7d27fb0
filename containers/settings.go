package containers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// settingName is the form of a name in postgresql.conf, with the dot of an extension's settings.
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// boundSettings tie a server to the address and the directory that this package gave it.
var boundSettings = []string{
	"listen_addresses", "port", "unix_socket_directories", "data_directory", "config_file", "hba_file", "ident_file",
	"external_pid_file", "ssl",
}

// checkSettings refuses settings that cannot be given.
func checkSettings(o Options) error {
	if o.Provider == providerExternal && len(o.PostgresSettings) > 0 {
		return fmt.Errorf("PostgreSQL settings were given, but provider external does not start the server: set them " +
			"on the server")
	}
	for _, name := range slices.Sorted(maps.Keys(o.PostgresSettings)) {
		if !settingName.MatchString(name) {
			return fmt.Errorf("PostgreSQL setting %q is not a name: write it as in postgresql.conf, such as work_mem",
				name)
		}
		if slices.Contains(boundSettings, name) {
			return fmt.Errorf("PostgreSQL setting %s is decided by the provider: remove it, or use provider external",
				name)
		}
	}
	return nil
}

// postgresSettings are the settings of a server that this package starts: what a benchmark needs, overridden by extra.
// Durability settings stay at their defaults, because their cost is part of the measurement.
func postgresSettings(extra map[string]string, statements bool) map[string]string {
	settings := map[string]string{
		"max_connections": "200",
		"shared_buffers":  "256MB",
		"jit":             "off",
	}
	if statements {
		settings["shared_preload_libraries"] = "pg_stat_statements"
	}
	maps.Copy(settings, extra)
	return settings
}

// settingArgs are the arguments of postgres that make the settings, in the order of their names.
func settingArgs(settings map[string]string) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// Memory of a cache. Dragonfly refuses to start with less than 256 MiB for each of its threads.
const cacheMemory = "256mb"

// dragonflyArgs start one small Dragonfly that evicts, keeps nothing on disk and does not phone home.
func dragonflyArgs(address string, port int) []string {
	return []string{
		"--bind=" + address, fmt.Sprintf("--port=%d", port), "--proactor_threads=1", "--maxmemory=" + cacheMemory,
		"--cache_mode=true", "--max_eviction_per_heartbeat=10000", "--dbfilename=", "--version_check=false",
		"--logtostderr",
	}
}

// redisArgs do the same for Redis and Valkey, which know neither Dragonfly's flags nor the form --name=value.
func redisArgs(address string, port int) []string {
	return []string{
		"--bind", address, "--port", fmt.Sprint(port), "--maxmemory", cacheMemory, "--maxmemory-policy", "allkeys-lru",
		"--save", "", "--appendonly", "no", "--protected-mode", "no",
	}
}
