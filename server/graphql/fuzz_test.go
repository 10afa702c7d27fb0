package graphql_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/graphql"
)

const validInput = `{"i":{"azureResourceId":"/f","subscriptionId":"s","resourceGroupName":"g","name":"n","type":"t",` +
	`"location":"l","properties":{"n":1e40},"tags":{"a":"b"}}}`

const validOthers = `{"p":{"name":"n","type":"t","category":"c","severity":"low","definition":{"a":[1e40]}},` +
	`"c":{"resourceId":"(resource)","serviceName":"s","date":"2026-11-01","cost":0.25}}`

// FuzzGraphQL: whatever is asked is answered with JSON, and never with the server's own failure.
func FuzzGraphQL(f *testing.F) {
	s := newService(f)
	e := newEstate(f, s, 2)
	for _, query := range []string{
		"{__typename}", "{", "", "\x00", "{a:__typename a:__typename}", "query Q($a:Int=1,$a:Int){__typename}",
		"{resources{nodes{" + resourceFields + " latestEvaluations{policy{name}resource{id}} costs{cost}}}}",
		"{resources(first:-1,after:\"\",tags:[null],tagCount:51,search:\"\\u0000\"){totalCount edges{cursor}}}",
		"{evaluations(latest:true,policyId:\"x\"){pageInfo{startCursor endCursor}}}",
		"{costTotals(from:\"0000-00-00\",to:\"9999-12-31\",period:month){data{cost}}}",
		"{events(stream:\"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51\",after:\"2147483648\"){nodes{payload}}}",
		"{complianceSummary(type:\"\\ud800\"){total{totalResources} data{subscriptionId}}}",
		"mutation($i:NewResource!){createResource(input:$i){id}}", "mutation{deleteResource(id:\"\",version:-1)}",
		"subscription{events(after:\"0-0\"){payload}}", "{__schema{types{fields{type{ofType{name}}}}}}",
		"fragment A on Query{...A} {...A}", "{resource(id:[[]]){id}}", "{...on Resource{id}}",
		"{policy(id:1){name @skip(if:$x)}}",
		"query($t:Boolean=true){policies(enabled:$t,severity:low){nodes{id @include(if:$t)}}}",
		"{resource(id:\"(resource)\"){" + resourceFields +
			" costs{cost} latestEvaluations(first:1){policy{rule{kind}}}}}",
		"{a:policy(id:\"(policy)\"){" + policyFields +
			"} b:costs(resourceId:\"(resource)\",from:\"1970-01-01\"){from}}",
		"mutation($i:NewResource!){replaceResource(id:\"(resource)\",version:1,input:$i){tags properties}}",
		"mutation{a:deleteResource(id:\"(resource)\",version:99999999999)b:deleteResource(id:\"(resource)\")}",
		"mutation($p:NewPolicy!){a:createPolicy(input:$p){id}" +
			"b:replacePolicy(id:\"(policy)\",version:1,input:$p){rule{kind}}}",
		"mutation($p:NewPolicy!,$c:[NewCost!]!){createPolicy(input:$p){name}recordCosts(input:$c)}",
		"mutation{deletePolicy(id:\"(policy)\",version:9)recordCosts(input:{resourceId:\"(resource)\"," +
			"serviceName:\"s\",date:\"2026-11-01\",cost:-1e9,currency:\"EUR\"})}",
		"query($t:[String!]){resources(tags:$t,updatedSince:99999999999999999999){edges{cursor node{id}}totalCount}}",
	} {
		for _, variables := range []string{"", `{"t":null}`, `{"t":"env:dev"}`, validInput, validOthers, `{"i":{"azureResourceId":"/f","subscriptionId":"s","resourceGroupName":"g","name":"n","type":"t","location":"l","properties":{"n":1e400},"tags":{"a":1}}}`} {
			f.Add(query, variables, "", "")
		}
	}
	f.Add("{__typename}", `{"a":1e999999}`, "application/graphql-response+json", "Q")
	f.Add("{resources{nodes{id}}}", `[]`, "text/event-stream", "")
	f.Fuzz(func(t *testing.T, query, variables, accept, operation string) {
		body, err := json.Marshal(map[string]any{"query": query, "operationName": operation})
		if err != nil {
			return
		}
		text := string(body)
		if variables != "" {
			text = text[:len(text)-1] + `,"variables":` + variables + "}"
		}
		text = strings.NewReplacer("(resource)", e.resources[0], "(policy)", e.policies[0]).Replace(text)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, graphql.Path, strings.NewReader(text))
		r.Header["X-Tenant-Id"], r.Header["Content-Type"] = []string{e.tenant}, []string{"application/json"}
		r.Header["Accept"] = []string{accept}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch kind := w.Header().Get("Content-Type"); {
		case w.Code >= 500 || strings.Contains(w.Body.String(), `"INTERNAL"`):
			t.Errorf("status %d: %s\nlog: %.3000s", w.Code, w.Body, s.log)
		case kind != "text/event-stream" && !json.Valid(w.Body.Bytes()):
			t.Errorf("status %d, %s: no JSON: %.500s", w.Code, kind, w.Body)
		}
		s.log.Reset()
		if strings.Contains(query, "deleteResource") && strings.Contains(w.Body.String(), `:"`+e.resources[0]+`"`) {
			e = newEstate(t, s, 2)
		}
	})
}
