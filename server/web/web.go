// Package web is the user interface of the server: HTML pages that show the data of the API to people.
//
// # What is generated, and what is not
//
// go generate makes everything that is the same for all visitors: the frames of the pages with the style sheet in them,
// scripts and images under names with the hash of their content, their compressed forms, and the hashes that the
// Content-Security-Policy names. The binary contains the result, and browsers keep the hashed files for good.
//
// The data of a page belongs to one tenant and changes at any time. A page that is complete before the request could
// hold none of it: it would be empty without JavaScript, and with JavaScript a browser would need two more round trips,
// for the script and then for the data, before it could show any. So the server puts the data into the frame
// (html/template) when the page is requested. It gets them from the API by a call within the process: pages are subject
// to the API's authentication, rate limit and cache like everybody else.
//
// The style sheet is a few kilobytes, of which every page needs nearly all, so all of it is critical and inline. The
// first view of a page is one response, and an icon; only live activity and the preview of a policy have a script.
// Charts are SVG with their numbers in a table.
package web

//go:generate go run ./generate

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
)

// Access is how a page finds out whose data it shows.
type Access uint8

const (
	// ByAddress takes the tenant from the page's URL. It is for servers that check no identity and that only their own
	// machine reaches.
	ByAddress Access = iota
	// ByHeader takes the tenant from the header X-Tenant-ID, which what stands in front of the server sets.
	ByHeader
	// ByToken takes the tenant from a bearer token, which the browser keeps in a cookie for the pages alone.
	ByToken
)

// Options configure a site.
type Options struct {
	// API answers all requests that are not for pages, and gives the pages their data.
	API    http.Handler
	Access Access
	// Tenants returns the ids of up to n tenants to choose from. It is used with ByAddress alone.
	Tenants func(ctx context.Context, n int) ([]string, error)
	Logger  *slog.Logger
}

// Site serves the pages, below /ui/, and everything else by the API. It is safe for concurrent use.
type Site struct {
	api     http.Handler
	access  Access
	tenants func(ctx context.Context, n int) ([]string, error)
	logger  *slog.Logger
	mux     *http.ServeMux
	origins *http.CrossOriginProtection
}

const (
	startPath      = "/ui/"
	resourcesPath  = "/ui/resources"
	compliancePath = "/ui/compliance"
	costsPath      = "/ui/costs"
	activityPath   = "/ui/activity"
	streamPath     = "/ui/stream"
)

// New makes a site.
func New(o Options) *Site {
	s := &Site{
		api: o.API, access: o.Access, tenants: o.Tenants, logger: o.Logger, mux: http.NewServeMux(),
		origins: http.NewCrossOriginProtection(),
	}
	s.mux.HandleFunc("GET "+startPath+"{$}", s.visited((*visit).start))
	for path, page := range map[string]func(*visit) error{
		resourcesPath: (*visit).resources, resourcesPath + "/{id}": (*visit).resource,
		policiesPath: (*visit).policies, policiesPath + "/{id}": (*visit).policy,
		compliancePath: (*visit).compliance, costsPath: (*visit).costs, activityPath: (*visit).activity,
	} {
		s.mux.HandleFunc("GET "+path, s.visited(func(v *visit) error {
			if err := v.identify(); err != nil {
				return err
			}
			return page(v)
		}))
	}
	s.mux.HandleFunc("POST "+policiesPath+"/{id}", s.visited(func(v *visit) error {
		if err := v.identify(); err != nil {
			return err
		}
		return v.preview()
	}))
	s.mux.HandleFunc("GET "+policiesPath+"/{id}/module", s.module)
	s.mux.HandleFunc("GET "+streamPath, s.stream)
	s.mux.HandleFunc("GET "+filesPath+"{name}", serveFile)
	if s.access == ByToken {
		s.mux.HandleFunc("POST /ui/sign-in", s.visited((*visit).signIn))
		s.mux.HandleFunc("POST /ui/sign-out", s.visited((*visit).signOut))
	}
	s.mux.HandleFunc("/ui/", s.visited(func(*visit) error {
		return &refusal{status: http.StatusNotFound, detail: "There is no such page."}
	}))
	return s
}

// ServeHTTP implements http.Handler. Requests to the API cost nothing but the comparison of a prefix.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/api/"):
		s.api.ServeHTTP(w, r)
	case strings.HasPrefix(path, startPath):
		s.mux.ServeHTTP(w, r)
	case path == "/ui", path == "/" && wantsHTML(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Cache-Control", "no-cache")
		http.Redirect(w, r, startPath, http.StatusFound)
	default:
		s.api.ServeHTTP(w, r)
	}
}

// visited makes a handler of a page. An error becomes a page too.
func (s *Site) visited(page func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{site: s, w: w, r: r, identity: http.Header{}}
		if err := page(v); err != nil {
			v.fail(err)
		}
	}
}

// stream passes live changes on. A browser's EventSource can set no header, and so can name neither tenant nor token to
// the API itself.
func (s *Site) stream(w http.ResponseWriter, r *http.Request) {
	v := &visit{site: s, w: w, r: r, identity: http.Header{}}
	if err := v.identify(); err != nil {
		refused := asRefusal(err)
		http.Error(w, refused.detail, refused.status)
		return
	}
	inner, err := v.request("/api/v1/stream", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	inner.Header["Accept"] = []string{"text/event-stream"}
	if last, resumes := r.Header["Last-Event-Id"]; resumes {
		inner.Header["Last-Event-Id"] = last
	}
	s.api.ServeHTTP(w, inner)
}
