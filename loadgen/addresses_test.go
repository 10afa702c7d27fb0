package loadgen

import (
	"fmt"
	"testing"
)

// TestLocalAddresses: services on this machine have addresses that can be looked at, others have none.
func TestLocalAddresses(t *testing.T) {
	for urls, want := range map[string]string{
		"http://127.0.0.1:8080":     "[127.0.0.1:8080]",
		"http://127.0.0.2/path":     "[127.0.0.2:80]",
		"https://[::1]":             "[[::1]:443]",
		"http://192.0.2.1:8080":     "[]",
		"http://127.0.0.1:none":     "[]",
		"http://name.invalid":       "[]",
		"other://127.0.0.1":         "[]",
		"http://[::ffff:127.0.0.1]": "[127.0.0.1:80]",
	} {
		if got := fmt.Sprint(localAddresses(t.Context(), []string{urls})); got != want {
			t.Errorf("%s: %s, want %s", urls, got, want)
		}
	}
}
