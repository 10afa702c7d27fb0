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

// openAPIFiles are the parts of the description: base.json has what the parts share, and each of the others has the paths
// and schemas of one domain.
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
		panic("api: its description cannot be put together: " + err.Error()) // the parts are compiled in, and tested
	}
	return openAPI{
		body: body, length: []string{strconv.Itoa(len(body))},
		etag: []string{`"` + strconv.FormatUint(xxhash.Sum64(body), 36) + `"`},
	}
}

// askFirst lets everybody keep an answer, and ask whether it still holds before using it.
var askFirst = []string{"no-cache"}

// part is as much of a description as is put together from parts.
type part struct {
	OpenAPI    string                                `json:"openapi,omitempty"`
	Info       json.RawMessage                       `json:"info,omitempty"`
	Tags       json.RawMessage                       `json:"tags,omitempty"`
	Paths      map[string]json.RawMessage            `json:"paths"`
	Components map[string]map[string]json.RawMessage `json:"components"`
	Security   json.RawMessage                       `json:"security,omitempty"`
}

// tenantOfToken is the parameter "tenant" where requests are authenticated.
const tenantOfToken = `{"name": "X-Tenant-ID", "in": "header", "required": false, "schema": {"type": "string", "format": "uuid"},
  "description": "The tenant whose data is meant. The bearer token names it; another one is refused with 403."}`

// openAPIDocument puts the parts together, for a server that authenticates requests or one that does not.
func openAPIDocument(authenticated bool) ([]byte, error) {
	files, err := openAPIFiles.ReadDir("openapi")
	if err != nil {
		return nil, err
	}
	whole := part{Paths: map[string]json.RawMessage{}, Components: map[string]map[string]json.RawMessage{}}
	for _, file := range files {
		data, err := openAPIFiles.ReadFile("openapi/" + file.Name())
		if err != nil {
			return nil, err
		}
		var p part
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
	c.Writer.Write(o.body) // an error here means that the client has gone
}
