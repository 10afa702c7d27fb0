package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRunWithABrowser: a page is loaded and judged, by the first run with a gate that holds and by the second with one
// that does not; where there is no browser, the run says how to get one.
func TestRunWithABrowser(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("chromium"); err != nil {
		const missing = "no Chromium in PATH: install Debian's package chromium (apt-get install chromium)"
		if os.Getenv("CI") == "" {
			t.Skip(missing) // a developer may do without; CI installs it
		}
		t.Fatal(missing)
	}
	url := serviceOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>x</title><p>A text.")
	}))
	const load = "executor: browser\n    duration: 5s"
	p := headroom(t, "run", "--out", "out", scenario(t, url, load, `browser_fcp: "max<60000"`))
	p.holds(t, filepath.Join(p.Dir, "out"))
	says(t, p.stdout.String(), "browser_fcp", "Pages in the browser", "root")
	says(t, text(t, filepath.Join(p.Dir, "out", "run.json")), `"fcp_ms"`, `"engine": "Chrome`)
	says(t, text(t, filepath.Join(p.Dir, "out", "report.html")), "Pages in the browser")

	p = headroom(t, "run", scenario(t, url, load, `browser_bytes: "max<10"`))
	p.crosses(t)

	p = headroom(t, "run", scenario(t, url, load, `browser_fcp: "max<60000"`))
	p.Env = append(os.Environ(), "PATH="+t.TempDir())
	p.exits(t, exitUsage, exitError)
	says(t, p.stderr.String(), "install it, on Debian with apt-get install chromium")
}
