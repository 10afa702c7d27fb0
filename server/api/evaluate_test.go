package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/cache"
	rules "github.com/policycortex/headroom/server/policy"
	. "github.com/policycortex/headroom/server/policy/assemble"
	modules "github.com/policycortex/headroom/server/policy/examples"
	"github.com/policycortex/headroom/server/store"
)

// answerOf is the answer to an evaluation.
type answerOf struct {
	Result, Rule string
	Reasons      []string
	Recorded     bool
	ResourceID   *uuid.UUID `json:"resource_id"`
}

// ruled is a policy in the API with its path.
type ruled struct {
	*service
	tenant, path string
}

func newRuled(t testing.TB, s *service, name string) ruled {
	t.Helper()
	tenant := newTenant()
	return ruled{s, tenant, "/api/v1/policies/" + s.createPolicy(t, tenant, name).ID.String()}
}

func (r ruled) put(t testing.TB, what string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return r.send(t, http.MethodPut, r.tenant, r.path+"/"+what, string(body), headers...)
}

func (r ruled) express(t testing.TB, expression string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"expression": expression})
	if err != nil {
		t.Fatal(err)
	}
	decode(t, r.put(t, "expression", body), http.StatusOK, &policy1{})
}

func (r ruled) evaluate(t testing.TB, body string) (a answerOf) {
	t.Helper()
	decode(t, r.send(t, http.MethodPost, r.tenant, r.path+"/evaluate", body), http.StatusOK, &a)
	return a
}

// policy1 is a policy with its rule.
type policy1 struct {
	Version int
	Rule    *struct {
		Kind, SHA256, Expression string
		Bytes                    int
	}
}

const owned, unowned = `{"resource":{"tags":{"owner":"me"}}}`, `{"resource":{"tags":{"x":"y"}}}`

// TestEvaluateByModule: upload, evaluation of documents and stored resources, the record, and the module as it is read
// back.
func TestEvaluateByModule(t *testing.T) {
	p := newRuled(t, newService(t), "owner")
	expectProblem(t, p.send(t, http.MethodPost, p.tenant, p.path+"/evaluate", owned), http.StatusConflict)
	expectProblem(t, p.get(t, p.tenant, p.path+"/module"), http.StatusNotFound)
	w := p.put(t, "module", modules.Owner, "If-Match", `"1"`)
	var changed, read policy1
	decode(t, w, http.StatusOK, &changed)
	decode(t, p.get(t, p.tenant, p.path), http.StatusOK, &read)
	if read.Version != 2 || read.Rule == nil || read.Rule.SHA256 != fmt.Sprintf("%x", sha256.Sum256(modules.Owner)) ||
		read.Rule.Bytes != len(modules.Owner) || w.Header().Get("ETag") == "" {
		t.Errorf("after the upload: %s", w.Body)
	}
	expectProblem(t, p.put(t, "module", modules.Owner, "If-Match", `"1"`), http.StatusPreconditionFailed)
	if a := p.evaluate(t, owned); a.Result != "compliant" || a.Rule != "module" || a.Recorded || len(a.Reasons) != 0 {
		t.Errorf("%+v", a)
	}
	if a := p.evaluate(t, unowned); a.Result != "non_compliant" ||
		a.Reasons[0] != "The tag owner is missing or empty." {
		t.Errorf("%+v", a)
	}
	id := p.insert(t, p.tenant, 1, 1)[0]
	a := p.evaluate(t, fmt.Sprintf(`{"resource_id":%q,"record":true}`, id))
	if a.Result != "non_compliant" || !a.Recorded || *a.ResourceID != id {
		t.Errorf("%+v", a)
	}
	var latest struct{ Data []store.Evaluation }
	decode(t, p.get(t, p.tenant, "/api/v1/evaluations?latest=true&resource_id="+id.String()), http.StatusOK, &latest)
	var resource struct {
		ComplianceStatus string `json:"compliance_status"`
	}
	decode(t, p.get(t, p.tenant, "/api/v1/resources/"+id.String()), http.StatusOK, &resource)
	if len(latest.Data) != 1 || latest.Data[0].Result != "non_compliant" ||
		resource.ComplianceStatus != "non_compliant" {
		t.Errorf("recorded: %+v, the resource is %s", latest.Data, resource.ComplianceStatus)
	}
	raw := p.get(t, p.tenant, p.path+"/module")
	metered := p.get(t, p.tenant, p.path+"/module?metered=true")
	want, err := rules.Meter(modules.Owner, rules.Limits{})
	if err != nil || !bytes.Equal(raw.Body.Bytes(), modules.Owner) || !bytes.Equal(metered.Body.Bytes(), want) ||
		raw.Header().Get("Content-Type") != "application/wasm" {
		t.Errorf("read back: %d and %d bytes, %v", raw.Body.Len(), metered.Body.Len(), err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, p.path+"/module", nil)
	r.Header.Set("X-Tenant-ID", p.tenant)
	r.Header.Set("If-None-Match", raw.Header().Get("ETag"))
	if w := p.answer(t, r); w.Code != http.StatusNotModified {
		t.Errorf("the same module again: status %d", w.Code)
	}
	decode(t, p.send(t, http.MethodDelete, p.tenant, p.path+"/module", ""), http.StatusOK, &changed)
	expectProblem(t, p.send(t, http.MethodDelete, p.tenant, p.path+"/module", ""), http.StatusNotFound)
	expectProblem(t, p.send(t, http.MethodPost, p.tenant, p.path+"/evaluate", owned), http.StatusConflict)
	metrics := p.get(t, "", "/metrics").Body.String()
	for _, line := range []string{
		`headroom_policy_evaluations_total{result="non_compliant",rule="module"} 2`, "headroom_policy_modules 1",
		"headroom_policy_modules_compiled_total 1", "headroom_policy_instances_idle 1",
		`headroom_policy_evaluation_duration_seconds_count{rule="module"} 3`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("the metrics do not have %s", line)
		}
	}
}

func TestEvaluateByExpression(t *testing.T) {
	p := newRuled(t, newService(t), "expression")
	w := p.put(t, "expression", []byte(`{"expression":"true &&\n  resorce.name == 1"}`))
	refused := expectProblem(t, w, http.StatusUnprocessableEntity)
	if len(refused.Errors) != 1 || refused.Errors[0].Field != "expression" ||
		!strings.HasPrefix(refused.Errors[0].Message, "2:3: undeclared reference to 'resorce'") {
		t.Errorf("%+v", refused)
	}
	expectProblem(t, p.put(t, "expression", []byte(`{"expresion":"true"}`)), http.StatusBadRequest)
	p.express(t, `"owner" in resource.tags`)
	if a := p.evaluate(t, owned); a.Result != "compliant" || a.Rule != "expression" {
		t.Errorf("%+v", a)
	}
	// A module takes the place of the expression, and the other way round.
	decode(t, p.put(t, "module", modules.Owner), http.StatusOK, &policy1{})
	expectProblem(t, p.send(t, http.MethodDelete, p.tenant, p.path+"/expression", ""), http.StatusNotFound)
	if a := p.evaluate(t, unowned); a.Rule != "module" || a.Result != "non_compliant" {
		t.Errorf("%+v", a)
	}
	p.express(t, `resource.tags.x == "y" ? "exempt" : "error"`)
	if a := p.evaluate(t, unowned); a.Rule != "expression" || a.Result != "exempt" {
		t.Errorf("%+v", a)
	}
	if a := p.evaluate(t, `{"resource":{}}`); a.Result != "error" || !strings.Contains(a.Reasons[0], "no such key: tags") {
		t.Errorf("%+v", a)
	}
}

// TestHostileUploads: what is refused changes nothing and says why; what is accepted and loops is stopped.
func TestHostileUploads(t *testing.T) {
	p := newRuled(t, newService(t), "hostile")
	imports := Module{
		Imports: []Import{{Module: "env", Name: "print"}}, Memory: Between(1, 1),
		Functions: []Function{{Export: "alloc"}},
	}
	for name, module := range map[string][]byte{
		"imports": imports.Bytes(), "text": []byte("(module)"), "large": make([]byte, 300_000), "nothing": nil,
	} {
		refused := expectProblem(t, p.put(t, "module", module), http.StatusUnprocessableEntity)
		if len(refused.Errors) != 1 || refused.Errors[0].Field != "module" {
			t.Errorf("%s: %+v", name, refused)
		}
	}
	expectProblem(t, p.put(t, "module", make([]byte, 1<<20+1)), http.StatusRequestEntityTooLarge)
	loop := Module{Memory: Between(1, 1), Functions: []Function{
		{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Body: I32Const(0)},
		{Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64}, Body: Seq(Loop(Br(0)), Unreachable)},
	}}
	decode(t, p.put(t, "module", loop.Bytes()), http.StatusOK, &policy1{})
	for range 3 {
		if a := p.evaluate(t, owned); a.Result != "error" ||
			a.Reasons[0] != "The module was stopped after 10000000 instructions." {
			t.Errorf("%+v", a)
		}
	}
	missing := "/api/v1/policies/" + uuid.NewString()
	for _, body := range []string{
		`{}`, `{"resource":[]}`, `{"resource":"x"}`, `{"resource":{},"record":true}`,
		`{"resource":{},"resource_id":"` + uuid.NewString() + `"}`,
	} {
		expectProblem(t, p.send(t, http.MethodPost, p.tenant, p.path+"/evaluate", body), http.StatusUnprocessableEntity)
	}
	for _, path := range []string{missing, p.path} { // no policy, no resource
		expectProblem(t, p.send(t, http.MethodPost, p.tenant, path+"/evaluate",
			`{"resource_id":"`+uuid.NewString()+`"}`), http.StatusNotFound)
	}
	expectProblem(t, p.send(t, http.MethodPost, p.tenant, missing+"/evaluate", owned), http.StatusNotFound)
	// What can be refused without compiling is.
	for _, what := range []string{"/module", "/expression"} {
		expectProblem(t, p.send(t, http.MethodPut, p.tenant, missing+what, `{"expression":"1"}`), http.StatusNotFound)
		expectProblem(t, p.put(t, what[1:], []byte(`{"expression":"1"}`), "If-Match", `"99"`),
			http.StatusPreconditionFailed)
	}
	other := newTenant()
	expectProblem(t, p.send(t, http.MethodPost, other, p.path+"/evaluate", owned), http.StatusNotFound)
	expectProblem(t, p.get(t, other, p.path+"/module"), http.StatusNotFound)
}

// TestModuleIsReadAsItIs: a module that was replaced since its policy was cached is looked for once more. One that the
// server would refuse now, because it allowed more before, is sent as it was uploaded alone.
func TestModuleIsReadAsItIs(t *testing.T) {
	p := newRuled(t, newService(t), "read")
	decode(t, p.put(t, "module", modules.Owner), http.StatusOK, &policy1{})
	decode(t, p.get(t, p.tenant, p.path), http.StatusOK, &policy1{})
	later := []byte("(module)")
	_, _, err := p.store.SetPolicyRule(t.Context(), nil, uuid.MustParse(p.tenant), uuid.MustParse(path.Base(p.path)),
		store.AnyVersion, store.PolicyRule{Module: later}) // past the API, so that the cache is not told
	if err != nil {
		t.Fatal(err)
	}
	w := p.get(t, p.tenant, p.path+"/module")
	if w.Code != http.StatusOK || w.Body.String() != string(later) ||
		w.Header().Get("ETag") != fmt.Sprintf(`"%x"`, sha256.Sum256(later)) {
		t.Errorf("status %d, ETag %s: %q", w.Code, w.Header().Get("ETag"), w.Body)
	}
	expectProblem(t, p.get(t, p.tenant, p.path+"/module?metered=true"), http.StatusConflict)
}

// TestModuleIsReplacedEverywhere: once an upload is acknowledged, no instance evaluates by the module before it, while
// both are asked all the time.
func TestModuleIsReplacedEverywhere(t *testing.T) {
	first := newOwnService(t)
	second := newServiceWith(t, store.Options{URL: servers(t).PostgresURL}, cache.Options{L2URL: servers(t).CacheURL})
	p := newRuled(t, first, "replaced")
	q := ruled{second, p.tenant, p.path}
	answering := func(text string) []byte {
		m := Module{Memory: Between(1, 1), Data: []Data{{Bytes: text}}, Functions: []Function{
			{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Body: I32Const(1024)},
			{Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64}, Body: Packed(0, int32(len(text)))},
		}}
		return m.Bytes()
	}
	decode(t, p.put(t, "module", answering(`{"result":"exempt"}`)), http.StatusOK, &policy1{})
	done := make(chan struct{})
	var asking sync.WaitGroup
	for _, at := range []ruled{p, q} {
		asking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					at.evaluate(t, owned)
				}
			}
		})
	}
	for i := range 20 {
		want := []string{"compliant", "non_compliant"}[i%2]
		decode(t, p.put(t, "module", answering(`{"result":"`+want+`"}`)), http.StatusOK, &policy1{})
		for name, at := range map[string]ruled{"the same instance": p, "the other instance": q} {
			if a := at.evaluate(t, owned); a.Result != want {
				t.Errorf("change %d: %s says %+v, want %s", i, name, a, want)
			}
		}
	}
	close(done)
	asking.Wait()
}

func TestResultsAreThoseOfTheHistory(t *testing.T) {
	if !slices.Equal(rules.Results, store.Results) {
		t.Errorf("rules result in %q, the history has %q", rules.Results, store.Results)
	}
}
