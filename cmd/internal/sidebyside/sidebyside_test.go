package sidebyside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	if odd, even := Median([]float64{9, 1, 2}), Median([]float64{9, 1, 4, 2}); odd != 2 || even != 3 {
		t.Errorf("medians %v and %v, want 2 and 3", odd, even)
	}
	if none := Median(nil); !math.IsNaN(none) {
		t.Errorf("the median of nothing is %v", none)
	}
}

// TestDisturbance: of two seconds of two CPUs, ours used 1.5 s, wrk 0.5 s, others 0.8 s, and 0.2 s were stolen.
func TestDisturbance(t *testing.T) {
	at := time.Now()
	before := Usage{
		at: at, busy: 5 * time.Second, stolen: time.Second,
		Processes: map[int]time.Duration{7: time.Second},
	}
	after := Usage{
		at: at.Add(2 * time.Second), busy: 7800 * time.Millisecond, stolen: 1200 * time.Millisecond,
		Processes: map[int]time.Duration{7: 2 * time.Second, 8: 500 * time.Millisecond},
	}
	cpus := whole(at, after.at)
	if got, want := Disturbance(before, after, 500*time.Millisecond), float64(time.Second)/float64(cpus); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestReadUsage(t *testing.T) {
	u, err := ReadUsage()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := u.Processes[os.Getpid()]; !ok || u.busy <= 0 {
		t.Errorf("this process or the CPU time is not in %+v", u)
	}
	now, err1 := ResidentBytes(os.Getpid())
	peak, err2 := PeakBytes(os.Getpid())
	if err1 != nil || err2 != nil || now < 1<<20 || peak < 1<<20 {
		t.Errorf("%d bytes resident, %d at most, errors %v, %v", now, peak, err1, err2)
	}
}

func TestTable(t *testing.T) {
	heading, rows := []string{"what", "rate"}, [][]string{{"ours", "2"}, {"a peer", "1"}}
	var out bytes.Buffer
	printTable(&out, heading, rows)
	if want := "what    rate\nours    2\na peer  1\n"; out.String() != want {
		t.Errorf("%q, want %q", &out, want)
	}
	path := filepath.Join(t.TempDir(), "table.md")
	if err := writeMarkdown(path, heading, append(rows, []string{"v1|2\n<b>\x1b[31m`x`", "0"})); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	want := "| what | rate |\n| --- | --- |\n| ours | 2 |\n| a peer | 1 |\n| v1\\|2 &lt;b>[31m\\`x\\` | 0 |\n"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestStartNginx(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "sidebyside-") // readable by the user as which it may run
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	child, url, err := StartNginx(t.Context(), dir, os.Stderr, `location / { return 200 "it is me"; }`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Stop(context.Background()) })
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); string(body) != "it is me" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// A server that does not come up is not left behind.
func TestServerThatDoesNotComeUp(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, command := range []string{"true", "false"} {
		if _, _, err := StartServer(t.Context(), log, nil, command); err == nil ||
			!strings.Contains(err.Error(), log.Name()) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: error %v, want one that names the log", command, err)
		}
	}
	interrupted, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := StartServer(interrupted, log, nil, "sleep", "600"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
	u, err := ReadUsage()
	if err != nil {
		t.Fatal(err)
	}
	for pid := range u.Processes {
		if commandLine(pid) == "sleep\x00600\x00" {
			t.Errorf("process %d still sleeps", pid)
		}
	}
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may just have ended
	return string(text)
}
