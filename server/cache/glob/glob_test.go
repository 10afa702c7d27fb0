package glob_test

import (
	"path"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/cache/glob"
)

// match also checks that a name that matches has the pattern's prefix.
func match(t *testing.T, pattern, name string) (bool, error) {
	t.Helper()
	p, err := glob.Compile(pattern)
	if err != nil {
		return false, err
	}
	matches := p.Match([]byte(name))
	if matches && !strings.HasPrefix(name, p.Prefix()) {
		t.Errorf("%q matches %q, which lacks the prefix %q", pattern, name, p.Prefix())
	}
	return matches, nil
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbbd", false},
		{"a?c", "a/c", true},
		{"a*/c", "a/b/c", true},
		{"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"*a*b*c*", "xxaxxbxxcxx", true},
		{"*a*b*c*", "xxaxxcxxbxx", false},
		{"[a]", "a", true},
		{"abc", "ab", false},
		{"ab", "abc", false},
	} {
		got, err := match(t, c.pattern, c.name)
		if err != nil || got != c.want {
			t.Errorf("%q matches %q: %v, %v; want %v", c.pattern, c.name, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "[a", `a\`, "[a-", `[\`, strings.Repeat("a", glob.MaxLength+1)} {
		if _, err := match(t, bad, "a"); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// Where there is no slash, patterns match as those of package path.
func FuzzGlob(f *testing.F) {
	f.Add("a*[b-d]?", "axcy")
	f.Add("*a*b", "aabab")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got, err := match(t, pattern, name)
		if strings.Contains(name, "/") || !ascii(pattern) || !ascii(name) || err != nil {
			return
		}
		if want, err := path.Match(pattern, name); err == nil && got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
