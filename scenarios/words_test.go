package scenarios

import (
	"strings"
	"testing"
)

// TestWhatToWriteInstead: a fault says the very words that would be right, where they are known.
func TestWhatToWriteInstead(t *testing.T) {
	for path, want := range map[string]string{
		"$.hdr.X-From-Env": `the JSON path goes on with neither . nor [ at "-From-Env"; write it as $.hdr['X-From-Env']`,
		"$.a[0].b c.d":     `at " c.d"; write it as $.a[0]['b c'].d`,
		"$.X-It's":         `; write it as $['X-It\'s']`,
		"$.a.2fa":          `; write it as $.a['2fa']`,
		"$.a-b.c-d":        `; write it as $['a-b']['c-d']`,
		"$[0]x":            `; write it as $.items[0].id`,
		"$x":               `; write it as $.items[0].id`,
		"$..x":             `; a path leads to one value`,
	} {
		src := withRequest("path: /\nchecks: [{name: c, json: \"" + strings.ReplaceAll(path, `"`, `\"`) +
			"\", exists: true}]")
		if _, err := Parse("f", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	for src, want := range map[string]string{
		"target: {url: 'http://h/?a'}":                     `target.url "http://h/?a" must be an address without query, fragment, user and password; put`,
		"target: {url: 'http://h', proxy: 'http://h:1/a'}": `target.proxy "http://h:1/a" must be an address without path, query and fragment; write`,
	} {
		if _, err := Parse("f", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
	if _, err := Read("nowhere/smok"); err == nil ||
		!strings.Contains(err.Error(),
			`open scenario nowhere/smok: file does not exist; did you mean "smoke"? shipped with the program: `) {
		t.Errorf("got %v", err)
	}
}
