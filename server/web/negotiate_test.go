package web

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		values []string
		wanted string
		want   bool
	}{
		{nil, "gzip", false},
		{[]string{"gzip, deflate, br, zstd"}, "zstd", true},
		{[]string{"gzip, deflate", "br, ZSTD ; q=0.5"}, "zstd", true},
		{[]string{"gzip;q=0"}, "gzip", false},
		{[]string{"gzip; q=0.000, *"}, "gzip", false},
		{[]string{"gzip;q=0.001"}, "gzip", true},
		{[]string{"gzip;Q=0.0"}, "gzip", false},
		{[]string{"*"}, "gzip", false},
		{[]string{"xgzip"}, "gzip", false},
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "text/html", true},
		{[]string{"application/json, text/html;level=1;q=0"}, "text/html", false},
		{[]string{"*/*"}, "text/html", false},
	} {
		if got := names(tt.values, tt.wanted); got != tt.want {
			t.Errorf("%q names %s: %t", tt.values, tt.wanted, got)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"gzip", "gzip;q=0", "br, gzip ; q=1", ",;=", "gzip;q=0.0;q=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		got := names([]string{list}, "gzip")
		if got && !strings.Contains(strings.ToLower(list), "gzip") {
			t.Errorf("%q names gzip", list)
		}
		if split := names(strings.Split(list, ","), "gzip"); split != got {
			t.Errorf("%q: %t in one line, %t in several", list, got, split)
		}
		if !names([]string{"gzip, " + list}, "gzip") || names([]string{"gzip;q=0, " + list}, "gzip") {
			t.Errorf("%q overrules what comes before it", list)
		}
	})
}

func TestLocalNames(t *testing.T) {
	for host, want := range map[string]struct{ local, loopback bool }{
		"127.0.0.1:8080":         {true, true},
		"127.0.0.1":              {true, true},
		"[::1]:8080":             {true, true},
		"[::1]":                  {true, true},
		"localhost:8080":         {true, true},
		"LOCALHOST":              {true, true},
		"headroom":               {true, false}, // the name of a group of servers in a balancer
		"192.0.2.7:80":           {true, false},
		"rebound.example:8080":   {false, false},
		"127.0.0.1.rebound.test": {false, false},
		"localhost.":             {false, false},
		"":                       {true, false},
	} {
		if local, loopback := isLocalName(host), isLoopback(host); local != want.local || loopback != want.loopback {
			t.Errorf("%q: local %t, loopback %t; want %+v", host, local, loopback, want)
		}
	}
}
