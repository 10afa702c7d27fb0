package request

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// wireUser sends requests of a scenario with cookies as the wire engine does.
type wireUser struct {
	set    *Set
	render *Renderer
	user   *Session
}

func newWireUser(t testing.TB, s *scenarios.Scenario, instance string) *wireUser {
	t.Helper()
	set, err := New(1, s, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(instance)
	if err != nil {
		t.Fatal(err)
	}
	users := NewUsers(s, []string{instance, "http://10.0.0.2:8080/api"})
	return &wireUser{set, NewRenderer(set, target), users.New()}
}

// send renders the request of that index, and has it answered with lines of Set-Cookie. It returns the header Cookie.
func (u *wireUser) send(request int, set ...string) string {
	d := u.set.DrawOf(request, 0)
	d.Session = u.user
	text, _ := u.render.Append(nil, &d)
	for _, line := range set {
		u.user.TakeHeader([]byte("Set-Cookie"), []byte(line))
	}
	u.user.TakeCookies()
	for line := range strings.SplitSeq(string(text), "\r\n") {
		if cookie, ok := strings.CutPrefix(line, "Cookie: "); ok {
			return cookie
		}
	}
	return ""
}

func cookieScenario(paths ...string) *scenarios.Scenario {
	s := &scenarios.Scenario{Name: "s", Cookies: true}
	for _, path := range paths {
		s.Requests = append(s.Requests, scenarios.Request{Name: path, Weight: 1, Method: "GET", Path: literal(path)})
	}
	return s
}

// TestCookies holds which cookies go where: by path, domain, age and scheme, and over the instances of a target.
func TestCookies(t *testing.T) {
	s := cookieScenario("/", "/deep/er?q=1")
	s.Requests[1].Headers = []scenarios.Header{{Name: "cookie", Value: literal("own=1")}}
	u := newWireUser(t, s, "http://10.0.0.1:8080/api")
	if got := u.send(0, "a=1; Path=/", "deep=1; Path=/api/deep", "secure=1; Secure", `quoted="x y"`, "bad"); got != "" {
		t.Errorf("a new user sends %q", got)
	}
	if got := u.send(0); got != `quoted="x y"; a=1` {
		t.Errorf("at / the user sends %q", got)
	}
	if got := u.send(1, "a=2; Path=/", "quoted=; Max-Age=0; Path=/api"); got != `own=1; deep=1; quoted="x y"; a=1` {
		t.Errorf("below the user sends %q", got)
	}
	if got := u.send(0); got != "a=2" {
		t.Errorf("after changes the user sends %q", got)
	}
	for at, want := range map[string]int{
		"http://10.0.0.2:8080/api/deep/": 2, // another instance
		"http://10.0.0.3:8080/api/":      0, // another host
		"https://10.0.0.1:8080/api/":     2, // the secure one as well
	} {
		parsed, _ := url.Parse(at)
		if got := u.user.Jar().Cookies(parsed); len(got) != want {
			t.Errorf("at %s the user has %v", at, got)
		}
	}
}

// TestCookiesOfAHost: with a header Host, cookies are that host's, by whatever address it is reached; no service can
// set those of a public suffix.
func TestCookiesOfAHost(t *testing.T) {
	s := cookieScenario("/")
	s.Requests[0].Headers = []scenarios.Header{{Name: "Host", Value: literal("shop.example.co.uk")}}
	u := newWireUser(t, s, "http://127.0.0.1:8080")
	u.send(0, "a=1; Domain=example.co.uk; Path=/", "all=1; Domain=co.uk; Path=/", "other=1; Domain=example.com")
	if got := u.send(0); got != "a=1" {
		t.Errorf("the user sends %q", got)
	}
	elsewhere, _ := url.Parse("http://www.example.co.uk/")
	if got := u.user.Jar().Cookies(elsewhere); len(got) != 1 {
		t.Errorf("another host of the domain gets %v", got)
	}
}

// TestPool: each user is one at a time, and the one that has been free for longest is next.
func TestPool(t *testing.T) {
	s := cookieScenario("/")
	users := NewUsers(s, []string{"http://127.0.0.1:1"})
	var all []*Session
	for range 5 {
		all = append(all, users.New())
	}
	whole := NewPool(slices.Clone(all))
	p, other := whole.Part(0, 3), whole.Part(3, 2)
	a, b, c := p.Take(), p.Take(), p.Take()
	p.Put(b)
	p.Put(c)
	if a != all[0] || p.Take() != b || other.Take() != all[3] {
		t.Error("the users do not come in turns")
	}
	p.Put(a)
	if p.Take() != c || p.Take() != a {
		t.Error("the users do not come in turns")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a user is two at a time")
			}
		}()
		p.Take()
	}()
	newcomers := NewcomerPool(users)
	first := newcomers.Take()
	newcomers.Put(first)
	if second := newcomers.Part(1, 2).Take(); second == first || second.Jar() == nil {
		t.Error("a newcomer has been here before")
	}
	var none *Pool
	if none.Take() != nil || none.Part(0, 1) != nil {
		t.Error("there are users where none keeps anything")
	}
	if (*Session)(nil).Jar() != nil || NewUsers(&scenarios.Scenario{}, nil).New().Jar() != http.CookieJar(nil) {
		t.Error("there is a jar where none is kept")
	}
}

// BenchmarkCookies is what it costs to render a request with cookies, and without.
func BenchmarkCookies(b *testing.B) {
	for _, cookies := range []bool{false, true} {
		b.Run(map[bool]string{false: "none", true: "two"}[cookies], func(b *testing.B) {
			s := cookieScenario("/items/1")
			s.Cookies = cookies
			u := newWireUser(b, s, "http://127.0.0.1:8080")
			d := u.set.DrawOf(0, 0)
			if cookies {
				u.send(0, "sessionid=0123456789abcdef; Path=/", "csrftoken=0123456789abcdef; Path=/")
				d.Session = u.user
			}
			space := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				space, _ = u.render.Append(space[:0], &d)
			}
		})
	}
}
