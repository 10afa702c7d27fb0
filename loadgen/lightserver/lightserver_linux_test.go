package lightserver

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestAnswers(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		s, err := Listen(delay)
		if err != nil {
			t.Fatal(err)
		}
		go s.Run() // ends with the test's process
		for range 3 {
			start := time.Now()
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", s.Port))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != "Hello, world!\n" || err != nil || time.Since(start) < delay {
				t.Errorf("%q, %v after %v of %v", body, err, time.Since(start), delay)
			}
		}
	}
}
