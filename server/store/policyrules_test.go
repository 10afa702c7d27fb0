package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/store"
)

// ruleOf is the rule in a policy's JSON.
func ruleOf(t *testing.T, body []byte) (rule struct {
	Kind, Expression, SHA256 string
	Bytes                    int
},
) {
	t.Helper()
	var p struct{ Rule json.RawMessage }
	err := json.Unmarshal(body, &p)
	if err == nil && p.Rule != nil {
		err = json.Unmarshal(p.Rule, &rule)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return rule
}

// TestPolicyRules: a policy has one rule at most, each change is a version with an event, and a module is read by its
// sum and by its tenant alone.
func TestPolicyRules(t *testing.T) {
	s, tenant := openStore(t), newID()
	id := createPolicy(t, s, tenant, newPolicy(1))
	module := []byte("\x00asm, or what looks like it")
	sum := sha256.Sum256(module)
	body, _, err := s.SetPolicyRule(t.Context(), nil, tenant, id, 1, store.PolicyRule{Module: module})
	if err != nil {
		t.Fatal(err)
	}
	rule := ruleOf(t, body)
	if rule.Kind != "module" || rule.SHA256 != hex.EncodeToString(sum[:]) || rule.Bytes != len(module) ||
		decodePolicy(t, body).Version != 2 {
		t.Errorf("%s", body)
	}
	got, err := s.PolicyModule(t.Context(), tenant, id, sum, store.OnPrimary)
	if err != nil || string(got) != string(module) {
		t.Errorf("%q, %v", got, err)
	}
	for name, ask := range map[string]struct {
		tenant, id store.ID
		sum        [32]byte
	}{
		"another tenant": {newID(), id, sum}, "another policy": {tenant, newID(), sum},
		"another sum": {tenant, id, [32]byte{}},
	} {
		_, err := s.PolicyModule(t.Context(), ask.tenant, ask.id, ask.sum, store.OnPrimary)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	const expression = `"a\"b" == ",\"rule\":null"`
	expressed := store.PolicyRule{Expression: expression}
	body, _, err = s.SetPolicyRule(t.Context(), nil, tenant, id, store.AnyVersion, expressed)
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.AppendPolicy(t.Context(), nil, tenant, id, store.OnPrimary)
	if err != nil || string(read) != string(body) || ruleOf(t, read).Expression != expression {
		t.Errorf("%s, %v", read, err)
	}
	_, err = s.PolicyModule(t.Context(), tenant, id, sum, store.OnPrimary)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the module of a policy that has an expression: %v", err)
	}
	body, _, err = s.ReplacePolicy(t.Context(), nil, tenant, id, 3, newPolicy(2))
	if err != nil || ruleOf(t, body).Expression != expression {
		t.Errorf("after the policy was replaced: %s, %v", body, err)
	}
	body, _, err = s.SetPolicyRule(t.Context(), nil, tenant, id, 4, store.PolicyRule{})
	if err != nil || !strings.HasSuffix(string(body), `,"rule":null}`) {
		t.Errorf("without a rule: %s, %v", body, err)
	}
	for want, try := range map[error]struct {
		id      store.ID
		version int
	}{store.ErrVersion: {id, 3}, store.ErrNotFound: {newID(), 1}} {
		_, _, err := s.SetPolicyRule(t.Context(), nil, tenant, try.id, try.version, store.PolicyRule{Module: module})
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	var invalid *store.ValidationError
	_, _, err = s.SetPolicyRule(t.Context(), nil, tenant, id, 5, store.PolicyRule{Expression: "a\x00"})
	if !errors.As(err, &invalid) {
		t.Errorf("an expression with a NUL: %v", err)
	}
	_, err = s.DeletePolicy(t.Context(), tenant, id, 5)
	if err != nil {
		t.Fatal(err)
	}
}
