package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	codeBlock    = regexp.MustCompile("(?ms)^```.*?^```")
	relativeLink = regexp.MustCompile(`\]\(([^):#\s]*)(?:#([^)\s]+))?\)`)
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
	goTest       = regexp.MustCompile("go test [^\n`]*")
	selected     = regexp.MustCompile(`-(?:run|bench) '?([\w|]*[A-Z][\w|]*)`) // not ^$ and xxx, which select nothing
	packageDir   = regexp.MustCompile(`\./[\w/]+`)
	testName     = regexp.MustCompile(`(?m)^func (?:Test|Benchmark)(\w+)\(`)
)

// documents are the pages of the documentation.
func documents(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// TestDocsLinks checks that every relative link in the documentation leads to a file, and to a heading if it names one.
func TestDocsLinks(t *testing.T) {
	links := 0
	for _, page := range documents(t) {
		for _, link := range relativeLink.FindAllStringSubmatch(codeBlock.ReplaceAllString(text(t, page), ""), -1) {
			links++
			target, anchor := page, link[2]
			if link[1] != "" {
				target = filepath.Join(filepath.Dir(page), link[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, link[1], err)
			} else if anchor != "" && !anchors(text(t, target))[anchor] {
				t.Errorf("%s links to %s#%s, but there is no such heading", page, link[1], anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("found only %d links", links)
	}
}

// anchors are the headings of a page in the form that GitHub gives them in links.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		words := regexp.MustCompile(`[^\pL\pN_ -]`).ReplaceAllString(strings.ToLower(found[1]), "")
		all[strings.ReplaceAll(words, " ", "-")] = true
	}
	return all
}

// TestDocsCommands checks that every go test command in the documentation selects a test or benchmark of its packages.
func TestDocsCommands(t *testing.T) {
	commands := 0
	for _, page := range documents(t) {
		for _, command := range goTest.FindAllString(text(t, page), -1) {
			selector := selected.FindStringSubmatch(command)
			if selector == nil {
				continue
			}
			commands++
			if !selectsTest(t, command, regexp.MustCompile(selector[1])) {
				t.Errorf("%s: the packages of this command have no such test: %s", page, command)
			}
		}
	}
	if commands < 15 {
		t.Errorf("found only %d commands", commands)
	}
}

func selectsTest(t *testing.T, command string, pattern *regexp.Regexp) bool {
	t.Helper()
	for _, dir := range packageDir.FindAllString(command, -1) {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, found := range testName.FindAllStringSubmatch(text(t, file), -1) {
				if pattern.MatchString("Test"+found[1]) || pattern.MatchString("Benchmark"+found[1]) {
					return true
				}
			}
		}
	}
	return false
}
