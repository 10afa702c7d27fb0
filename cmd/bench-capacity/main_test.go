package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/results/capacity/queue"
	"github.com/policycortex/headroom/scenarios"
)

// TestScenarios: what services are asked for is a scenario.
func TestScenarios(t *testing.T) {
	for _, s := range queue.Services(0.02) {
		plan, err := scenarios.Parse("known.yaml", []byte(scenarioOf(s, "127.0.0.1:80", 3)))
		if err != nil {
			t.Fatal(err)
		}
		if plan.Seed != 3 || len(plan.Thresholds) != 2 || plan.Thresholds[0].Limit != 100 {
			t.Errorf("%+v", plan)
		}
	}
}

// TestServed: a limited service refuses what comes at once beyond a tenth of a second's requests, and others take their
// time.
func TestServed(t *testing.T) {
	for _, s := range queue.Services(0.005) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			served := httptest.NewServer(serve(s, 1))
			defer served.Close()
			refused, began := 0, time.Now()
			const requests = 150
			for range requests {
				response, err := http.Get(served.URL)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode == http.StatusTooManyRequests {
					refused++
				}
			}
			switch took := time.Since(began); {
			case s.Limit == 0 && refused > 0:
				t.Errorf("%d of %d were refused", refused, requests)
			case s.Limit == 0 && took < requests*time.Millisecond:
				t.Errorf("%d requests one after the other took %v", requests, took)
			}
		})
	}
	limited := queue.Service{Name: "limited", Workers: 1, Limit: 10, Draw: queue.Fixed}
	s := serve(limited, 1)
	now := time.Now()
	if !s.admit(now) || s.admit(now) || !s.admit(now.Add(200*time.Millisecond)) {
		t.Error("a limit of 10 a second, of which one at once")
	}
}

func TestMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"at least 1":              {"--searches", "0"},
		`unexpected argument "x"`: {"x"},
	} {
		var out, errs bytes.Buffer
		if code := run(&out, &errs, args); code != sidebyside.ExitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%v: exit code %d, %q", args, code, &errs)
		}
	}
	var out, errs bytes.Buffer
	code := run(&out, &errs, []string{"--headroom", "/none", "--only", "limiter", "--searches", "1"})
	if code != sidebyside.ExitError || !strings.Contains(errs.String(), "rate limiter: ") {
		t.Errorf("exit code %d, %q", code, &errs)
	}
}
