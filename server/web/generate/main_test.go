package main

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// TestGeneratedFilesAreCurrent: what is committed is what go generate makes. Another version of a compressor may make
// other bytes, so compressed files only have to say the same.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	made, err := build(os.DirFS("../source"))
	if err != nil {
		t.Fatal(err)
	}
	committed := map[string][]byte{}
	generated := os.DirFS("../generated")
	err = fs.WalkDir(generated, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		committed[name], err = fs.ReadFile(generated, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, got := slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(committed))
	if !slices.Equal(want, got) {
		t.Fatalf("run go generate ./server/web: committed are\n%s\nmade are\n%s", strings.Join(got, "\n"),
			strings.Join(want, "\n"))
	}
	for name := range made {
		if !bytes.Equal(unpacked(t, name, made[name]), unpacked(t, name, committed[name])) {
			t.Errorf("run go generate ./server/web: %s is not what is made from the sources", name)
		}
	}
}

func unpacked(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var reader io.Reader = bytes.NewReader(content)
	var err error
	switch path.Ext(name) {
	case ".gz":
		reader, err = gzip.NewReader(reader)
	case ".zst":
		reader, err = zstd.NewReader(reader)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return plain
}

func TestBuild(t *testing.T) {
	script := bytes.Repeat([]byte("export const one = 1;\n"), 50)
	made, err := build(fstest.MapFS{
		"a.js":      {Data: script},
		"style.css": {Data: []byte("/* why\n so */\n  b { color: red; }\n\ni { top: 0; }\n")},
		"page.html": {Data: []byte(
			`<style>[[style]]</style><script src="[[file a.js]]" integrity="[[integrity a.js]]">`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := hashedName("a.js", script)
	want := `<style>b { color: red; }` + "\n" + `i { top: 0; }</style><script src="/ui/static/` + name +
		`" integrity="` +
		integrity(script) + `">`
	if got := string(made["pages/page.html"]); got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
	for _, extension := range []string{"", ".gz", ".zst"} {
		if got := unpacked(t, extension, made["files/"+name+extension]); !bytes.Equal(got, script) {
			t.Errorf("a.js%s says %.60q", extension, got)
		}
	}
	if packed := made["files/"+name+".gz"]; len(packed) > len(script)/2 {
		t.Errorf("%d bytes are compressed to %d", len(script), len(packed))
	}
	if changed := hashedName("a.js", script[1:]); changed == name {
		t.Error("another content has the same name")
	}
}

func TestBuildRefusesUnknownPlaceholders(t *testing.T) {
	for _, page := range []string{"[[file b.js]]", "[[integrity b.js]]", "[[stile]]", "[[style a.js]]"} {
		_, err := build(fstest.MapFS{"style.css": {}, "a.js": {}, "page.html": {Data: []byte(page)}})
		if err == nil || !strings.Contains(err.Error(), page) || !strings.Contains(err.Error(), "page.html") {
			t.Errorf("%s: error %v, want one that names it and the page", page, err)
		}
	}
}
