package results

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestServerLog reads what slog's handler writes: warnings and errors by message, with their first and last times.
func TestServerLog(t *testing.T) {
	started := time.Now()
	var written strings.Builder
	logger := slog.New(slog.NewTextHandler(&written, nil))
	logger.Info("all is well")
	logger.Warn("the replica lags", "lag", "3 s", "why", "it is \"far\"")
	logger.Error("nothing works", "error", "a\nb")
	logger.Warn("the replica lags", "lag", "4 s")
	logger.Warn("unquoted")
	written.WriteString("panic: a crash\n\ngoroutine 1 [running]:\n" + strings.Repeat("x", maxLogLine+10) + "\n")
	var l ServerLog
	err := l.Read(strings.NewReader(written.String()), started.Add(-10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range l.Messages {
		got = append(got, m.Level+" "+m.Text+": "+m.Details)
		if m.First < 9 || m.Last < m.First || m.Last > 100 {
			t.Errorf("%s: from %v to %v s", m.Text, m.First, m.Last)
		}
	}
	want := []string{
		`ERROR nothing works: error="a\nb"`, `WARN the replica lags: lag="3 s" why="it is \"far\""`,
		"WARN unquoted: ", "OTHER " + otherLines + ": panic: a crash",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if l.Messages[1].Count != 2 || l.Messages[3].Count != 3 {
		t.Errorf("%+v", l.Messages)
	}
}

// TestLongLineOfServerLog: a long line is known by its beginning.
func TestLongLineOfServerLog(t *testing.T) {
	var written strings.Builder
	logger := slog.New(slog.NewTextHandler(&written, nil))
	logger.Error("too much", "error", strings.Repeat("y", 2*maxLogLine)+" = z")
	logger.Warn("and more")
	var l ServerLog
	err := l.Read(strings.NewReader(written.String()), time.Now())
	if err != nil || len(l.Messages) != 2 {
		t.Fatalf("%+v, %v", l, err)
	}
	if m := l.Messages[0]; m.Level != LogError || m.Text != "too much" || !strings.HasPrefix(m.Details, `error="yyy`) {
		t.Errorf("%+v", m)
	}
}

func TestServerLogIsBounded(t *testing.T) {
	var written strings.Builder
	logger := slog.New(slog.NewTextHandler(&written, nil))
	for i := range maxLogMessages + 7 {
		logger.Warn(strings.Repeat("w", i+1))
	}
	var l ServerLog
	err := l.Read(strings.NewReader(written.String()), time.Now())
	if err != nil || len(l.Messages) != maxLogMessages || l.LeftOut != 7 {
		t.Errorf("%d messages, %d left out, error %v", len(l.Messages), l.LeftOut, err)
	}
}

func FuzzServerLog(f *testing.F) {
	f.Add("time=2026-11-23T21:04:05.123Z level=WARN msg=\"a b\" x=1\n")
	f.Add("time=2026-11-23T21:04:05Z level=ERROR msg=`\nmsg=\"")
	f.Fuzz(func(t *testing.T, text string) {
		var l ServerLog
		err := l.Read(strings.NewReader(text), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range l.Messages {
			if m.Count < 1 || m.Last < m.First {
				t.Errorf("%+v", m)
			}
		}
	})
}

// TestSlowStatements puts those of two instances together, and leaves out those from before the run.
func TestSlowStatements(t *testing.T) {
	started := time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC)
	answer := `{"slow":[
		{"query":"list","sql":"SELECT 1","count":3,"replica":1,"max_ms":210.5,"last":"2026-11-23T21:00:12.5Z","plan":"Seq Scan"},
		{"query":"old","sql":"SELECT 2","count":1,"max_ms":900,"last":"2026-11-23T20:59:59Z"}]}`
	other := `{"slow":[
		{"query":"list","sql":"SELECT 1","count":2,"max_ms":310,"last":"2026-11-23T21:00:02Z"},
		{"query":"get","sql":"` + strings.Repeat("ä", maxStatementText) + `","count":1,"max_ms":400,"last":"2026-11-23T21:00:03Z",
		 "plan_error":"no connection"}]}`
	var e Evidence
	for _, a := range []string{answer, other} {
		err := e.AddSlow([]byte(a), started)
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(e.Slow) != 2 || e.Slow[0].Query != "get" {
		t.Fatalf("%+v", e.Slow)
	}
	if s := e.Slow[0]; !strings.HasSuffix(s.SQL, "ä\n… (2048 bytes more)") || s.PlanFault == "" {
		t.Errorf("%+v", s)
	}
	want := SlowStatement{Query: "list", SQL: "SELECT 1", Count: 5, Replica: 1, Max: 310, Last: 12.5, Plan: "Seq Scan"}
	if got := e.SlowOf("list"); len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}
	if all := e.SlowOf(""); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	if none := (*Evidence)(nil).SlowOf(""); none != nil {
		t.Errorf("%+v", none)
	}
}
