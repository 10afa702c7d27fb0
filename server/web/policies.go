package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

const policiesPath = "/ui/policies"

// policy is one of the API.
type policy struct {
	ID                             string
	Version                        int
	Name, Type, Category, Severity string
	Enabled                        bool
	Definition                     json.RawMessage
	Rule                           *policyRule
	CreatedAt                      time.Time `json:"created_at"`
	UpdatedAt                      time.Time `json:"updated_at"`

	URL string `json:"-"` // of its page
}

// policyRule is what a policy evaluates resources by.
type policyRule struct {
	Kind, Expression, SHA256 string
	Bytes                    int64
}

type policiesPage struct {
	frame
	Policies    []policy
	First, Next string // URLs; empty where there is none
}

const policiesPerPage = "25"

// policies shows a page of the list.
func (v *visit) policies() error {
	query := url.Values{"limit": {policiesPerPage}}
	cursor := v.r.URL.Query().Get("cursor")
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var list struct {
		Data       []policy
		Pagination struct {
			NextCursor string `json:"next_cursor"`
		}
	}
	if err := v.get("/api/v1/policies", query, &list); err != nil {
		return err
	}
	p := policiesPage{frame: v.frame("Policies", policiesPath), Policies: list.Data}
	for i := range p.Policies {
		p.Policies[i].URL = v.policyURL(p.Policies[i].ID)
	}
	if cursor != "" {
		p.First = v.link(policiesPath, nil)
	}
	if next := list.Pagination.NextCursor; next != "" {
		p.Next = v.link(policiesPath, url.Values{"cursor": {next}})
	}
	return v.show(http.StatusOK, "policies", &p)
}

func (v *visit) policyURL(id string) string { return v.link(policiesPath+"/"+url.PathEscape(id), nil) }

type policyPage struct {
	frame
	List       string // the URL of all policies
	Policy     policy
	Definition string
	Module     string // the URL of the module that the browser can run; empty without one

	Resource string // the document of the preview
	Result   *evaluationResult
}

// evaluationResult is what a rule says.
type evaluationResult struct {
	Result  string
	Reasons []string
}

// sampleResource is the document of the preview where the tenant has no resource.
const sampleResource = `{"name": "vm-1", "type": "Microsoft.Compute/virtualMachines", "location": "westeurope", ` +
	`"properties": {}, "tags": {"env": "prod"}}`

// policy shows one policy with its rule, and a form that tries the rule on a document.
func (v *visit) policy() error {
	p, err := v.policyPage()
	if err != nil {
		return err
	}
	var list struct{ Data []json.RawMessage }
	if err := v.get("/api/v1/resources", url.Values{"limit": {"1"}}, &list); err != nil {
		return err
	}
	document := []byte(sampleResource)
	if len(list.Data) > 0 {
		document = list.Data[0]
	}
	p.Resource, err = indented(document)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "policy", p)
}

func (v *visit) policyPage() (*policyPage, error) {
	id := v.r.PathValue("id")
	p := &policyPage{frame: v.frame("Policy", ""), List: v.link(policiesPath, nil)}
	err := v.get("/api/v1/policies/"+url.PathEscape(id), nil, &p.Policy)
	if err != nil {
		return nil, err
	}
	p.Title, p.Policy.URL = p.Policy.Name, v.policyURL(id)
	if rule := p.Policy.Rule; rule != nil && rule.Kind == "module" {
		p.Module = v.link(policiesPath+"/"+url.PathEscape(id)+"/module", nil)
	}
	p.Definition, err = indented(p.Policy.Definition)
	return p, err
}

func indented(document []byte) (string, error) {
	var b bytes.Buffer
	err := json.Indent(&b, document, "", "  ")
	return b.String(), err
}

// maxPreview is the largest form with a document, in bytes: as encoded, three times what the API takes.
const maxPreview = 3 << 20

// preview evaluates the document of the form by the server, for browsers that do not run modules themselves.
func (v *visit) preview() error {
	if err := v.site.origins.Check(v.r); err != nil {
		return &refusal{status: http.StatusForbidden, detail: "Another site has sent this form."}
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxPreview)
	if err := v.r.ParseForm(); err != nil {
		return &refusal{status: http.StatusBadRequest, detail: "The form cannot be read: " + err.Error() + "."}
	}
	p, err := v.policyPage()
	if err != nil {
		return err
	}
	p.Resource = v.r.PostForm.Get("resource")
	status := http.StatusOK
	if !isObject(p.Resource) {
		status, p.Problem = http.StatusUnprocessableEntity, "The resource is not a JSON object."
		return v.show(status, "policy", p)
	}
	body := append([]byte(`{"resource":`), p.Resource...)
	path := "/api/v1/policies/" + url.PathEscape(v.r.PathValue("id")) + "/evaluate"
	if err := v.post(path, append(body, '}'), &p.Result); err != nil {
		refused := asRefusal(err)
		if refused.status >= http.StatusInternalServerError || refused.status == http.StatusUnauthorized {
			return err
		}
		status, p.Problem = refused.status, refused.detail
	}
	return v.show(status, "policy", p)
}

// isObject reports whether a text is a JSON object and nothing else.
func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

// module sends the module of a policy as the server runs it, counter included: so the browser stops it where the server
// does.
func (s *Site) module(w http.ResponseWriter, r *http.Request) {
	v := &visit{site: s, w: w, r: r, identity: http.Header{}}
	err := v.identify()
	if err != nil {
		refused := asRefusal(err)
		http.Error(w, refused.detail, refused.status)
		return
	}
	inner, err := v.request("/api/v1/policies/"+url.PathEscape(r.PathValue("id"))+"/module",
		url.Values{"metered": {"true"}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if known, sent := r.Header["If-None-Match"]; sent {
		inner.Header["If-None-Match"] = known
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	s.api.ServeHTTP(w, inner)
}
