package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
	"github.com/policycortex/headroom/server"
)

const anyLoad = `scenarios:
  reads: {executor: constant-arrival-rate, rate: 1, duration: 1s, requests: [{name: home, path: /}]}
`

// TestServerSettingsAreChecked holds that a wrong setting of the reference server is a fault at its place in the file,
// which says what is right.
func TestServerSettingsAreChecked(t *testing.T) {
	t.Setenv("HEADROOM_RATE_LIMIT", "200")
	for _, c := range []struct {
		settings, override string
		want               []string // in the faults; none: it is valid
	}{
		{settings: "{warm_resources: 500, ready_when_warm: true, rate_limit: -1, request_timeout: 5s, edge_ttl: 2s}"},
		{settings: "{gogc: off, gomemlimit: 512MiB, gomaxprocs: 1, l1_bytes: 4MiB, l1_max_bytes: 8MiB}"},
		{settings: "{gogc: 0}", want: []string{`settings.yaml:2:18: environment.server.gogc must be a whole number`}},
		{settings: "{gomemlimit: 99999999999TiB}", want: []string{`:2:24: environment.server.gomemlimit must be a number`}},
		{settings: "{gomemlimit: 5MB}", want: []string{`:2:24: environment.server.gomemlimit must be a number of bytes`}},
		{
			settings: "{rate_limt: 5}",
			want:     []string{`settings.yaml:2:12: the reference server has no setting "rate_limt"; did you mean "rate_limit"?`},
		},
		{settings: "{HEADROOM_RATE_LIMIT: 5}", want: []string{`:2:12: `, `did you mean "rate_limit"?`}},
		{settings: "{x: 5}", want: []string{`known are allow_unauthenticated, auth_`, `, gogc, `}},
		{settings: "{postgres_url: x}", want: []string{`environment.server.postgres_url is chosen by the run itself; remove it`}},
		{
			settings: "{request_timeout: 5, max_under_way: many}",
			want: []string{
				`:2:29: environment.server.request_timeout must be a duration, such as 250ms, 5s or 10m, not "5"`,
				`:2:47: environment.server.max_under_way must be a whole number, not "many"`,
			},
		},
		{settings: "{ready_when_warm: yes}", want: []string{`must be true or false, not "yes"`}},
		// What the server itself finds in the values: bounds, and what does not go together.
		{settings: "{request_timeout: 5m}", want: []string{`:2:29: environment.server.request_timeout: HEADROOM_REQUEST_TIMEOUT`}},
		{settings: "{rate_limit: 2000000}", want: []string{`:2:24: environment.server.rate_limit: HEADROOM_RATE_LIMIT is 2000000`}},
		{settings: "{slowdown_every: 5}", want: []string{`:2:28: environment.server.slowdown_every: `, `HEADROOM_SLOWDOWN_CPU`}},
		{
			settings: "{}", override: "environment.server.gogcc=5",
			want: []string{`--set environment.server.gogcc=5: the reference server has no setting "gogcc"; did you mean "gogc"?`},
		},
	} {
		text := "environment:\n  server: " + c.settings + "\n" + anyLoad
		var overrides []string
		if c.override != "" {
			overrides = []string{c.override}
		}
		plan, err := scenarios.Parse("settings.yaml", []byte(text), overrides...)
		if err != nil {
			t.Errorf("%s: %v", c.settings, err)
			continue
		}
		err = checkServerSettings(plan)
		switch {
		case len(c.want) == 0 && err != nil:
			t.Errorf("%s is refused: %v", c.settings, err)
		case len(c.want) > 0 && err == nil:
			t.Errorf("%s %s is accepted", c.settings, c.override)
		case err != nil:
			says(t, err.Error(), c.want...)
		}
	}
}

// TestEverySettingHasAName holds that each variable of the server has a name in scenario files that means it.
func TestEverySettingHasAName(t *testing.T) {
	t.Parallel()
	for _, variable := range append(server.Variables(), "GOGC", "GOMEMLIMIT", "GOMAXPROCS") {
		if got := variableOf(settingName(variable)); got != variable {
			t.Errorf("%s is called %s, which sets %q", variable, settingName(variable), got)
		}
	}
	for _, variable := range ownVariables {
		if !slices.Contains(server.Variables(), variable) {
			t.Errorf("the server has no %s", variable)
		}
	}
}

// TestSecretSettings holds that a secret setting is known as one wherever it stands.
func TestSecretSettings(t *testing.T) {
	t.Parallel()
	const secret = "the-key-of-all-the-cursors-1234567890"
	secrets := &scenarios.Redactor{}
	in := scenarios.Inputs{Secrets: secrets, Lookup: func(string) (string, bool) { return secret, true }}
	for _, value := range []string{secret, "{secret: {env: KEY}}", `"${KEY}"`} {
		text := "environment:\n  server: {cursor_key: " + value + "}\n" + anyLoad
		plan, err := in.Parse("settings.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if vars := settingVariables(plan); !slices.Contains(vars, "HEADROOM_CURSOR_KEY="+secret) {
			t.Errorf("%s: the server gets %q", value, vars)
		}
		if shown := secrets.Text(text); strings.Contains(shown, secret) {
			t.Errorf("%s is shown as %s", value, shown)
		}
		s := &system{}
		s.noteSettings(settingVariables(plan))
		if len(s.record.Settings) != 2 || strings.Contains(strings.Join(s.record.Settings, " "), secret) {
			t.Errorf("%s is recorded as %q", value, s.record.Settings)
		}
	}
}
