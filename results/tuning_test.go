package results

import (
	"testing"
	"time"
)

func TestAddTuning(t *testing.T) {
	started := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	answer := `{"mode":"act","actions":[
		{"at":"2026-05-01T09:00:00Z","ended":"2026-05-01T09:01:00Z","knob":"pool","outcome":"kept"},
		{"at":"2026-05-01T09:59:59Z","ended":"2026-05-01T10:00:02Z","knob":"pool","text":"1 → 2","reason":"r","figure":"f",
		 "before":4,"after":1.5,"request_ms_before":9,"request_ms_after":null,"outcome":"kept","note":"it helped"},
		{"at":"2026-05-01T10:00:05Z","knob":"l1_size","outcome":"trying"}]}`
	var e Evidence
	err := e.AddTuning("2", []byte(answer), started)
	if err != nil || len(e.Tuning) != 2 {
		t.Fatalf("%+v, error %v", e.Tuning, err)
	}
	a := e.Tuning[0]
	if a.Instance != "2" || a.At != -1 || a.Knob != "pool" || *a.Before != 4 || *a.After != 1.5 ||
		a.Note != "it helped" || *a.RequestBefore != 9 || a.RequestAfter != nil {
		t.Errorf("the first is %+v", a)
	}
	if e.Tuning[1].At != 5 || e.Tuning[1].Outcome != "trying" {
		t.Errorf("the second is %+v", e.Tuning[1])
	}
	if err := e.AddTuning("1", []byte("{"), started); err == nil {
		t.Error("half an answer was taken")
	}
}
