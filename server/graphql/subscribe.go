package graphql

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

// subscribe sends the events of a tenant as they are committed, each as an answer to the operation.
func (s *Server) subscribe(ctx context.Context, r *request, oc *graphql.OperationContext, p *plan) {
	of := callOf(ctx)
	switch {
	case r.accepts != acceptsEvents:
		s.refuse(of.c, r, refusalList(codeTransport,
			"Subscriptions are sent as server-sent events: send the header Accept: text/event-stream."))
		return
	case of.c.Request.Method == http.MethodHead:
		api.SendFresh(of.c, http.StatusOK, contentTypes[acceptsEvents], nil)
		return
	case p == nil: // __typename alone
		s.execute(ctx, r, oc)
		return
	}
	after, err := eventsAfter(of.c.Request, p.field.ArgumentMap(oc.Variables))
	if err != nil {
		s.fail(ctx, r, p, badInput(err, nil))
		return
	}
	s.metrics.subscriptions.Inc()
	s.api.Follow(of.c, of.tenant, after, func(dst []byte, e *realtime.Event) []byte {
		dst = append(dst, "id: "...)
		dst = e.Position.Append(dst)
		dst = append(dst, "\nevent: next\ndata: {"...)
		begin := len(dst)
		dst = appendPlanned(dst, p, e.JSON(), nil)
		if len(dst) > s.maxBytes {
			dst = append(dst[:begin], s.tooLongEvent()...)
		}
		return append(dst, "}\n\n"...)
	})
}

// eventsAfter is the place after which a subscription begins; nil for now. A client that connects again sends the id of
// the last event that it got in a header.
func eventsAfter(r *http.Request, args map[string]any) (*store.EventPosition, error) {
	text, _ := args["after"].(string)
	last := r.Header["Last-Event-Id"]
	if len(last) > 0 && last[0] != "" {
		text = last[0]
	}
	if text == "" {
		return nil, nil
	}
	at, err := store.ParseEventPosition(text)
	return &at, err
}
