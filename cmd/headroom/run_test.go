package main

import (
	"slices"
	"testing"
)

func TestRedacted(t *testing.T) {
	got := redacted([]string{
		"headroom", "run", "x.yaml", "--postgres", "postgres://me:secret@127.0.0.1:5432/db",
		"a b%",
	}, nil)
	want := []string{"headroom", "run", "x.yaml", "--postgres", "postgres://REDACTED@127.0.0.1:5432/db", "a b%"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestRedactedFlagWithEqualsSign(t *testing.T) {
	got := redacted([]string{"--postgres=postgres://me:secret@127.0.0.1:5432/db"}, nil)
	if want := "--postgres=postgres://REDACTED@127.0.0.1:5432/db"; got[0] != want {
		t.Errorf("%q, want %q", got[0], want)
	}
}

func TestIsLocal(t *testing.T) {
	for target, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost": true, "https://127.1.2.3": true,
		"http://example.com": false, "http://10.0.0.1": false, "%": false,
	} {
		if got := isLocal(target); got != want {
			t.Errorf("isLocal(%q) = %v", target, got)
		}
	}
}
