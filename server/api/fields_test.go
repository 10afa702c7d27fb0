package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestFields: lists and single resources have the fields that are asked for, from the cache too, whatever their order,
// and never from before a change.
func TestFields(t *testing.T) {
	s, tenant := newService(t), newTenant()
	id := s.insert(t, tenant, 0, 3)[0].String()
	one, all := resourcesPath+"/"+id, resourcesPath+"?subscription_id=s1&limit=2&"
	get := func(target, level string) (found map[string]any) {
		t.Helper()
		w := s.get(t, tenant, target)
		decode(t, w, http.StatusOK, &found)
		if got := w.Header().Get("X-Cache"); got != level {
			t.Errorf("%s is from %s, want %s", target, got, level)
		}
		return found
	}
	data := func(target, level string) string {
		t.Helper()
		return fmt.Sprint(get(target, level)["data"].([]any)[1])
	}
	if got := fmt.Sprint(get(one+"?fields=name,id", "miss")); got != "map[id:"+id+" name:vm-0]" {
		t.Errorf("it is %s", got)
	}
	get(one+"?fields=id,name,id", "l1")
	get(one, "miss")
	if got := data(all+"fields=name", "miss"); got != "map[name:vm-1]" {
		t.Errorf("the second one is %s", got)
	}
	if got := data(all+"fields=name,type", "miss"); got != "map[name:vm-1 type:Microsoft.Storage/storageAccounts]" {
		t.Errorf("the second one is %s", got)
	}
	get(all+"fields=type,name", "l1")
	if got := fmt.Sprint(get(all+"fields=tags&q=vm&tag=env", "miss")["data"]); strings.Count(got, "map[tags:") != 2 {
		t.Errorf("what was searched is %s", got)
	}
	next := get(all+"fields=name", "l1")["pagination"].(map[string]any)["next_cursor"].(string)
	if got := fmt.Sprint(get(all+"fields=version&cursor="+next, "miss")["data"]); got != "[map[version:1]]" {
		t.Errorf("the next page with other fields is %s", got)
	}
	if w := s.call(t, http.MethodPut, tenant, one, newResource(7)); w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if got := fmt.Sprint(get(one+"?fields=id,name", "miss")["name"]); got != "vm-7" {
		t.Errorf("after the change it is %s", got)
	}
	if got := fmt.Sprint(get(all+"fields=name", "miss")["data"]); !strings.Contains(got, "vm-7") {
		t.Errorf("after the change the list is %s", got)
	}
	expectProblem(t, s.get(t, tenant, resourcesPath+"/"+uuid.NewString()+"?fields=name"), http.StatusNotFound)
	expectProblem(t, s.get(t, newTenant(), one+"?fields=name"), http.StatusNotFound)
}

// TestFieldNames: what is no field is refused, with those that may have been meant.
func TestFieldNames(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for query, mention := range map[string]string{
		"fields=":                  "has 0 bytes",
		"fields=nmae":              "Did you mean name?",
		"fields=id,resource_group": "Did you mean resource_group_name?",
		"fields=Version":           "Did you mean version?",
		"fields=id,":               `names ""`,
		"fields=secret":            "the fields of a resource are id, version,",
		"fields=id&fields=name":    "fields",
		"field=id":                 "fields",
		"fields=" + strings.Repeat("id,", 200) + "id": "has 602 bytes",
	} {
		for _, target := range []string{resourcesPath, resourcesPath + "/" + uuid.NewString()} {
			p := expectProblem(t, s.get(t, tenant, target+"?"+query), http.StatusBadRequest)
			if !strings.Contains(p.Detail, mention) {
				t.Errorf("%s: %s, want to hear %q", query, p.Detail, mention)
			}
		}
	}
}
