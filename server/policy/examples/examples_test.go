package examples

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write owner.wasm")

// TestOwnerIsCurrent: the file that ships is what its source says.
func TestOwnerIsCurrent(t *testing.T) {
	want := owner()
	if *update {
		err := os.WriteFile("owner.wasm", want, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(Owner, want) {
		t.Error("owner.wasm is not what owner assembles; run go test ./server/policy/examples -update")
	}
}
