package containers

import (
	"context"
	"net/http"
	"path/filepath"
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
