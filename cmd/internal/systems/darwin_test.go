// Package systems holds what must be so on systems other than the one that tests run on.
package systems

import (
	"os"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestDarwin checks the types of all packages and their tests as macOS would compile them. It reads the sources, which
// is many times faster than compiling them for another system.
func TestDarwin(t *testing.T) {
	all, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps,
		Env: append(os.Environ(), "GOOS=darwin", "CGO_ENABLED=0"), Dir: "../../..", Tests: true,
	}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Errorf("only %d packages were found", len(all))
	}
	packages.Visit(all, nil, func(p *packages.Package) {
		for _, fault := range p.Errors {
			t.Error(fault)
		}
	})
}
