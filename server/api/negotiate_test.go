package api

import "testing"

func TestAcceptsGzip(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"deflate, gzip;q=0.5, br"}, true},
		{[]string{"br", "gzip"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip; q=0.000"}, false},
		{[]string{"gzip; q=0.001"}, true},
		{[]string{"gzip;Q=0"}, false},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"gzip;q=0, *"}, false},
		{[]string{"*, gzip;q=0"}, false},
		{[]string{"identity, br"}, false},
		{[]string{"gzipped"}, false},
		{[]string{";;,,=;q"}, false},
	} {
		if got := acceptsGzip(c.values); got != c.want {
			t.Errorf("%q: %t, want %t", c.values, got, c.want)
		}
	}
}

func TestTagMatches(t *testing.T) {
	const tag = `W/"abc"`
	for _, c := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{tag}, true},
		{[]string{`"abc"`}, true},
		{[]string{"*"}, true},
		{[]string{`"x"`, `"y" , W/"abc"`}, true},
		{[]string{`"ab"`, `abc`, `"abc`}, false},
		{[]string{`,,W/`}, false},
		{[]string{`"x,*,y"`}, false},
		{[]string{`"x,y", "abc"`}, true},
	} {
		if got := tagMatches(c.values, tag); got != c.want {
			t.Errorf("%q: %t, want %t", c.values, got, c.want)
		}
	}
}

func FuzzNegotiation(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0", `W/"a", "b"`)
	f.Fuzz(func(_ *testing.T, encodings, tags string) { // neither may panic or hang
		acceptsGzip([]string{encodings})
		tagMatches([]string{tags}, `W/"a"`)
	})
}
