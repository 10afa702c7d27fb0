package scenarios

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func TestExamplesOfThePageAreValid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "partner.key"), []byte("the-key-of-a-partner\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(readPage(t), "```yaml\n# scenario\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("found %d examples", len(blocks))
	}
	for _, block := range blocks {
		src, _, closed := strings.Cut(block, "```")
		if !closed {
			t.Fatalf("an example does not end: %.60q", block)
		}
		in := Inputs{Lookup: environment(map[string]string{"API_TOKEN": "of-a-test-user"})}
		if _, err := in.Parse(filepath.Join(dir, "example.yaml"), []byte(src)); err != nil {
			t.Errorf("%v\nin\n%s", err, src)
		}
	}
}

func TestOverridesOfThePageAreValid(t *testing.T) {
	line := regexp.MustCompile(`(?m)^    headroom run (\w+) (--set .*)$`)
	set := regexp.MustCompile(`--set (?:'([^']+)'|(\S+))`)
	lines := line.FindAllStringSubmatch(readPage(t), -1)
	if len(lines) < 5 {
		t.Fatalf("found %d commands", len(lines))
	}
	for _, found := range lines {
		var overrides []string
		for _, override := range set.FindAllStringSubmatch(found[2], -1) {
			overrides = append(overrides, override[1]+override[2])
		}
		if _, err := Read(found[1], overrides...); err != nil {
			t.Errorf("%s: %v", found[0], err)
		}
	}
}

// Every key, metric and executor has to be on the page.
func TestThePageIsComplete(t *testing.T) {
	// What counts are the words in code spans: examples do not explain anything.
	text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(readPage(t), "")
	onPage := map[string]bool{}
	for _, span := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		for _, word := range regexp.MustCompile(`[\w-]+`).FindAllString(span[1], -1) {
			onPage[word] = true
		}
	}
	want := append(wordsOf(planShape), FixtureSets...)
	for _, x := range executors {
		want = append(want, string(x.load.Executor()))
	}
	for _, m := range Metrics {
		want = append(want, string(m.Name))
	}
	for _, m := range RegressionMetrics {
		want = append(want, string(m.Name))
	}
	for _, word := range want {
		if !onPage[word] {
			t.Errorf("%q is not on the page", word)
		}
	}
}

// wordsOf returns all keys of a shape and of the shapes in it.
func wordsOf(s *shape) []string {
	if s == nil {
		return nil
	}
	words := append(s.known(), append(wordsOf(s.items), wordsOf(s.names)...)...)
	for _, k := range s.keys {
		words = append(words, wordsOf(k.shape)...)
	}
	return words
}
