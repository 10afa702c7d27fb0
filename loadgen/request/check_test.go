package request

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

func jsonPath(steps ...any) scenarios.JSONPath {
	path := scenarios.JSONPath{}
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			path = append(path, scenarios.JSONStep{Key: s})
		case int:
			path = append(path, scenarios.JSONStep{Index: s, IsIndex: true})
		}
	}
	return path
}

// writeSchema is a JSON Schema of that text.
func writeSchema(t testing.TB, text string) *scenarios.Schema {
	t.Helper()
	path := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	schema, err := scenarios.NewSchema(path)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSchemaMismatch: a message says where in the body it does not match, and why.
func TestSchemaMismatch(t *testing.T) {
	in, err := newInspection(&scenarios.Request{Checks: []scenarios.Check{{
		Test: scenarios.Matches,
		Schema: writeSchema(t, `{"properties": {"items": {"items": {"$ref": "#/$defs/item"}}},
			"$defs": {"item": {"type": "object", "properties": {"id": {"type": "integer", "minimum": 1}}}}}`),
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"items": [{"id": 1}, {"id": "2"}]}`: "at '/items/1/id': got string, want integer; the answer was 200 OK: ",
		`{"items": [{"id": 0}]}`:              "at '/items/0/id': minimum: got 0, want 1; the answer was 200 OK: ",
		`{"items": [`:                         "the body is not JSON; the answer was 200 OK: ",
	} {
		var a Answer
		a.Start(in)
		a.Piece([]byte(body))
		if a.passed(200, 1) != 0 {
			t.Errorf("%s matches", body)
		}
		if got := a.seen(&in.checks[0], 200); got != want+body {
			t.Errorf("it says %q, want %q", got, want+body)
		}
	}
}

func TestChecks(t *testing.T) {
	const body = `{"id": "a\"b", "n": 1.50, "ok": true, "none": null, "": 0, "items": [{"id": 7}, {"id": 8, "a b": [1]}], "0": "zero"}`
	path := jsonPath
	inf := math.Inf(1)
	tests := []struct {
		check scenarios.Check
		want  bool
	}{
		{scenarios.Check{Statuses: []int{200, 201}}, true},
		{scenarios.Check{Statuses: []int{404}}, false},
		{scenarios.Check{Size: true, Test: scenarios.Within, Min: 1, Max: float64(len(body))}, true},
		{scenarios.Check{Size: true, Test: scenarios.Within, Max: float64(len(body) - 1)}, false},
		{scenarios.Check{Header: "x-count", Test: scenarios.Exists}, true},
		{scenarios.Check{Header: "X-None", Test: scenarios.Exists}, false},
		{scenarios.Check{Header: "X-None", Test: scenarios.Absent}, true},
		{scenarios.Check{Header: "X-COUNT", Test: scenarios.Equals, Want: "12"}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Regex, Want: "^1"}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Within, Min: 12, Max: inf}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Within, Min: 13, Max: inf}, false},
		{scenarios.Check{JSON: path(), Test: scenarios.Exists}, true},
		{scenarios.Check{JSON: path("id"), Test: scenarios.Equals, Want: `a"b`}, true},
		{scenarios.Check{JSON: path("n"), Test: scenarios.Equals, Want: "1.5"}, true},
		{scenarios.Check{JSON: path("n"), Test: scenarios.Equals, Want: "1.51"}, false},
		{scenarios.Check{JSON: path("n"), Test: scenarios.Within, Min: 1, Max: 1.5}, true},
		{scenarios.Check{JSON: path("id"), Test: scenarios.Within, Min: 0, Max: inf}, false},
		{scenarios.Check{JSON: path("ok"), Test: scenarios.Equals, Want: "true"}, true},
		{scenarios.Check{JSON: path("none"), Test: scenarios.Exists}, true},
		{scenarios.Check{JSON: path("none", "x"), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path(""), Test: scenarios.Equals, Want: "0"}, true},
		{scenarios.Check{JSON: path("items", 0, "id"), Test: scenarios.Equals, Want: "7"}, true},
		{scenarios.Check{JSON: path("items", -1, "a b", 0), Test: scenarios.Equals, Want: "1"}, true},
		{scenarios.Check{JSON: path("items", -3), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path("items", 2), Test: scenarios.Absent}, true},
		{scenarios.Check{JSON: path("items", "0"), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path(0), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path("items", 1, "id"), Test: scenarios.Regex, Want: "^[89]$"}, true},
		{scenarios.Check{JSON: path("id"), Test: scenarios.Contains, Want: `"b`}, true},
		{scenarios.Check{JSON: path("id"), Test: scenarios.Contains, Want: "c"}, false},
		{scenarios.Check{JSON: path("nothing"), Test: scenarios.Contains, Want: "c"}, false},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Contains, Want: "2"}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Contains, Want: "3"}, false},
		{scenarios.Check{Body: true, Test: scenarios.Contains, Want: `"ok": true`}, true},
		{scenarios.Check{Body: true, Test: scenarios.Contains, Want: `"ok": false`}, false},
		{scenarios.Check{Body: true, Test: scenarios.Regex, Want: `"id": \d}`}, true},
		{scenarios.Check{Body: true, Test: scenarios.Regex, Want: `^"id"`}, false},
		{scenarios.Check{Schema: writeSchema(t, `{"required": ["id", "items"]}`), Test: scenarios.Matches}, true},
		{scenarios.Check{Schema: writeSchema(t, `{"properties": {"id": {"type": "integer"}}}`), Test: scenarios.Matches}, false},
	}
	plan := &scenarios.Request{}
	var want uint64
	for i, test := range tests {
		plan.Checks = append(plan.Checks, test.check)
		if test.want {
			want |= 1 << i
		}
	}
	in, err := newInspection(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &Answer{}
	for range 2 { // its memory is used again
		a.Start(in)
		a.Header([]byte("X-CoUnT"), []byte("12"))
		a.Header([]byte("X-Count"), []byte("13"))
		a.Piece([]byte(body[:20]))
		a.Piece([]byte(body[20:]))
		got := a.passed(200, int64(len(body)))
		for i, test := range tests {
			if (got^want)>>i&1 == 1 {
				t.Errorf("%+v was judged %v", test.check, !test.want)
			}
		}
	}
	for name, body := range map[string]string{
		"not JSON": `{"id": 1} x`,
		"too big":  `{"id": "` + strings.Repeat("x", maxKeptBody) + `"}`,
	} {
		a.Start(in)
		a.Piece([]byte(body))
		if _, err := a.json(); err == nil {
			t.Errorf("%s made no error", name)
		}
	}
}

func TestExtractions(t *testing.T) {
	tests := map[string]struct {
		plan      scenarios.Extraction
		body      string
		text, why string
	}{
		"text":   {scenarios.Extraction{JSON: jsonPath("a")}, `{"a": "x\u0041"}`, "xA", ""},
		"number": {scenarios.Extraction{JSON: jsonPath("a")}, `{"a": 1.50}`, "1.50", ""},
		"object": {
			scenarios.Extraction{JSON: jsonPath("a")},
			`{"a": {}}`, "",
			"$.a is an object and not a text, a number, true or false",
		},
		"null": {
			scenarios.Extraction{JSON: jsonPath("a")},
			`{"a": null}`, "",
			"$.a is null and not a text, a number, true or false",
		},
		"line": {
			scenarios.Extraction{JSON: jsonPath("a")},
			`{"a": "x\ny"}`, "",
			"it has a line break or control character",
		},
		"not JSON":     {scenarios.Extraction{JSON: jsonPath("a")}, `<html>`, "", "the body is not JSON"},
		"JSON, part":   {scenarios.Extraction{JSON: jsonPath("a"), Regex: "-(.*)"}, `{"a": "x-y"}`, "y", ""},
		"header":       {scenarios.Extraction{Header: "Location"}, "", "/orders/17", ""},
		"header, part": {scenarios.Extraction{Header: "LOCATION", Regex: `(\d+)$`}, "", "17", ""},
		"no header":    {scenarios.Extraction{Header: "Nowhere"}, "", "", "the answer has no header Nowhere"},
		"body": {
			scenarios.Extraction{Regex: `name="csrf" value="([^"]*)"`},
			`<input name="csrf" value="t0">`,
			"t0", "",
		},
		"no match": {scenarios.Extraction{Regex: `id=(\d+)`}, "id=x", "", `nothing matches id=(\d+)`},
		"no group": {scenarios.Extraction{Regex: `a|(b)`}, "a", "", `nothing matches a|(b)`},
		"too big": {
			scenarios.Extraction{Regex: `(x)`},
			strings.Repeat("x", maxKeptBody+1), "",
			"the body has more than 1048576 bytes",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.plan.Name = "it"
			in, err := newInspection(&scenarios.Request{Extract: []scenarios.Extraction{test.plan}},
				map[string]int{"it": 1})
			if err != nil {
				t.Fatal(err)
			}
			var a Answer
			var into Texts
			a.Start(in)
			a.Header([]byte("location"), []byte("/orders/17"))
			a.Piece([]byte(test.body))
			class, why := a.extract(&into)
			if why != test.why || (class != "") != (test.why != "") {
				t.Fatalf("%q, %q; want %q", class, why, test.why)
			}
			if why == "" && string(into[1]) != test.text {
				t.Errorf("extracted %q, want %q", into[1], test.text)
			}
		})
	}
}
