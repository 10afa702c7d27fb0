package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestStyle holds two rules that no linter here knows. A line has at most 120 columns, where a tab counts as 4: only
// raw strings, preformatted comments and generated files may be wider. The header of an if or switch changes nothing
// but what it declares.
func TestStyle(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		if ast.IsGenerated(file) {
			return nil
		}
		wide, number := wideLines(set, file), 0
		for line := range strings.Lines(string(source)) {
			number++
			line = strings.TrimSuffix(line, "\n")
			columns := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
			if columns > 120 && !wide[number] && !strings.HasPrefix(strings.TrimSpace(line), "//\t") {
				t.Errorf("%s:%d: %d columns", path, number, columns)
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if header := headerOf(node); header != nil && !declares(header) {
				t.Errorf("%s: the header of an if or switch has a side effect", set.Position(header.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files: %v", files, err)
	}
}

func headerOf(node ast.Node) ast.Stmt {
	switch s := node.(type) {
	case *ast.IfStmt:
		return s.Init
	case *ast.SwitchStmt:
		return s.Init
	}
	return nil
}

func declares(statement ast.Stmt) bool {
	assignment, ok := statement.(*ast.AssignStmt)
	return ok && assignment.Tok == token.DEFINE
}

// wideLines are the lines on which there is something of a raw string.
func wideLines(set *token.FileSet, file *ast.File) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && strings.HasPrefix(literal.Value, "`") {
			for line := set.Position(literal.Pos()).Line; line <= set.Position(literal.End()).Line; line++ {
				lines[line] = true
			}
		}
		return true
	})
	return lines
}
