// Package imports turns load tests and recordings of other tools into scenario files: scripts of k6, collections of
// Postman, OpenAPI documents, HAR files, test plans of JMeter, and curl commands.
package imports

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Format is what kind of file is read.
type Format string

// The formats.
const (
	K6      Format = "k6"
	Postman Format = "postman"
	OpenAPI Format = "openapi"
	HAR     Format = "har"
	JMeter  Format = "jmx"
	Curl    Format = "curl"
)

// Formats are all of them.
var Formats = []Format{K6, Postman, OpenAPI, HAR, JMeter, Curl}

// Result is a scenario file, and what it lacks.
type Result struct {
	Format    Format
	Text      []byte // YAML that scenarios.Parse accepts
	Requests  int
	LeftOut   []Note     // what was not carried over, in the order of the file
	Variables []Variable // of the environment, to be set before a run
}

// Note is something that was not carried over, with its place where the format has lines.
type Note struct {
	Line, Column int // from 1; 0: nowhere in particular
	Text         string
}

// Variable is a variable of the environment that the scenario takes a value from.
type Variable struct {
	Name string
	For  string // what it stands for
	// Secret says that the file had a value that must not be in the scenario.
	Secret bool
}

// Error is a fault of a file that is imported.
type Error struct {
	File         string
	Line, Column int // 0: unknown
	Message      string
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Convert makes a scenario file of the content of a file; name is that of the file in messages and in the scenario.
// An empty format is found out from name and content. An error is an [*Error].
func Convert(name string, content []byte, format Format) (*Result, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if format == "" {
		format = Detect(name, content)
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, &Error{File: name, Line: 1, Message: "it is empty"}
	}
	d := newDraft(name, format)
	var err error
	switch format {
	case K6:
		err = d.k6(content)
	case Postman:
		err = d.postman(content)
	case OpenAPI:
		err = d.openAPI(content)
	case HAR:
		err = d.har(content)
	case JMeter:
		err = d.jmeter(content)
	case Curl:
		err = d.curl(content)
	default:
		err = &Error{File: name, Message: "its content does not tell what it is: name the format, which is " +
			formatNames()}
	}
	if err != nil {
		return nil, err
	}
	return d.result()
}

func formatNames() string {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = string(f)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// contents are what tells the formats by their content.
var contents = []struct {
	format  Format
	pattern *regexp.Regexp
}{
	{JMeter, regexp.MustCompile(`^\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)?<jmeterTestPlan\b`)},
	{K6, regexp.MustCompile(`(?m)^\s*(import\b[^\n]*['"]k6(/[^'"]*)?['"]|export\s+default\s+(async\s+)?function)`)},
	{HAR, regexp.MustCompile(`^\s*\{\s*"log"\s*:`)},
	{Postman, regexp.MustCompile(`"_postman_id"|schema\.(get)?postman\.com`)},
	{OpenAPI, regexp.MustCompile(`(?m)^\s*\{?\s*["']?(openapi|swagger)["']?\s*:`)},
	{Curl, regexp.MustCompile(`(?m)^\s*(\$ )?curl(\.exe)?\s`)},
}

// extensions are what tells the formats by the end of a file's name, where the content does not.
var extensions = map[string]Format{".js": K6, ".mjs": K6, ".ts": K6, ".jmx": JMeter, ".har": HAR}

// Detect finds out the format of a file; it is empty where neither content nor name tell it.
func Detect(name string, content []byte) Format {
	for _, c := range contents {
		if c.pattern.Match(content) {
			return c.format
		}
	}
	return extensions[strings.ToLower(filepath.Ext(name))]
}

// lineAt is the line and the column of a byte of a text, both from 1.
func lineAt(text []byte, offset int) (line, column int) {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	return 1 + bytes.Count(before, []byte("\n")), 1 + len([]rune(string(before[1+bytes.LastIndexByte(before, '\n'):])))
}

// sortNotes puts notes in the order of the file, those without a place last.
func sortNotes(notes []Note) {
	slices.SortStableFunc(notes, func(a, b Note) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}
