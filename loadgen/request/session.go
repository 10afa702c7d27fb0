package request

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"github.com/policycortex/headroom/loadgen/wire/http1"
	"github.com/policycortex/headroom/scenarios"
)

// Users makes the sessions of a scenario's users.
type Users struct {
	cookies   bool
	instances map[string]bool // hosts of the target's instances
	host      string          // by which cookies know all of them
}

// NewUsers returns the users of a scenario that sends to instances of a target. To cookies all of them are one host:
// the one that the requests name in their header Host, or else that of the first instance.
func NewUsers(s *scenarios.Scenario, instances []string) *Users {
	u := &Users{cookies: s.Cookies, instances: map[string]bool{}}
	for _, instance := range instances {
		if parsed, err := url.Parse(instance); err == nil {
			u.instances[parsed.Host] = true
			if u.host == "" {
				u.host = parsed.Host
			}
		}
	}
	for i := range s.Requests {
		for _, h := range s.Requests[i].Headers {
			literal := len(h.Value) == 1 && h.Value[0].Value == ""
			if literal && strings.EqualFold(h.Name, "Host") {
				u.host = h.Value[0].Literal
				return u
			}
		}
	}
	return u
}

// New returns the session of a new user, without cookies.
func (u *Users) New() *Session {
	s := &Session{}
	if u.cookies {
		inner, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // it does not fail
		s.jar = &jar{inner: inner, users: u, values: map[string]string{}}
	}
	return s
}

// Session is what a user keeps between its requests: cookies, and what its login has extracted. One iteration at a time
// has it.
type Session struct {
	jar   *jar // nil: it keeps no cookies
	login Texts

	at    *url.URL // of the wire engine's request under way
	lines []string // the Set-Cookie of its answer
}

// jar keeps the cookies of one user.
type jar struct {
	inner *cookiejar.Jar
	users *Users

	mu     sync.Mutex
	values map[string]string // of all cookies by name, which messages must not tell
}

// seenAs is a URL as cookies see it.
func (j *jar) seenAs(u *url.URL) *url.URL {
	if !j.users.instances[u.Host] || u.Host == j.users.host {
		return u
	}
	as := *u
	as.Host = j.users.host
	return &as
}

// Cookies are those that a request to a URL has.
func (j *jar) Cookies(u *url.URL) []*http.Cookie { return j.inner.Cookies(j.seenAs(u)) }

// SetCookies keeps the cookies that an answer from a URL sets.
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.inner.SetCookies(j.seenAs(u), cookies)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range cookies {
		j.values[c.Name] = c.Value
	}
}

// Jar is where a user keeps its cookies; nil: it keeps none. s may be nil.
func (s *Session) Jar() http.CookieJar {
	if s == nil || s.jar == nil {
		return nil
	}
	return s.jar
}

// LogIn takes what the user's login has extracted.
func (s *Session) LogIn(extracted Texts) {
	for slot, text := range extracted {
		s.login.put(slot, text)
	}
}

// cookies are those of a request to a path of the target, which is under way from then on.
func (s *Session) cookies(scheme, target string) []*http.Cookie {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		u = &url.URL{Path: "/"}
	}
	u.Scheme, u.Host = scheme, s.jar.users.host
	s.at, s.lines = u, s.lines[:0]
	return s.jar.Cookies(u)
}

// TakeHeader takes a header line of the answer to the wire engine's request.
func (s *Session) TakeHeader(name, value []byte) {
	if s.jar != nil && http1.Is(name, setCookie) {
		s.lines = append(s.lines, string(value))
	}
}

// TakeCookies keeps the cookies of the lines that were taken.
func (s *Session) TakeCookies() {
	var cookies []*http.Cookie
	for _, line := range s.lines {
		if c, err := http.ParseSetCookie(line); err == nil {
			cookies = append(cookies, c)
		}
	}
	if len(cookies) > 0 {
		s.jar.SetCookies(s.at, cookies)
	}
	s.lines = s.lines[:0]
}

// learn notes the secrets that a user keeps.
func (s *Session) learn(secrets *scenarios.Redactor) {
	for _, text := range s.login {
		secrets.Add(string(text))
	}
	if s.jar == nil {
		return
	}
	s.jar.mu.Lock()
	defer s.jar.mu.Unlock()
	for _, value := range s.jar.values {
		secrets.Add(value)
	}
}

// Pool are the users of a scenario that are free. The one that has been for longest is next.
type Pool struct {
	users *Users // who are new at each iteration; nil: those of the ring
	ring  []*Session
	first int
	free  int
}

// NewPool returns a pool of users who stay the same, all of them free.
func NewPool(sessions []*Session) *Pool {
	return &Pool{ring: sessions, free: len(sessions)}
}

// NewcomerPool returns a pool in which each iteration has a new user.
func NewcomerPool(users *Users) *Pool { return &Pool{users: users} }

// Part is the part of a pool that has n of its users, from the one with that index on.
func (p *Pool) Part(from, n int) *Pool {
	if p == nil || p.users != nil {
		return p
	}
	return NewPool(p.ring[from : from+n : from+n])
}

// Take takes a free user; nil where the scenario has no sessions.
func (p *Pool) Take() *Session {
	switch {
	case p == nil:
		return nil
	case p.users != nil:
		return p.users.New()
	case p.free == 0:
		panic("there are more iterations under way than users")
	}
	s := p.ring[p.first]
	p.first = (p.first + 1) % len(p.ring)
	p.free--
	return s
}

// Put gives back a user that Take returned.
func (p *Pool) Put(s *Session) {
	if p == nil || p.users != nil {
		return
	}
	p.ring[(p.first+p.free)%len(p.ring)] = s
	p.free++
}
