package web

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

const (
	cookieName = "headroom_token"
	// maxToken is the longest token that a browser keeps: cookies have up to 4096 bytes with their name and attributes
	// (RFC 6265, section 6.1).
	maxToken = 3900
	// offeredTenants is how many tenants the start page offers.
	offeredTenants = 20
	// afterSignIn is the query of the page that a browser is sent to with its cookie.
	afterSignIn = "after=sign-in"
)

// errChoose is returned when no tenant has been chosen yet.
var errChoose = &refusal{status: http.StatusBadRequest, detail: "No tenant is chosen."}

// identify finds out whose data the page shows. The API checks tenant and token when it is asked for the data.
func (v *visit) identify() error {
	named, byHeader := v.r.Header["X-Tenant-Id"]
	if byHeader {
		v.identity["X-Tenant-Id"] = named
		v.tenant = named[0]
	}
	switch v.site.access {
	case ByToken:
		return v.identifyByToken()
	case ByHeader:
		if !byHeader {
			return &refusal{
				status: http.StatusBadRequest,
				detail: "The header X-Tenant-ID is missing, which what stands in front of this server must set.",
			}
		}
		return nil
	default:
		return v.identifyByAddress(byHeader)
	}
}

// identifyByAddress takes the tenant of the URL, unless a header names one: what set that may have checked who asks.
func (v *visit) identifyByAddress(byHeader bool) error {
	asked := v.r.URL.Query().Get("tenant")
	switch {
	case byHeader && asked != "" && !strings.EqualFold(asked, v.tenant):
		return &refusal{
			status: http.StatusForbidden,
			detail: "The header X-Tenant-ID names another tenant than the address of this page.",
		}
	case byHeader:
		return nil
	case !isLocalName(v.r.Host):
		return &refusal{status: http.StatusForbidden, detail: foreignName}
	case asked == "":
		return errChoose
	}
	v.identity["X-Tenant-Id"] = []string{asked}
	v.tenant, v.inURL = asked, true
	return nil
}

const foreignName = "This server checks no identity, so it shows pages only under the address of this machine, such " +
	"as 127.0.0.1, or a name without dots."

// identifyByToken takes the token of the header or of the cookie.
func (v *visit) identifyByToken() error {
	if sent, ok := v.r.Header["Authorization"]; ok {
		v.identity["Authorization"] = sent
		return nil
	}
	cookie, err := v.r.Cookie(cookieName)
	switch {
	case err == nil:
		v.identity["Authorization"] = []string{"Bearer " + cookie.Value}
		v.signedIn = true
		return nil
	case v.r.URL.RawQuery == afterSignIn:
		return &refusal{
			status: http.StatusUnauthorized, detail: "The browser did not keep the token. Browsers keep it for " +
				"addresses that begin with https:// or lead to this machine, and when they accept cookies.",
		}
	}
	return &refusal{status: http.StatusUnauthorized}
}

// isLocalName reports whether the host of a request is an IP address or a name without dots. Where no identity is
// checked, this keeps out web sites whose names have been made to lead to this server (DNS rebinding): their pages
// could read what it answers, and such a name always has a dot.
func isLocalName(host string) bool {
	name := hostname(host)
	_, err := netip.ParseAddr(name)
	return err == nil || !strings.Contains(name, ".")
}

// isLoopback reports whether the host of a request is this machine by an address or name that cannot lead elsewhere.
func isLoopback(host string) bool {
	name := hostname(host)
	address, err := netip.ParseAddr(name)
	return err == nil && address.IsLoopback() || strings.EqualFold(name, "localhost")
}

func hostname(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host // without a port
	}
	return strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
}

// startPage is where a tenant is chosen, or a token given.
type startPage struct {
	frame
	ByToken bool
	Tenants []link
}

func (v *visit) startPage(problem string) startPage {
	p := startPage{frame: frame{Title: "Choose a tenant", Problem: problem}}
	if v.site.access == ByToken {
		p.Title, p.ByToken = "Sign in", true
	}
	return p
}

// start leads on to the resources where the tenant is known.
func (v *visit) start() error {
	err := v.identify()
	if err == nil && !v.inURL {
		http.Redirect(v.w, v.r, resourcesPath, http.StatusSeeOther)
		return nil
	}
	if err != nil && !errors.Is(err, errChoose) {
		return err
	}
	data := v.startPage("")
	tenants, err := v.site.tenants(v.r.Context(), offeredTenants)
	if err != nil {
		v.site.logger.Error("the tenants cannot be read", "error", err)
		data.Problem = "The list of tenants cannot be read now."
	}
	for _, tenant := range tenants {
		query := url.Values{"tenant": {tenant}}
		data.Tenants = append(data.Tenants, link{Name: tenant, URL: resourcesPath + "?" + query.Encode()})
	}
	return v.show(http.StatusOK, "start", data)
}

// signIn has the API check the token and gives it to the browser to keep. Scripts cannot read it, other sites' requests
// do not bring it along, and the API never gets it from the cookie by itself.
func (v *visit) signIn() error {
	if err := v.site.origins.Check(v.r); err != nil {
		return &refusal{status: http.StatusForbidden, detail: "Another site has sent this form."}
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, 4*maxToken)
	if err := v.r.ParseForm(); err != nil {
		return &refusal{status: http.StatusBadRequest, detail: "The form cannot be read: " + err.Error() + "."}
	}
	token := strings.TrimSpace(v.r.PostForm.Get("token"))
	if scheme, rest, found := strings.Cut(token, " "); found && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if len(token) > maxToken {
		return &refusal{
			status: http.StatusUnauthorized,
			detail: "The token is too long for a browser to keep; programs can use it with the API.",
		}
	}
	v.identity = http.Header{"Authorization": {"Bearer " + token}}
	if err := v.get("/api/v1/resources", url.Values{"limit": {"1"}}, &struct{}{}); err != nil {
		return err
	}
	http.SetCookie(v.w, v.cookie(token))
	http.Redirect(v.w, v.r, resourcesPath+"?"+afterSignIn, http.StatusSeeOther)
	return nil
}

// signOut makes the browser forget the token.
func (v *visit) signOut() error {
	if err := v.site.origins.Check(v.r); err != nil {
		return &refusal{status: http.StatusForbidden, detail: "Another site has sent this form."}
	}
	cookie := v.cookie("")
	cookie.MaxAge = -1
	http.SetCookie(v.w, cookie)
	http.Redirect(v.w, v.r, startPath, http.StatusSeeOther)
	return nil
}

// cookie keeps a token until the browser is closed. It goes over HTTPS only, except on this machine.
func (v *visit) cookie(token string) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: token, Path: startPath, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: !isLoopback(v.r.Host),
	}
}
