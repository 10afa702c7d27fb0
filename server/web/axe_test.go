package web_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe-core (https://github.com/dequelabs/axe-core) knows those rules of WCAG 2.2, and of good practice, that a program
// can decide. No Go module has its script, so it comes from npm's registry.
const (
	axeVersion = "4.14.1"
	axeSHA256  = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" // of its axe.min.js
)

// axeScript fetches the script. It takes npm and its registry, without which only a developer may do.
func axeScript(t *testing.T) string {
	t.Helper()
	pack := exec.CommandContext(t.Context(), "npm", "pack", "axe-core@"+axeVersion)
	pack.Dir = t.TempDir()
	if said, err := pack.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("npm pack axe-core: %v\n%s", err, said)
		}
		t.Fatalf("npm pack axe-core: %v (it needs npm and its registry)\n%s", err, said)
	}
	archive, err := os.Open(filepath.Join(pack.Dir, "axe-core-"+axeVersion+".tgz"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	unpacked, err := gzip.NewReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(unpacked); ; {
		file, err := files.Next()
		if err != nil {
			t.Fatalf("axe-core has no axe.min.js: %v", err)
		}
		if file.Name != "package/axe.min.js" {
			continue
		}
		script, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(script)
		if got := hex.EncodeToString(sum[:]); got != axeSHA256 {
			t.Fatalf("the script of axe-core has the hash %s, want %s", got, axeSHA256)
		}
		return string(script)
	}
}

// axeFindsNothing looks at all pages as wide screens show them in light colours, and narrow ones in dark.
func axeFindsNothing(t *testing.T, p *tab, base string) {
	script := axeScript(t)
	pages := pagesOf(t, base)
	pages["problem"] = base + "/ui/resources/x?tenant=" + key(t, "tenant_id")
	for scheme, width := range map[string]int64{"light": 1280, "dark": 380} {
		if err := chromedp.Do(p, chromedp.EmulateViewport(width, 800)); err != nil {
			t.Fatal(err)
		}
		if _, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		for name, url := range pages {
			p.visit(t, url)
			passed, faults := runAxe(t, p, script)
			if passed < 20 {
				t.Errorf("%s, %s: only %d rules apply", name, scheme, passed)
			}
			if len(faults) > 0 {
				t.Errorf("%s, %s: %q", name, scheme, faults)
			}
		}
	}
	eval[bool](t, p, `document.querySelector("main").append(document.createElement("input")), true`)
	if _, faults := runAxe(t, p, script); len(faults) != 1 {
		t.Errorf("of an input without a label axe says %q", faults)
	}
}

// runAxe returns the number of rules that a page keeps, and what breaks others.
func runAxe(t *testing.T, p *tab, script string) (passed int, faults []string) {
	t.Helper()
	if err := chromedp.Do(p, chromedp.Evaluate[chromedp.Void](script+"\n;undefined")); err != nil {
		t.Fatal(err)
	}
	result, err := chromedp.Run(p, chromedp.Evaluate[struct {
		Passed int
		Faults []string
	}](`axe.run(document).then(r => ({
		passed: r.passes.length,
		faults: r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 100)).join(" and ")),
	}))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return result.Passed, result.Faults
}
