package containers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestServerOfInfo(t *testing.T) {
	for _, c := range []struct {
		name, info string
		want       Server
	}{
		{
			"Redis", "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nprocess_id:42\r\n",
			Server{Name: "Redis", Version: "7.0.15", Answer: "redis_version:7.0.15", pid: 42},
		},
		{
			"Valkey",
			"# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\nprocess_id:7\r\n",
			Server{Name: "Valkey", Version: "8.1.0", Answer: "valkey_version:8.1.0", pid: 7},
		},
		{
			"Dragonfly", "# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.40.1\r\nredis_mode:standalone\r\n",
			Server{Name: "Dragonfly", Version: "1.40.1", Answer: "dragonfly_version:df-v1.40.1"},
		},
	} {
		got, err := serverOfInfo(c.info)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	if _, err := serverOfInfo("# Server\r\nother_version:1\r\n"); err == nil ||
		!strings.Contains(err.Error(), "other_version") {
		t.Errorf("a server that nobody knows: %v", err)
	}
}

func FuzzServerOfInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\n")
	f.Add("dragonfly_version:df-v1.40.1\nredis_version:7")
	f.Add(":\n::\r")
	f.Fuzz(func(t *testing.T, info string) {
		s, err := serverOfInfo(info)
		if err != nil {
			return
		}
		if s.Name == "" || !strings.Contains(info, s.Answer) || !strings.HasSuffix(s.Answer, s.Version) {
			t.Errorf("%q became %+v", info, s)
		}
		if s.Name == nameDragonfly && !strings.Contains(info, "dragonfly_version") {
			t.Errorf("%q became a Dragonfly", info)
		}
	})
}

// TestFindCache prefers Dragonfly, under each name that it is installed by, and knows that it takes other arguments.
func TestFindCache(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, name := range []string{"dragonfly-x86_64", "dragonfly"} { // each is preferred to those before
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if got := findCache(); got != path || !isDragonfly(got) {
			t.Errorf("%s in PATH: found %q", name, got)
		}
	}
	for _, name := range []string{"/usr/bin/redis-server", "/opt/dragonfly/valkey-server"} {
		if isDragonfly(name) {
			t.Errorf("%s is taken for Dragonfly", name)
		}
	}
}

// TestVersionLine reads what Dragonfly prints: colours, also where there is no terminal, and more lines.
func TestVersionLine(t *testing.T) {
	program := filepath.Join(t.TempDir(), dragonfly)
	script := "#!/bin/sh\nprintf 'dragonfly \\033[0;32mv1.40.1-434478e\\033[m\\nbuild time: today\\n'\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := versionLine(t.Context(), program)
	if err != nil || got != "dragonfly v1.40.1-434478e" {
		t.Errorf("the version is %q, %v", got, err)
	}
}

func TestNewestFirst(t *testing.T) {
	got := newestFirst([]string{
		"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin",
		"/usr/lib/postgresql/17/bin",
	})
	want := []string{"/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/9.6/bin"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPostgresSettings(t *testing.T) {
	got := settingArgs(postgresSettings(map[string]string{"jit": "on", "work_mem": "8MB"}, false))
	want := []string{"-c", "jit=on", "-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "work_mem=8MB"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Contains(settingArgs(postgresSettings(nil, true)), "shared_preload_libraries=pg_stat_statements") {
		t.Error("pg_stat_statements is not loaded where it is there")
	}
}
