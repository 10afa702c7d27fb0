package request

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// A column of passwords is secret wherever its values are sent.
func TestSecretColumns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte("user,password\nann-visible,FEEDPW-cc33dd44\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := scenarios.Parse("x.yaml",
		[]byte("target: {url: 'http://h'}\nfeeders: {users: {csv: '"+file+"'}}\nscenarios: {s: {executor: "+
			"constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: '/{{u}}', body: 'x {{p}}', "+
			"values: {u: {feeder: users, column: user}, p: {feeder: users, column: password}}}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	feeders, err := LoadFeeders(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	set, err := New(1, &plan.Scenarios[0], Sources{Feeders: feeders})
	if err != nil {
		t.Fatal(err)
	}
	d := set.Draw(0)
	secrets := &scenarios.Redactor{}
	set.learn(&d, secrets)
	if got := secrets.Text("bad ann-visible:FEEDPW-cc33dd44 bob"); got != "bad ann-visible:REDACTED bob" {
		t.Error(got)
	}
}
