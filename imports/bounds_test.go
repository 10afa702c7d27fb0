package imports

import (
	"fmt"
	"strings"
	"testing"
)

// TestSmallFilesThatGrow holds that a small file that means something vast, or something without an end, is read in
// bounded time and memory. Without the bounds these files end the program.
func TestSmallFilesThatGrow(t *testing.T) {
	const before = "import http from 'k6/http';\nconst U = 'http://127.0.0.1:1';\n" +
		"export default () => { http.get(U + '/a');\n"
	for name, script := range map[string]string{
		"an object in itself": "const o = { a: 1 }; o.self = o; http.post(U, JSON.stringify(o));",
		"objects in objects": "let o = { a: 1 };" + strings.Repeat(" o = { a: o, b: o };", 40) +
			" http.post(U, JSON.stringify(o));",
		"a sum":      "let a = 'text';" + strings.Repeat(" a += a;", 40) + " http.post(U, a);",
		"a template": "let a = 'text';" + strings.Repeat(" a = `${a}${a}`;", 40) + " http.post(U, a);",
		"holes":      "let a = __ENV.A;" + strings.Repeat(" a += a;", 40) + " http.post(U, a);",
		"base64":     "let a = __ENV.A;" + strings.Repeat(" a = btoa(a + a);", 40) + " http.post(U, a);",
		"concat":     "let a = 'text';" + strings.Repeat(" a = a.concat(a);", 40) + " http.post(U, a);",
		"a list": "let a = [1];" + strings.Repeat(" a = [...a, ...a];", 40) +
			" http.post(U, a.join(','));",
		"a list of texts": "let a = 'text';" + strings.Repeat(" a += a;", 17) + " let b = [a];" +
			strings.Repeat(" b = [...b, ...b];", 13) + " http.post(U, b.join(','));",
	} {
		t.Run(name, func(t *testing.T) {
			if r := converted(t, K6, before+script+"\n}"); len(r.Text) > 4<<20 {
				t.Errorf("%d bytes", len(r.Text))
			}
		})
	}
}

// TestVariablesThatGrow: variables of a plan and of a collection that name one another.
func TestVariablesThatGrow(t *testing.T) {
	var plan, collection strings.Builder
	for i := range 9 {
		from, to := fmt.Sprint("v", i), fmt.Sprint("v", i+1)
		fmt.Fprintf(&plan, `<elementProp name="%s" elementType="Argument"><stringProp name="Argument.name">%s</stringProp>
<stringProp name="Argument.value">%s</stringProp></elementProp>`, from, from, strings.Repeat("${"+to+"}", 20))
		fmt.Fprintf(&collection, `{"key": "%s", "value": "%s"},`, from, strings.Repeat("{{"+to+"}}", 20))
	}
	for format, file := range map[Format]string{
		JMeter: planOf(loops("1"), `<Arguments testname="D"><collectionProp name="Arguments.arguments">`+plan.String()+
			`</collectionProp></Arguments><hashTree/>`+samplerOf("/${v0}", "", "")),
		Postman: `{"info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/"},
"variable": [` + collection.String() + `{"key": "z", "value": "z"}], "item": [
{"name": "a", "request": {"method": "GET", "url": "http://127.0.0.1:1/{{v0}}"}}]}`,
	} {
		_, err := Convert("f", []byte(file), format)
		if err == nil || !strings.Contains(err.Error(), "a scenario file has at most 1048576") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// TestModulesThatGrow: modules that read themselves, and each two others.
func TestModulesThatGrow(t *testing.T) {
	module := func(of string) string {
		return `<ModuleController testname="to ` + of + `"><collectionProp name="ModuleController.node_path">
<stringProp name="1">` + of + `</stringProp></collectionProp></ModuleController><hashTree/>`
	}
	var all strings.Builder
	for i := range 30 {
		next := fmt.Sprint("m", i+1)
		fmt.Fprintf(&all, `<GenericController testname="m%d"/><hashTree>%s%s</hashTree>`, i, module(next), module(next))
	}
	all.WriteString(`<GenericController testname="m30"/><hashTree>` + samplerOf("/b", "", "") + module("m30") + `</hashTree>`)
	becomes(t, JMeter, planOf(loops("1"), samplerOf("/a", "", "")+all.String()), []string{"path: /a", "path: /b"},
		"the module")
	many := `<GenericController testname="many"/><hashTree>` + strings.Repeat(samplerOf("/c", "", ""), 60) + `</hashTree>`
	becomes(t, JMeter, planOf(loops("1"), many+strings.Repeat(module("many"), 30)), []string{"path: /c"},
		`what follows the first 1000 samplers of "Users"`)
}

// TestSchemasThatGrow: schemas with many properties, each of which has as many.
func TestSchemasThatGrow(t *testing.T) {
	var b strings.Builder
	b.WriteString(`openapi: 3.0.0
info: {title: t, version: "1"}
servers: [{url: "http://127.0.0.1:1"}]
paths:
  /a:
    post:
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/s0"}}}}
      responses: {"200": {description: ok}}
components:
  schemas:
    s7: {type: string}
`)
	for i := range 7 {
		fmt.Fprintf(&b, "    s%d:\n      type: object\n      properties:\n", i)
		for p := range 20 {
			fmt.Fprintf(&b, "        p%d: {$ref: \"#/components/schemas/s%d\"}\n", p, i+1)
		}
	}
	becomes(t, OpenAPI, b.String(), []string{"path: /a"}, "the rest of samples that have more than 10000 values")
}
