package server

import (
	"strings"
	"testing"
)

func TestSettingsAreDisguised(t *testing.T) {
	const secret = "S3CRET"
	for _, c := range []struct {
		name, value string
		keeps       []string // parts that are told
	}{
		{"HEADROOM_CURSOR_KEY", secret, nil},
		{
			"HEADROOM_POSTGRES_URL", "postgres://me:S3CRET@db:5432/headroom?sslmode=disable",
			[]string{"postgres://me:", "@db:5432/headroom", "sslmode=disable"},
		},
		{"HEADROOM_POSTGRES_URL", "postgres://me@db/headroom?password=S3CRET", []string{"postgres://me@db/headroom"}},
		{"HEADROOM_POSTGRES_URL", "host=db user=me password=S3CRET", nil},
		{"HEADROOM_CACHE_URL", "redis://:S3CRET@cache:6379/0", []string{"@cache:6379/0"}},
		{"OTEL_EXPORTER_OTLP_HEADERS", "authorization=S3CRET", nil},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://S3CRET@collector", []string{"@collector"}},
		{"PGPASSWORD", secret, nil},
		{"http_proxy", "me:S3CRET@proxy:3128", nil},
		{"HTTPS_PROXY", "http://me:S3CRET@proxy:3128", []string{"@proxy:3128"}},
	} {
		got, other := Disguised(c.name, c.value), Disguised(c.name, strings.Replace(c.value, secret, "another", 1))
		if strings.Contains(got, secret) || !strings.Contains(got, "secret-") {
			t.Errorf("%s=%s is told as %s", c.name, c.value, got)
		}
		if got == other || got != Disguised(c.name, c.value) {
			t.Errorf("%s: two secrets are told as %s and %s", c.name, got, other)
		}
		for _, part := range c.keeps {
			if !strings.Contains(got, part) {
				t.Errorf("%s=%s is told as %s, without %s", c.name, c.value, got, part)
			}
		}
	}
	for _, plain := range []string{
		"postgres://me@db:5432/headroom", "127.0.0.1:8080", "0.01",
		"http://collector:4318",
	} {
		if got := Disguised("HEADROOM_X", plain); got != plain {
			t.Errorf("%s is told as %s", plain, got)
		}
	}
}

func TestSettingsInForce(t *testing.T) {
	for name, value := range map[string]string{
		"HEADROOM_UNKNOWN": "1", "OTEL_SERVICE_NAME": "mine", "PGTZ": "UTC", "GODEBUG": "http2client=0",
		"https_proxy":         "http://proxy:1",
		"HEADROOM_SLOW_QUERY": "ignored: the options have it", "PGHOST": "", "SOMETHING_ELSE": "1",
	} {
		t.Setenv(name, value)
	}
	got := settingsInForce(Options{
		Addr: "127.0.0.1:0", RateLimit: 5, SlowdownCPU: 5000, SlowdownEvery: 100,
	}.withDefaults())
	for name, want := range map[string]string{
		"HEADROOM_UNKNOWN": "1", "OTEL_SERVICE_NAME": "mine", "PGTZ": "UTC", "GODEBUG": "http2client=0",
		"https_proxy":   "http://proxy:1",
		"HEADROOM_ADDR": "127.0.0.1:0", "HEADROOM_RATE_LIMIT": "5", "HEADROOM_RATE_BURST": "5",
		"HEADROOM_L1_BYTES":     "67108864",
		"HEADROOM_SLOWDOWN_CPU": "5µs", "HEADROOM_SLOWDOWN_EVERY": "100",
		"HEADROOM_SLOW_QUERY": "0s", "HEADROOM_SHUTDOWN_GRACE": "15s", "HEADROOM_RATE_LIMIT_SHARED": "false",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"} {
		if got[name] == "" {
			t.Errorf("%s is not told", name)
		}
	}
	for _, name := range []string{"SOMETHING_ELSE", "PGHOST", "HEADROOM_CURSOR_KEY", "-", ""} {
		if value, ok := got[name]; ok {
			t.Errorf("%s is told: %q", name, value)
		}
	}
}
