package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// TestHostsOfOtherScripts: a host is what DNS knows it by, however it is written.
func TestHostsOfOtherScripts(t *testing.T) {
	const file = "target: {url: '%s'}\nscenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: " +
		"[{name: a, path: /}]}}\n"
	for address, want := range map[string]string{
		"http://bücher.example:8080/shop/": "http://xn--bcher-kva.example:8080/shop",
		"https://BÜCHER.example":           "https://xn--bcher-kva.example",
		"http://例え.テスト/a%20b":              "http://xn--r8jz45g.xn--zckzah/a%20b",
		"http://my_host:80":                "http://my_host:80",
		"http://[::1]:80":                  "http://[::1]:80",
	} {
		plan, err := Parse("x.yaml", []byte(fmt.Sprintf(file, address)))
		if err != nil || plan.Target.URL != want {
			t.Errorf("%s is %v, %v, want %s", address, plan, err, want)
		}
	}
	_, err := Parse("x.yaml", []byte(fmt.Sprintf(file, "http://-ü-.example")))
	if err == nil || !strings.Contains(err.Error(), "x.yaml:1:15: target.url") {
		t.Errorf("a host that is none: %v", err)
	}
}
