package graphql

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/graphql/model"
	"github.com/policycortex/headroom/server/store"
)

// What belongs to the objects of a list is read for all of them at once, by one statement for each level of a query:
// see [model.Siblings].

const maxLatest = 100

// ofResource are the fields of resources that are other values.
type ofResource struct{ s *Server }

func (r ofResource) LatestEvaluations(ctx context.Context, of *model.Resource, first *int) ([]model.Evaluation, error) {
	limit := 20
	if first != nil {
		limit = *first
	}
	if limit < 1 || limit > maxLatest {
		return nil, &refusal{
			message: fmt.Sprintf("argument first is %d; it must be a number from 1 to %d", limit, maxLatest),
			code:    codeBadInput,
		}
	}
	name := fmt.Sprint("evaluations ", limit)
	all, err := model.Together(of.With, name, func() (map[string][]model.Evaluation, error) {
		found, err := r.s.api.LatestEvaluations(ctx, callOf(ctx).tenant, idsOf(of.With.Texts("id")), limit)
		return evaluationsOf(found), err
	})
	if err != nil {
		return nil, err
	}
	return append([]model.Evaluation{}, all[of.ID().Text()]...), nil
}

// evaluationsOf makes all evaluations siblings, whatever they are of.
func evaluationsOf(found map[store.ID][]byte) map[string][]model.Evaluation {
	with, all := &model.Siblings{}, make(map[string][]model.Evaluation, len(found))
	for _, array := range found {
		model.Elements(array, func(element []byte) bool {
			with.JSON = append(with.JSON, element)
			return true
		})
	}
	for _, json := range with.JSON {
		e := evaluation(json, with)
		of := e.ResourceID().Text()
		all[of] = append(all[of], e)
	}
	return all
}

func (r ofResource) Costs(ctx context.Context, of *model.Resource, _, _, _ *string) ([]model.Cost, error) {
	f := graphql.GetFieldContext(ctx).Field
	parameters := roots["costs"].parameters
	query := queryOf(f.ArgumentMap(graphql.GetOperationContext(ctx).Variables), parameters)
	all, err := model.Together(of.With, "costs "+query, func() (map[store.ID][]byte, error) {
		found, refused, err := r.s.api.CostsOf(ctx, callOf(ctx).tenant, idsOf(of.With.Texts("id")), query)
		if refused != nil {
			return nil, badInput(refused, parameters)
		}
		return found, err
	})
	if err != nil {
		return nil, err
	}
	costs := []model.Cost{}
	id, _ := api.ParseID(of.ID().Text())
	model.Elements(all[id], func(element []byte) bool {
		costs = append(costs, model.Cost{JSON: element})
		return true
	})
	return costs, nil
}

// ofEvaluation are the fields of evaluations that are other values.
type ofEvaluation struct{ s *Server }

func (e ofEvaluation) Resource(ctx context.Context, of *model.Evaluation) (*model.Resource, error) {
	all, err := model.Together(of.With, "resources", func() (map[string]*model.Resource, error) {
		found, err := e.s.objects(ctx, cache.Resource, of.With.Texts("resource_id"))
		if err != nil {
			return nil, err
		}
		with, all := &model.Siblings{}, make(map[string]*model.Resource, len(found))
		for _, json := range found {
			with.JSON = append(with.JSON, json)
			r := resource(json, with)
			all[r.ID().Text()] = &r
		}
		return all, nil
	})
	return all[of.ResourceID().Text()], err
}

func (e ofEvaluation) Policy(ctx context.Context, of *model.Evaluation) (*model.Policy, error) {
	all, err := model.Together(of.With, "policies", func() (map[string]*model.Policy, error) {
		found, err := e.s.objects(ctx, cache.Policy, of.With.Texts("policy_id"))
		all := make(map[string]*model.Policy, len(found))
		for _, json := range found {
			p := model.Policy{JSON: json}
			all[p.ID().Text()] = &p
		}
		return all, err
	})
	return all[of.PolicyID().Text()], err
}

func (s *Server) objects(ctx context.Context, kind cache.Kind, texts []string) (map[store.ID][]byte, error) {
	return s.api.Objects(ctx, kind, callOf(ctx).tenant, idsOf(texts))
}

func idsOf(texts []string) []store.ID {
	ids := make([]store.ID, 0, len(texts))
	for _, text := range texts {
		id, err := api.ParseID(text)
		if err == nil { // it is of our own answer
			ids = append(ids, id)
		}
	}
	return ids
}
