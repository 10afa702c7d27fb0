package cache

import "github.com/policycortex/headroom/server/cache/key"

// The names of what a cache keeps are those of package key.
type (
	Kind  = key.Kind
	Key   = key.Key
	Scope = key.Scope
)

// The kinds of values. Those in the plural are collections: their keys have a query and no ID.
const (
	Resource    = key.Resource
	Resources   = key.Resources
	Policy      = key.Policy
	Policies    = key.Policies
	Evaluations = key.Evaluations
	Compliance  = key.Compliance
	Costs       = key.Costs
	Kinds       = key.Kinds // how many there are
)
