package containers

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answering is a command that serves 200 to any GET, after a while in which the port is closed.
const answering = `sleep 0.2; exec python3 -c '
import http.server,sys,time
class H(http.server.BaseHTTPRequestHandler):
    n=0
    def do_GET(self):
        H.n+=1
        self.send_response(503 if self.path=="/ready" and H.n<4 else 200); self.end_headers()
    def log_message(self,*a): pass
http.server.HTTPServer(("127.0.0.1",{{port}}),H).serve_forever()'`

func TestServiceIsReadyAndEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, ready := range []string{"", "/ready", "/"} {
		s, err := StartService(ctx, ServiceSpec{
			Command: answering, Ready: ready,
			Log: filepath.Join(t.TempDir(), "log"),
		})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(s.URL + "/item")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := http.Get(s.URL); err == nil {
			t.Errorf("ready %q: it answers when stopped", ready)
		}
	}
}

func TestServiceThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, command, ready string
		within               time.Duration
		want                 []string
	}{
		{
			"no such program", "no-such-program --port {{port}}", "", 0,
			[]string{"no-such-program", "exit status 127", "not found"},
		},
		{"ends at once", "echo it was {{address}}; true", "", 0, []string{"it ended", "it was 127.0.0.1:"}},
		{
			"never listens", "echo waiting; exec sleep 60", "", 300 * time.Millisecond,
			[]string{"not ready after 300ms", "waiting"},
		},
		{"never ready", answering, "/missing", 3 * time.Second, []string{"not ready after 3s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "never ready" {
				c.command = strings.Replace(c.command, `self.path=="/ready" and H.n<4`, "True", 1)
				c.want = append(c.want, "GET /missing answers 503")
			}
			_, err := StartService(t.Context(), ServiceSpec{
				Command: c.command, Ready: c.ready, ReadyWithin: c.within, Log: filepath.Join(t.TempDir(), "log"),
			})
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
		})
	}
}

// TestServiceOfAShellThatStays: a shell that is not replaced by the service does not keep the signal to stop from it.
// The service ends in order, and nothing has to be killed.
func TestServiceOfAShellThatStays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := filepath.Join(t.TempDir(), "ended")
	command := strings.Replace(answering, "exec python3", "python3", 1)
	command = strings.Replace(command, "import http.server,sys,time", "import http.server,signal,sys\n"+
		"def end(*a): open(\""+ended+"\",\"w\").close(); sys.exit()\nsignal.signal(signal.SIGTERM,end)", 1) + "; true"
	s, err := StartService(ctx, ServiceSpec{
		Command: command, Ready: "/", Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ended); err != nil {
		t.Errorf("the service was killed: %v", err)
	}
	if err := s.Stop(ctx); err == nil || !strings.Contains(err.Error(), "already closed") {
		t.Errorf("stopped twice: %v", err)
	}
}

// TestServiceThatTheShellLeaves: a service in the background, which its shell does not wait for, is stopped as well.
func TestServiceThatTheShellLeaves(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	_, err := StartService(t.Context(), ServiceSpec{
		Command: "sleep 1000 & echo $! > '" + pidFile + "'; echo {{port}}", Log: filepath.Join(dir, "log"),
	})
	if err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("the error is %v", err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if state, _, err := processState(pid); err == nil && state != 'Z' {
		t.Errorf("what the shell has left in the background still runs: it is %c", state)
	}
}
