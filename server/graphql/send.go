package graphql

import (
	"encoding/json"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gin-gonic/gin"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/policycortex/headroom/server/api"
)

// contentTypes are values of the header, by what a client accepts.
var contentTypes = [...][]string{
	acceptsJSON: {"application/json"}, acceptsGraphQL: {"application/graphql-response+json"},
	acceptsEvents: {"text/event-stream"},
}

// refuse answers a request that is not executed. Only the newer media type has a status for that: who asks for the
// older one takes any other status than 200 for a failure of the transport.
func (s *Server) refuse(c *gin.Context, r *request, faults gqlerror.List) {
	status := http.StatusOK
	if r.accepts == acceptsGraphQL {
		status = http.StatusBadRequest
	}
	s.send(c, r, status, &graphql.Response{Errors: faults})
}

// send sends an answer that must not be stored.
func (s *Server) send(c *gin.Context, r *request, status int, response *graphql.Response) {
	b := []byte{'{'}
	if len(response.Errors) > 0 {
		faults, err := json.Marshal(response.Errors)
		if err != nil {
			panic("graphql: errors cannot be written as JSON: " + err.Error())
		}
		b = append(append(append(b, `"errors":`...), faults...), ',')
		for _, fault := range response.Errors {
			code, _ := fault.Extensions["code"].(string)
			s.metrics.failed(code)
		}
	}
	if response.Data != nil {
		b = append(append(append(b, `"data":`...), response.Data...), ',')
	}
	b[len(b)-1] = '}'
	b = appendPerformance(c, b)
	if r.accepts == acceptsEvents {
		sendEvents(c, b)
		return
	}
	api.SendFresh(c, status, contentTypes[r.accepts], b)
}

// appendPerformance adds the timings to an answer, if its client wants them.
func appendPerformance(c *gin.Context, b []byte) []byte {
	timings := api.Performance(c)
	if timings == nil {
		return b
	}
	b = append(b[:len(b)-1], `,"extensions":{"performance":`...)
	return append(append(b, timings...), `}}`...)
}

// complete ends a stream of answers (graphql-sse, distinct connections mode). The data is for EventSource, which
// reports no event without.
const complete = "event: complete\ndata: \n\n"

// sendEvents sends an answer as server-sent events.
func sendEvents(c *gin.Context, b []byte) {
	events := make([]byte, 0, len(b)+64)
	events = append(append(append(events, "event: next\ndata: "...), b...), "\n\n"+complete...)
	api.SendFresh(c, http.StatusOK, contentTypes[acceptsEvents], events)
}
