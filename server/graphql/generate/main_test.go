package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedCodeIsCurrent: what is committed was generated from the schema and the types as they are. It compares
// hashes, because gqlgen takes a minute to compile.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	want, err := note("..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", noteFile))
	if err != nil || string(got) != want {
		t.Errorf("run go generate ./server/graphql: generated was\n%s (error %v) from other sources than\n%s", got, err,
			want)
	}
}
