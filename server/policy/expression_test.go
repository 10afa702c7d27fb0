package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestExpressions(t *testing.T) {
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
		`resource.properties`:                  {"error", []string{"What the expression results in cannot be used: "}},
		`resource.version`:                     {"error", []string{"What the expression results in cannot be used: it is a value of type double"}},
		`"fine"`:                               {"error", []string{`the result is "fine", and must be one of`}},
		`{"result": 1}`:                        {"error", []string{`the result is "", and must be one of`}},
		`{"result": "exempt", "reasons": "x"}`: {"error", []string{"its reasons are not a list"}},
		`{"result": "exempt", "reasons": [1]}`: {"error", []string{"its reason 0 is not a string"}},
		`resource.nothing == 1`:                {"error", []string{"The expression failed: no such key: nothing."}},
		`1 / 0 == 1`:                           {"error", []string{"The expression failed: division by zero."}},
	} {
		got := e.EvaluateExpression(t.Context(), expression, []byte(resource))
		if got.Result != want.Result || len(got.Reasons) != len(want.Reasons) {
			t.Errorf("%s: %+v, want %+v", expression, got, want)
			continue
		}
		for i, reason := range want.Reasons {
			if !strings.Contains(got.Reasons[i], reason) {
				t.Errorf("%s: %+v, want %+v", expression, got, want)
			}
		}
	}
	if got := e.EvaluateExpression(t.Context(), "true", []byte("[]")); got.Result != "error" {
		t.Errorf("of an array: %+v", got)
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
	} {
		err := e.CheckExpression(expression)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.50q: error %v, want one with %q", expression, err, reason)
		}
	}
	if err := e.CheckExpression("true &&\n  resorce.name"); len(err.(*Refusal).Reasons) != 1 {
		t.Errorf("reasons %q", err.(*Refusal).Reasons)
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
	for name, expression := range map[string]string{
		"comprehensions": list + `.all(a, ` + list + `.all(b, ` + list + `.all(c, ` + list + `.all(d, ` + list +
			`.all(e, a + b + c + d + e > 0)))))`,
		"doubling":    doubled,
		"expressions": `resource.name.matches("(((((a{1,9}){1,9}){1,9}){1,9}){1,9}){1,9}$")`,
	} {
		within(t, time.Minute, name, func() {
			began := time.Now()
			got := e.EvaluateExpression(t.Context(), expression, []byte(document("{}")))
			if got.Result != "error" && name != "expressions" {
				t.Errorf("%s: %.200v", name, got)
			}
			t.Logf("%s: %.200v in %s", name, got, time.Since(began))
		})
	}
}

// TestProgramsAreBounded: the least recently used expressions are given up.
func TestProgramsAreBounded(t *testing.T) {
	e := newEvaluator(t, Limits{})
	for i := range maxPrograms + 10 {
		if err := e.CheckExpression(strings.Repeat(" ", i) + "true"); err != nil {
			t.Fatal(err)
		}
	}
	if s := e.Stats(); s.Programs != maxPrograms {
		t.Errorf("%+v", s)
	}
}
