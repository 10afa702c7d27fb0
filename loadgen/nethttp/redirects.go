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
func follow(next http.RoundTripper, req *http.Request, most int) (*http.Response, error) {
	client := http.Client{Transport: next, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > most {
			return fmt.Errorf("%d %s", most, tooManyRedirects)
		}
		return nil
	}}
	resp, err := client.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // method and URL, which vary, would make each error one of its own
	}
	return resp, err
}
