package graphql

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/api"
)

// request is what a client sends (GraphQL over HTTP): as JSON by POST, or in the query string by GET.
type request struct {
	Query         string          `json:"query"`
	OperationName string          `json:"operationName"`
	Variables     json.RawMessage `json:"variables"`
	Extensions    extensions      `json:"extensions"`

	variables map[string]any
	accepts   accepts
}

type extensions struct {
	PersistedQuery struct {
		Version int    `json:"version"`
		Hash    string `json:"sha256Hash"`
	} `json:"persistedQuery"`
}

// accepts is how a client wants its answer.
type accepts uint8

const (
	acceptsJSON    accepts = iota // application/json, as all clients understand it
	acceptsGraphQL                // application/graphql-response+json, whose status tells of refused queries
	acceptsEvents                 // text/event-stream
)

// readRequest reads a request. If ok is false, it has answered it.
func readRequest(c *gin.Context) (r request, ok bool) {
	r.accepts = accepted(c.Request.Header["Accept"])
	if c.Request.Method == http.MethodPost {
		ok = r.readBody(c)
	} else {
		ok = r.readQuery(c)
	}
	if !ok {
		return r, false
	}
	wrong := ""
	switch {
	case r.Query == "" && r.Extensions.PersistedQuery.Hash == "":
		wrong = "The request has no query."
	case r.Extensions.PersistedQuery.Hash != "" && r.Extensions.PersistedQuery.Version != 1:
		wrong = "extensions.persistedQuery.version must be 1."
	case !r.decodeVariables():
		wrong = "variables must be a JSON object."
	}
	if wrong != "" {
		api.Refuse(c, http.StatusBadRequest, wrong)
	}
	return r, wrong == ""
}

func (r *request) readBody(c *gin.Context) bool {
	sent := c.Request.Header["Content-Type"]
	if len(sent) != 1 || sent[0] != "application/json" {
		// A web page of another origin can send other types without asking.
		kind, _, err := mime.ParseMediaType(strings.Join(sent, ","))
		if err != nil || kind != "application/json" {
			api.Refuse(c, http.StatusUnsupportedMediaType, "Send the request as application/json.")
			return false
		}
	}
	body, ok := api.Body(c)
	if !ok {
		return false
	}
	err := json.Unmarshal(body, r)
	if err != nil {
		api.Refuse(c, http.StatusBadRequest, "The body must be a JSON object with query, operationName, variables and "+
			"extensions: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	return err == nil
}

func (r *request) readQuery(c *gin.Context) bool {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		api.Refuse(c, http.StatusBadRequest, "The query string cannot be read: "+err.Error())
		return false
	}
	r.Query, r.OperationName = values.Get("query"), values.Get("operationName")
	r.Variables = json.RawMessage(values.Get("variables"))
	text := values.Get("extensions")
	if text == "" {
		return true
	}
	err = json.Unmarshal([]byte(text), &r.Extensions)
	if err != nil {
		api.Refuse(c, http.StatusBadRequest, "The query parameter extensions must be a JSON object: "+
			strings.TrimPrefix(err.Error(), "json: "))
	}
	return err == nil
}

// decodeVariables keeps numbers as they were sent.
func (r *request) decodeVariables() bool {
	if len(r.Variables) == 0 || string(r.Variables) == "null" || string(r.Variables) == "{}" {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(r.Variables))
	d.UseNumber()
	err := d.Decode(&r.variables)
	return err == nil && !d.More()
}

// accepted reads the values of Accept. What a client prefers among several is not looked at: the more telling of those
// that it understands is sent.
func accepted(values []string) accepts {
	wants := acceptsJSON
	for _, list := range values {
		switch {
		case strings.Contains(list, "text/event-stream"):
			return acceptsEvents
		case strings.Contains(list, "application/graphql-response+json"):
			wants = acceptsGraphQL
		}
	}
	return wants
}
