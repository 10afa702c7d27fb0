package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/store"
)

// TestEventsOfALaggingReplica: who has made a change finds its event at once, in its stream and in the feed, at another
// instance too, though reads go to a replica that has not replayed it.
func TestEventsOfALaggingReplica(t *testing.T) {
	writer, reader, tenant := newReplicatedService(t), newReplicatedService(t), newTenant()
	containerstest.PauseReplay(t, containerstest.SharedWithReplica(t).ReplicaURL)

	p := writer.createPolicy(t, tenant, "p")
	for name, s := range map[string]*service{"the writer": writer, "another instance": reader} {
		if got := s.get(t, tenant, "/api/v1/events?stream="+p.ID.String()).Body.String(); !strings.Contains(got,
			"policy.created") {
			t.Errorf("%s has in the stream %s", name, got)
		}
		// Another test's transaction may hold the feed back for a moment; the replica would for as long as it is
		// stopped.
		eventually(t, "the event in the feed of "+name, func() bool {
			return strings.Contains(s.get(t, tenant, "/api/v1/events").Body.String(), "policy.created")
		})
	}
	old, _, _, err := reader.store.AppendStream(t.Context(), nil, store.ID(uuid.MustParse(tenant)), store.ID(p.ID),
		0, 1, 0)
	if err != nil || string(old) != "[]" {
		t.Errorf("the replica has %s (error %v): this shows nothing", old, err)
	}
}

func TestEventsThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	p := s.createPolicy(t, tenant, "p")
	s.send(t, http.MethodPut, tenant, "/api/v1/policies/"+p.ID.String(), policyJSON("q"))
	s.call(t, http.MethodDelete, tenant, "/api/v1/policies/"+p.ID.String(), nil)
	type answer struct {
		Data []struct {
			Place, Type string
			Version     int
			Payload     struct{ Name string }
		}
		NextAfter string `json:"next_after"`
		HasMore   bool   `json:"has_more"`
	}
	read := func(query string) (a answer) {
		t.Helper()
		decode(t, s.get(t, tenant, "/api/v1/events?"+query), http.StatusOK, &a)
		return a
	}
	var kinds []string
	for after, place := "", ""; len(kinds) < 3; { // another test's transaction may hold the last ones back
		got := read("limit=2" + after)
		for _, e := range got.Data {
			kinds = append(kinds, e.Type+" "+e.Payload.Name)
			place = e.Place
		}
		if len(got.Data) > 0 && got.NextAfter != place {
			t.Errorf("next_after %s, last place %s", got.NextAfter, place)
		}
		after = "&after=" + got.NextAfter
	}
	if want := "[policy.created p policy.updated q policy.deleted ]"; fmt.Sprint(kinds) != want {
		t.Errorf("events %v, want %s", kinds, want)
	}
	stream := "stream=" + p.ID.String()
	if got := read(stream + "&limit=2"); len(got.Data) != 2 || got.NextAfter != "2" || !got.HasMore {
		t.Errorf("the stream's first page is %+v", got)
	}
	if got := read(stream + "&after=2"); len(got.Data) != 1 || got.Data[0].Version != 3 || got.HasMore {
		t.Errorf("the stream's second page is %+v", got)
	}
	if got := read(stream + "&after=3"); len(got.Data) != 0 || got.NextAfter != "3" {
		t.Errorf("after the stream's end: %+v", got)
	}
	if w := s.get(t, newTenant(), "/api/v1/events?"+stream); !strings.Contains(w.Body.String(), `"data":[]`) {
		t.Errorf("another tenant is shown %s", w.Body)
	}
	for _, query := range []string{"after=x", "after=-1", stream + "&after=1-2", "stream=x", "limit=1001", "x=y"} {
		expectProblem(t, s.get(t, tenant, "/api/v1/events?"+query), http.StatusBadRequest)
	}
}
