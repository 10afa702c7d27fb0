package imports

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples are files as the tools write them, with what of them is secret.
var samples = map[string]struct {
	format  Format
	secrets []string
}{
	"shop.js":                      {K6, []string{"sk-live-51H8abcdefSECRET"}},
	"pets.yaml":                    {OpenAPI, []string{"pet-password-1"}},
	"shop.postman_collection.json": {Postman, []string{"postman-secret-9", "pm-key-123456"}},
	"visit.har":                    {HAR, []string{"c2VjcmV0LXRva2Vu", "b7e1d2c3f4", "tr0ub4dor", "f00dfeed77"}},
	"plan.jmx":                     {JMeter, []string{"jm-secret-token", "jm-editor-secret"}},
	"requests.sh":                  {Curl, []string{"4f9c2d7e81aa0b3c", "8c1f0e7a5b", "hunter2secret", "t horse"}},
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestSamples holds what is made of each sample, that it is a valid scenario, and that no secret is in it.
func TestSamples(t *testing.T) {
	for name, s := range samples {
		t.Run(name, func(t *testing.T) {
			r, err := Convert(name, sample(t, name), "")
			if err != nil {
				t.Fatal(err)
			}
			if r.Format != s.format {
				t.Errorf("its format is %s", r.Format)
			}
			holds(t, r)
			got := listed(r)
			for _, secret := range s.secrets {
				if strings.Contains(got, secret) {
					t.Errorf("the secret %q is in it", secret)
				}
			}
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := sample(t, name+".golden.yaml"); got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// listed is a result as the golden files have it: the scenario, and in comments what the command says besides it.
func listed(r *Result) string {
	var b strings.Builder
	b.Write(r.Text)
	fmt.Fprintf(&b, "# --- %d requests\n", r.Requests)
	for _, v := range r.Variables {
		fmt.Fprintf(&b, "# variable %s, secret %t: %s\n", v.Name, v.Secret, v.For)
	}
	for _, n := range r.LeftOut {
		fmt.Fprintf(&b, "# left out at %d:%d: %s\n", n.Line, n.Column, n.Text)
	}
	return b.String()
}

// holds holds what a user relies on: the scenario is valid, begins with what to do next, and has requests.
func holds(t *testing.T, r *Result) {
	t.Helper()
	plan, err := asSaved(string(r.Text)).Parse()
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, r.Text)
	}
	if !bytes.HasPrefix(r.Text, []byte("# Made of ")) || r.Requests == 0 || len(plan.Scenarios) == 0 {
		t.Errorf("%d requests in\n%s", r.Requests, r.Text)
	}
}

// fuzz holds that any file is a valid scenario or a fault that names the file.
func fuzz(f *testing.F, format Format) {
	for name, s := range samples {
		if s.format == format {
			f.Add(sample(f, name))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := Convert("f", content, format)
		var fault *Error
		switch {
		case err == nil:
			holds(t, r)
		case strings.Contains(err.Error(), "fault of this program"):
			t.Error(err)
		case !errors.As(err, &fault) && !strings.HasPrefix(err.Error(), "f:"):
			t.Errorf("a fault without a file: %v", err)
		}
	})
}

func FuzzK6(f *testing.F)   { fuzz(f, K6) }
func FuzzCurl(f *testing.F) { fuzz(f, Curl) }

func FuzzHAR(f *testing.F)     { fuzz(f, HAR) }
func FuzzJMeter(f *testing.F)  { fuzz(f, JMeter) }
func FuzzPostman(f *testing.F) { fuzz(f, Postman) }
func FuzzOpenAPI(f *testing.F) { fuzz(f, OpenAPI) }
