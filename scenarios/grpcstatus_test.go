package scenarios

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStatusNames: no status of HTTP, which has three digits, is called as a code of gRPC.
func TestStatusNames(t *testing.T) {
	for status, want := range map[int]string{
		200: "200", 900: "900", 999: "999", GRPCStatus: "OK", GRPCUnavailable: "UNAVAILABLE",
		GRPCResourceExhausted: "RESOURCE_EXHAUSTED", GRPCStatus + 77: "CODE_77",
	} {
		if got := StatusName(status); got != want {
			t.Errorf("%d is called %s, want %s", status, got, want)
		}
	}
}

// TestStatusesOfCallsAlone: a target that takes nothing but calls never answers with a status of HTTP.
func TestStatusesOfCallsAlone(t *testing.T) {
	file := filepath.Join(kinds(t), "calls.yaml")
	text := callFile("method: kinds.Kinds/One,", "{}") + "thresholds: {'http_reqs{status:503}': count==0}\n"
	for _, tt := range []struct{ from, to, want string }{
		{"", "", "503 is no status of gRPC, and the target takes calls of gRPC alone; write a code such as "},
		{"status:503", "status:UNAVAILABLE", ""},
		{"status:503", "status:0", ""},
		{"grpc://", "http://", ""}, // there may be a gateway before it
	} {
		_, err := Parse(file, []byte(strings.Replace(text, tt.from, tt.to, 1)))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s for %s: %v, want %q", tt.to, tt.from, err, tt.want)
		}
	}
}

// TestReplayBesideCalls: the statuses that a replay expects are those of HTTP, also where calls stand before it.
func TestReplayBesideCalls(t *testing.T) {
	file := filepath.Join(kinds(t), "calls.yaml")
	text := strings.Replace(callFile("method: kinds.Kinds/One,", "{}"), "grpc://", "http://", 1) +
		"  again: {executor: replay, file: a.log, expectedStatus: [200, 404]}\n"
	plan, err := Parse(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got := plan.Scenarios[1].Load.(Replay).Recording.ExpectedStatus
	if !slices.Equal(got, []int{200, 404}) {
		t.Errorf("expected are %v", got)
	}
}
