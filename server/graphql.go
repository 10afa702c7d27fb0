package server

import (
	"fmt"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql"
)

// mountGraphQL adds GraphQL to the API.
func mountGraphQL(o Options, handler *api.API) error {
	g := graphql.Options{
		API: handler, Logger: o.Logger, MaxDepth: o.GraphQLMaxDepth, MaxCost: o.GraphQLMaxCost,
		MaxBytes: o.GraphQLMaxBytes, NoIntrospection: !o.GraphQLIntrospection,
	}
	var err error
	if o.GraphQLRegistered != "" {
		g.Registered, err = graphql.ReadRegistered(o.GraphQLRegistered)
	}
	if err == nil {
		err = graphql.Mount(g)
	}
	if err != nil {
		return fmt.Errorf("HEADROOM_GRAPHQL_REGISTERED: %w", err)
	}
	return nil
}
