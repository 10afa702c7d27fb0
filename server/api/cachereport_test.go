package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/cache/report"
	"github.com/policycortex/headroom/server/tuning"
)

func TestCacheReport(t *testing.T) {
	s := newOwnService(t)
	tenant := newTenant()
	ids := s.insert(t, tenant, 0, 1)
	for range 4 {
		s.get(t, tenant, resourcesPath+"/"+ids[0].String())
	}
	w := s.get(t, "", "/api/v1/cache/report")
	var got struct {
		report.Report
		Tuning []tuning.Action `json:"tuning"`
	}
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); w.Code != http.StatusOK || err != nil {
		t.Fatalf("status %d, error %v", w.Code, err)
	}
	if got.Requests != 4 || got.OverallHitRate == nil || *got.OverallHitRate != 0.75 {
		t.Errorf("%d requests, overall hit rate %v; want 0.75 of 4", got.Requests, got.OverallHitRate)
	}
	if got.Invalidations == 0 {
		t.Error("the insertion invalidated nothing")
	}
	if header := w.Header(); header.Get("Content-Type") != "application/json" ||
		header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers are %v", header)
	}
	if w := s.get(t, "", "/api/v1/cache/report?since=1"); w.Code != http.StatusBadRequest {
		t.Errorf("status %d for an unknown parameter", w.Code)
	}
}

// Somebody who walks a list finds the next page in L1; somebody who looks at one page does not cause another.
func TestWalkingAListPrefetchesTheNextPage(t *testing.T) {
	s := newOwnService(t)
	s.cache.Prefetch(s.Prefetching())
	tenant := newTenant()
	ids := s.insert(t, tenant, 0, 12)
	for range 100 { // prefetching begins at a hit rate of 0.8
		s.get(t, tenant, resourcesPath+"/"+ids[0].String())
	}
	// The last page is the third, so two pages are prefetched when the walk goes past the first, and one more by
	// number.
	for _, walk := range []struct {
		first, next string
		levels      string
	}{
		{"?limit=4", "&cursor=", "miss miss l1"},
		{"?limit=4&page=1", "page", "miss miss l1"},
	} {
		target, levels := resourcesPath+walk.first, []string{}
		for page := 2; target != ""; page++ {
			before := s.cache.Report().Prefetch.ByRelation["next_page"].Prefetched
			w := s.get(t, tenant, target)
			levels = append(levels, w.Header().Get("X-Cache"))
			var answer struct {
				Pagination struct {
					Next *string `json:"next_cursor"`
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%s: status %d: %s", target, w.Code, w.Body)
			}
			if answer.Pagination.Next == nil {
				break
			}
			if page > 2 {
				eventually(t, "the next page",
					func() bool { return s.cache.Report().Prefetch.ByRelation["next_page"].Prefetched > before })
			}
			target = resourcesPath + "?limit=4" + walk.next + *answer.Pagination.Next
			if walk.next == "page" {
				target = resourcesPath + "?limit=4&page=" + string(rune('0'+page))
			}
		}
		if got := strings.Join(levels, " "); got != walk.levels {
			t.Errorf("a walk from %s came from %s, want %s", walk.first, got, walk.levels)
		}
	}
}

func TestWhatAPageListsIsPrefetched(t *testing.T) {
	s := newOwnService(t)
	s.cache.Prefetch(s.Prefetching())
	tenant := newTenant()
	ids := s.insert(t, tenant, 0, 6)
	for range 100 {
		s.get(t, tenant, resourcesPath+"/"+ids[0].String())
	}
	s.get(t, tenant, resourcesPath)
	eventually(t, "five resources",
		func() bool { return s.cache.Report().Prefetch.ByRelation["items"].Prefetched == 5 })
	for _, id := range ids {
		if level := s.get(t, tenant, resourcesPath+"/"+id.String()).Header().Get("X-Cache"); level != "l1" {
			t.Errorf("a listed resource came from %s, want l1", level)
		}
	}
}
