package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// hostileText would colour a terminal, set its title, and write what follows from right to left.
const hostileText = "\x1b[31mred\x1b]0;title\x07\u009b31m\u202eevil\u2066\x7f"

// harmless holds that a text controls no terminal.
func harmless(t *testing.T, where, text string) {
	t.Helper()
	for i, c := range text {
		if c != '\n' && c != '\t' && unicode.IsControl(c) || c >= '\u202a' && c <= '\u202e' || c >= '\u2066' &&
			c <= '\u2069' {
			t.Errorf("%s has %U: %.60q", where, c, text[max(0, i-30):])
			return
		}
	}
}

// TestHostileTexts has control characters in everything that a service or a file can name: neither the terminal nor a
// file that is shown on one gets them.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/malformed" {
			if conn, out, err := w.(http.Hijacker).Hijack(); err == nil {
				writeLine(out, hostileText)
				conn.Close()
			}
			return
		}
		w.Header()["X-Kind"] = []string{hostileText}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "{\"kind\": \"\u202eevil\u009b\"} "+strings.ReplaceAll(hostileText, "\x1b", ""))
	}))
	defer s.Close()
	file := filepath.Join(dir, "hostile.yaml")
	src := fmt.Sprintf(`target: {url: %q}
description: "a \x1b[31mred \u202E one"
tags: {team: "a \x1b[31mred \u202E one"}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 20
    duration: 500ms
    requests:
      - {name: a, path: /malformed}
      - {name: b, path: /, checks: [{name: "kind \x1b[31m \u202E", header: X-Kind, equals: "\x1b[31m"}, {name: json, json: $.kind, equals: x}]}
thresholds: {http_req_failed: "rate<0.01"}
`, s.URL)
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	runs := func(args ...string) {
		t.Helper()
		p := headroom(t, args...)
		p.Dir = dir
		_ = p.Run() // whatever comes of it
		harmless(t, fmt.Sprintf("standard output of %q", args), p.stdout.String())
		harmless(t, fmt.Sprintf("standard error of %q", args), p.stderr.String())
		if p.stdout.Len()+p.stderr.Len() == 0 {
			t.Errorf("%q said nothing", args)
		}
	}
	runs("validate", file)
	for _, engine := range []string{"wire", "vegeta"} {
		runs("run", file, "--out", engine, "--json", "--set", "engine="+engine)
		runs("report", engine)
		for _, name := range []string{"run.json", "summary.json", "junit.xml"} {
			content, err := os.ReadFile(filepath.Join(dir, engine, name))
			if err != nil {
				t.Error(err)
			}
			harmless(t, engine+"/"+name, string(content))
		}
	}
	runs("compare", "wire", "vegeta", "--json")
	runs("run", "no\x1b[31m\u202efile")
	runs("run", file, "--set", "a\x1b[31m\u202eb=1", "--set", "scenarios.s.executor=\x1b[31m")
	runs("report", "no\x1b[31mrun")
	runs("attack", "-targets", "no\x1b[31mfile")
	runs("a\x1b[31mcommand")
	if err := os.WriteFile(filepath.Join(dir, "bad.log"), []byte("a \x1b[31m line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runs("run", file, "--set", "scenarios.s={executor: replay, file: bad.log, format: json-lines}")
}
