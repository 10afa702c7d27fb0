package nethttp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// tooManyRedirects is in the text of the error of a request that was redirected too often.
const tooManyRedirects = "redirects were followed, and the answer is another"

// follow sends the request, and what it is redirected to in its place up to so many times, and returns the last answer.
// It has the Set-Cookie of all answers. jar keeps the cookies; it may be nil.
func follow(next http.RoundTripper, req *http.Request, jar http.CookieJar, most int) (*http.Response, error) {
	var cookies []string // of the answers before the last
	client := http.Client{Transport: next, Jar: jar, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > most {
			return fmt.Errorf("%d %s", most, tooManyRedirects)
		}
		cookies = append(cookies, to.Response.Header["Set-Cookie"]...)
		return nil
	}}
	resp, err := client.Do(req)
	if err == nil && len(cookies) > 0 {
		resp.Header["Set-Cookie"] = append(cookies, resp.Header["Set-Cookie"]...)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // method and URL, which vary, would make each error one of its own
	}
	return resp, err
}
