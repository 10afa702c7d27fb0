package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/gin-gonic/gin"
)

// openAPIFiles are the fragments of the description: base.json has what they share, and each of the others has the
// paths and schemas of one domain.
//
//go:embed openapi/*.json
var openAPIFiles embed.FS

// openAPI is the description of this API as it is served.
type openAPI struct {
	body         []byte
	length, etag []string
}

func newOpenAPI(authenticated bool) openAPI {
	body, err := openAPIDocument(authenticated)
	if err != nil {
		panic("api: its description cannot be put together: " + err.Error()) // the fragments are compiled in and tested
	}
	return openAPI{
		body: body, length: []string{strconv.Itoa(len(body))},
		etag: []string{`"` + strconv.FormatUint(xxhash.Sum64(body), 36) + `"`},
	}
}

// askFirst allows every cache to store a response and requires revalidation before each use.
var askFirst = []string{"no-cache"}

// fragment is the part of a description that is merged from several files.
type fragment struct {
	OpenAPI    string                                `json:"openapi,omitempty"`
	Info       json.RawMessage                       `json:"info,omitempty"`
	Tags       json.RawMessage                       `json:"tags,omitempty"`
	Paths      map[string]json.RawMessage            `json:"paths"`
	Components map[string]map[string]json.RawMessage `json:"components"`
	Security   json.RawMessage                       `json:"security,omitempty"`
}

// tenantOfToken is the parameter "tenant" where requests are authenticated.
const tenantOfToken = `{"name": "X-Tenant-ID", "in": "header", "required": false, "schema": {"type": "string", "format": "uuid"},
  "description": "The tenant whose data the request is about. The bearer token names it; any other is refused with 403."}`

// openAPIDocument merges the fragments, for a server with or without authentication.
func openAPIDocument(authenticated bool) ([]byte, error) {
	files, err := openAPIFiles.ReadDir("openapi")
	if err != nil {
		return nil, err
	}
	whole := fragment{Paths: map[string]json.RawMessage{}, Components: map[string]map[string]json.RawMessage{}}
	for _, file := range files {
		data, err := openAPIFiles.ReadFile("openapi/" + file.Name())
		if err != nil {
			return nil, err
		}
		var p fragment
		if err := json.Unmarshal(data, &p); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		if p.OpenAPI != "" {
			whole.OpenAPI, whole.Info, whole.Tags = p.OpenAPI, p.Info, p.Tags
		}
		if err := add(whole.Paths, p.Paths); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		for kind, components := range p.Components {
			if whole.Components[kind] == nil {
				whole.Components[kind] = map[string]json.RawMessage{}
			}
			if err := add(whole.Components[kind], components); err != nil {
				return nil, fmt.Errorf("%s: %w", file.Name(), err)
			}
		}
	}
	if authenticated {
		whole.Security = json.RawMessage(`[{"bearer": []}]`)
		whole.Components["parameters"]["tenant"] = json.RawMessage(tenantOfToken)
	} else {
		delete(whole.Components, "securitySchemes")
	}
	return json.Marshal(whole)
}

func add(to, from map[string]json.RawMessage) error {
	for name, value := range from {
		if _, twice := to[name]; twice {
			return fmt.Errorf("%s is there already", name)
		}
		to[name] = value
	}
	return nil
}

// describe serves the description of this API.
func (o *openAPI) describe(c *gin.Context) {
	header := c.Writer.Header()
	header["Etag"] = o.etag
	header["Cache-Control"] = askFirst
	if tags, ok := c.Request.Header["If-None-Match"]; ok && tagMatches(tags, o.etag[0]) {
		c.Writer.WriteHeader(http.StatusNotModified)
		return
	}
	header["Content-Type"] = jsonContentType
	header["Content-Length"] = o.length
	c.Writer.WriteHeader(http.StatusOK)
	c.Writer.Write(o.body) // an error means that the client has left
}
