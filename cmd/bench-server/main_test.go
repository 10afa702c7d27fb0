package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// TestMain is the program itself when it is started as one of its servers.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		main()
	}
	os.Exit(m.Run())
}

// TestWholeRun lets every contender take one turn of a second. What the figures are is not its concern; that each
// server does what it is measured for is, and the program ends with an error when one does not.
func TestWholeRun(t *testing.T) {
	warm := warmSeconds
	t.Cleanup(func() { warmSeconds = warm })
	warmSeconds = 0
	markdown := filepath.Join(t.TempDir(), "table.md")
	var out, errs bytes.Buffer
	code := run(&out, &errs, []string{
		"--rounds", "1", "--seconds", "1", "--resources", "40000", "--markdown",
		markdown,
	})
	if !slices.Contains([]int{sidebyside.ExitOK, sidebyside.ExitMissed, sidebyside.ExitInvalid}, code) ||
		out.Len() == 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, &out, &errs)
	}
	table, err := os.ReadFile(markdown)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders {
		for text, separator := range map[string]string{out.String(): "  ", string(table): " | "} {
			if !strings.Contains(text, c.name+separator) || !strings.Contains(text, c.group) {
				t.Errorf("no row for %s (%s) in\n%s", c.name, c.group, text)
			}
		}
	}
	t.Logf("\n%s", &out)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--no-such-flag"}, {"word"}, {"--resources", "1"}} {
		var out, errs bytes.Buffer
		if code := run(&out, &errs, args); code != sidebyside.ExitUsage || errs.Len() == 0 {
			t.Errorf("%v: exit code %d, says %q", args, code, &errs)
		}
	}
}

func measurement(c *contender, disturbed float64, rates ...float64) *measured {
	m := &measured{contender: c}
	for _, rate := range rates {
		m.results = append(m.results, result{
			rate: rate, cpu: time.Duration(1e9 / rate), disturbed: disturbed,
			levelShare: 1,
		})
	}
	return m
}

func TestVerdict(t *testing.T) {
	baseline, ours := contenders[0], contenders[3]
	for _, tc := range []struct {
		name string
		rows []*measured
		code int
		says string
	}{
		{
			"held",
			[]*measured{measurement(baseline, 0, 100, 300, 200), measurement(ours, 0, 170, 1, 400)},
			sidebyside.ExitOK, "",
		},
		{
			"missed",
			[]*measured{measurement(baseline, 0, 200), measurement(ours, 0, 168)},
			sidebyside.ExitMissed,
			"MISSED",
		},
		{
			"disturbed",
			[]*measured{measurement(baseline, 0, 200), measurement(ours, 0.06, 168)},
			sidebyside.ExitInvalid,
			"DISTURBED",
		},
		{
			"another level answered",
			[]*measured{measurement(baseline, 0, 200), {contender: ours, fault: errInvalid}},
			sidebyside.ExitInvalid, "NOT VALID",
		},
		{"nothing to compare with", []*measured{measurement(ours, 0, 168)}, sidebyside.ExitOK, ""},
	} {
		var out bytes.Buffer
		if code := verdict(&out, tc.rows); code != tc.code || !strings.Contains(out.String(), tc.says) {
			t.Errorf("%s: exit code %d, want %d; says %q", tc.name, code, tc.code, &out)
		}
	}
}

func TestShare(t *testing.T) {
	before := served{"l1": 10, "l2": 5, "miss": 100}
	after := served{"l1": 11, "l2": 104, "miss": 100}
	if got := share(before, after, "l2"); got != 0.99 {
		t.Errorf("share %v, want 0.99", got)
	}
	if got := share(before, before, "l2"); got != 0 {
		t.Errorf("share of no requests %v", got)
	}
}
