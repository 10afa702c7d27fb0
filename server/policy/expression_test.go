package policy

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// documented is the example of docs/policies.md.
const documented = `resource.tags.?owner.orValue("") != ""
  ? {"result": "compliant", "reasons": []}
  : {"result": "non_compliant", "reasons": ["The tag owner is missing or empty."]}`

func TestExpressions(t *testing.T) {
	page, err := os.ReadFile("../../docs/policies.md")
	if err != nil || !strings.Contains(string(page), strings.ReplaceAll("\n"+documented, "\n", "\n    ")+"\n") {
		t.Errorf("docs/policies.md has another example: %v", err)
	}
	e := newEvaluator(t, Limits{})
	resource := document(`{"env":"prod","owner":""}`)
	for expression, want := range map[string]Result{
		`resource.location == "westeurope"`:                     {"compliant", []string{}},
		`has(resource.tags.owner) && resource.tags.owner != ""`: {"non_compliant", []string{"The expression is false."}},
		`resource.version == 3 && resource.version >= 2.5`:      {"compliant", []string{}},
		`resource.tags.env == "prod" ? "exempt" : "error"`:      {"exempt", []string{}},
		`resource.tags.exists(k, k == "env")`:                   {"compliant", []string{}},
		`{"result": "non_compliant", "reasons": ["The owner is " + (resource.tags.owner == "" ? "empty" : "there")]}`: {
			"non_compliant", []string{"The owner is empty"},
		},
		documented:                                  {"non_compliant", []string{"The tag owner is missing or empty."}},
		`resource.name.matches("^vm-[0-9]+$")`:      {"compliant", []string{}},
		`matches(resource.name, "^[0-9]+$")`:        {"non_compliant", []string{"The expression is false."}},
		`resource.properties`:                       {"error", []string{"What the expression results in cannot be used: "}},
		`resource.version`:                          {"error", []string{"What the expression results in cannot be used: it is a value of type double"}},
		`"fine"`:                                    {"error", []string{`the result is "fine", and must be one of`}},
		`{string(resource.version): 1} == {"3": 1}`: {"compliant", []string{}},
		`{"result": 1}`:                             {"error", []string{`the result is "", and must be one of`}},
		`{"result": "exempt", "reasons": "x"}`:      {"error", []string{"its reasons are not a list"}},
		`{"result": "exempt", "reasons": [1]}`:      {"error", []string{"its reason 0 is not a string"}},
		`resource.nothing == 1`:                     {"error", []string{"The expression failed: no such key: nothing."}},
		`1 / 0 == 1`:                                {"error", []string{"The expression failed: division by zero."}},
	} {
		got, err := e.EvaluateExpression(t.Context(), tenant, expression, []byte(resource))
		if err != nil || got.Result != want.Result || len(got.Reasons) != len(want.Reasons) {
			t.Errorf("%s: %+v, %v, want %+v", expression, got, err, want)
			continue
		}
		for i, reason := range want.Reasons {
			if !strings.Contains(got.Reasons[i], reason) {
				t.Errorf("%s: %+v, want %+v", expression, got, want)
			}
		}
	}
	got, err := e.EvaluateExpression(t.Context(), tenant, "true", []byte("[]"))
	if err != nil || got.Result != "error" {
		t.Errorf("of an array: %+v, %v", got, err)
	}
}

// TestRefusedExpressions: each error has its line and column.
func TestRefusedExpressions(t *testing.T) {
	e := newEvaluator(t, Limits{})
	for expression, reason := range map[string]string{
		"":                                       "1:",
		"resource.":                              "1:10: ",
		"true &&\n  resorce.name":                "2:3: undeclared reference to 'resorce'",
		"1 + true":                               "1:3: found no matching overload",
		"1 + 2":                                  "1:1: the expression results in int",
		"[1]":                                    "1:1: the expression results in list(int)",
		"true" + strings.Repeat(" || true", 600): "has 4804 bytes; at most 4096",
		strings.Repeat("(", 500):                 "1:",

		`true &&
  resource.name.matches(resource.location)`: "2:33: the regular expression must be a literal",
		`resource.name.matches("(")`:                                          "1:23: error parsing regexp: missing closing )",
		`resource.name.matches("((ab){9}){99}")`:                              "exceeds limit of 1000",
		`matches(resource.name, "((ab){9}){99}|")`:                            "exceeds limit of 1000",
		`matches(resource.name, "((ab){9}" + "){99}")`:                        "must be a literal",
		"[0]" + strings.Repeat(".map(a, optional.of([a, a]))", 80) + " != []": "1:1: lists, maps and macros are nested",
		// Checking types would take twice as long with each.
		`[0]` + strings.Repeat(".map(a, {a: a})", 12) + ` != []`: "1:13: the key of a map must be a literal",
		`google.protobuf.ListValue{values: [1]} != null`:         "1:26: an expression cannot make messages",
	} {
		err := e.CheckExpression(t.Context(), tenant, expression)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.50q: error %v, want one with %q", expression, err, reason)
		}
	}
	err := e.CheckExpression(t.Context(), tenant, "true &&\n  resorce.name")
	if len(err.(*Refusal).Reasons) != 1 {
		t.Errorf("reasons %q", err.(*Refusal).Reasons)
	}
	if s := e.Stats(); s.Programs != 0 {
		t.Errorf("%d refused expressions are kept", s.Programs)
	}
}

// TestHostileExpressions: they are stopped, and their results are bounded.
func TestHostileExpressions(t *testing.T) {
	e := newEvaluator(t, Limits{})
	list := `[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]`
	doubled := `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`
	for range 5 {
		doubled = "[" + doubled + "].map(s, s + s + s + s + s + s + s + s + s + s)[0]"
	}
	text := `resource.properties.description` // 560 times x
	// Each match of this may take some 15 units of a hundred thousand for each byte.
	match := text + `.matches("(x*x*x*x*x*x*x*x*x*x*){9}y")`
	for name, expression := range map[string]string{
		"comprehensions": list + `.all(a, ` + list + `.all(b, ` + list + `.all(c, ` + list + `.all(d, ` + list +
			`.all(e, a + b + c + d + e > 0)))))`,
		"doubling":        doubled,
		"a large pattern": `resource.name.matches("((ab){9}){99}")`,
		"a long text":     `(` + strings.Repeat(text+" + ", 20) + text + `).matches("(x*x*x*x*x*x*x*x*x*x*){9}y")`,
		"a match by turn": list + `.all(a, ` + list + `.all(b, !` + match + `))`,
		// A value that is in itself many times has more parts than memory has bytes.
		"nested":   `[[0]]` + strings.Repeat(`.map(a, [a, a, a, a, a, a, a, a])`, 12) + `.all(a, a == a)`,
		"searched": `[[0]]` + strings.Repeat(`.map(a, [a, a, a, a, a, a, a, a])`, 12) + `.all(a, a in [a])`,
		"optional": `[optional.of(0)]` + strings.Repeat(`.map(a, optional.of([a, a, a, a, a, a, a, a]))`, 9) +
			`.all(a, a != a)`,
		"joined": `[[0]]` + strings.Repeat(`.map(a, a + a + a + a + a + a + a + a)`, 12) + `.all(a, 1 in a)`,
		"returned": `{"result": "exempt", "reasons": [["x"]]` + strings.Repeat(`.map(a, a + a + a + a + a + a + a)`, 12) +
			`[0]}`,
		"mapped": `[[0]]` + strings.Repeat(`.map(a, `+list+`.map(n, a))`, 7) + `.all(a, a == a)`,
	} {
		within(t, time.Minute, name, func() {
			began := time.Now()
			got, err := e.EvaluateExpression(t.Context(), tenant, expression, []byte(document("{}")))
			if err != nil || got.Result != "error" {
				t.Errorf("%s: %.200v, %v", name, got, err)
			}
			t.Logf("%s: %.200v in %s", name, got, time.Since(began))
		})
	}
}

// TestProgramsAreBounded: the least recently used expressions are given up, by what they take.
func TestProgramsAreBounded(t *testing.T) {
	e := newEvaluator(t, Limits{})
	const each = ofProgram + MaxExpression*ofText
	for i := range 2 * ProgramBytes / each {
		err := e.CheckExpression(t.Context(), tenant, "true"+strings.Repeat(" ", MaxExpression-i-4))
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := e.Stats().Programs; n < ProgramBytes/each || n > ProgramBytes/each*11/10 {
		t.Errorf("%d expressions are kept, want about %d", n, ProgramBytes/each)
	}
}

// TestWhoLeavesGetsNoResult: a client that has left is no fault of the expression.
func TestWhoLeavesGetsNoResult(t *testing.T) {
	e := newEvaluator(t, Limits{})
	gone, leave := context.WithCancel(t.Context())
	leave()
	got, err := e.EvaluateExpression(gone, tenant, `[1, 2].all(a, resource.name != "")`, []byte(document("{}")))
	if err == nil || got.Result != "" {
		t.Errorf("%+v, %v", got, err)
	}
}
