package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/policy"
	"github.com/policycortex/headroom/server/store"
)

// evaluateRequest asks for the evaluation of a stored resource, or of a document.
type evaluateRequest struct {
	ResourceID *uuid.UUID      `json:"resource_id"`
	Resource   json.RawMessage `json:"resource"`
	Record     bool            `json:"record"`
}

func (q *evaluateRequest) faults() (faults []fieldError) {
	fault := func(field, message string) {
		faults = append(faults, fieldError{Field: field, Message: message})
	}
	document := len(q.Resource) > 0 && string(q.Resource) != "null"
	switch {
	case q.ResourceID == nil && !document:
		fault("resource_id", "give a resource_id, or a resource")
	case q.ResourceID != nil && document:
		fault("resource", "give either a resource_id or a resource")
	case document && q.Resource[0] != '{':
		fault("resource", "resource is not a JSON object")
	case document && q.Record:
		fault("record", "only the result of a stored resource can be recorded; give its resource_id")
	}
	return faults
}

// evaluated is the answer to an evaluation.
type evaluated struct {
	PolicyID   uuid.UUID  `json:"policy_id"`
	ResourceID *uuid.UUID `json:"resource_id"`
	Rule       string     `json:"rule"`
	policy.Result
	Recorded bool `json:"recorded"`
}

// evaluate evaluates a resource by the rule of a policy.
func (a *API) evaluate(c *gin.Context) {
	tenant, request, ok := a.readEvaluate(c)
	if !ok {
		return
	}
	id, ok := a.onePolicy.id(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	document := []byte(request.Resource)
	if request.ResourceID != nil {
		key := cache.Key{Kind: cache.Resource, Tenant: tenant, ID: *request.ResourceID}
		entry, err := a.lookUp(ctx, c, key, a.loadResource)
		if err != nil {
			a.refuseEvaluation(c, err, cache.Resource)
			return
		}
		document = entry.Body
	}
	present, err := a.ruleThroughCache(ctx, c, tenant, id)
	if err != nil {
		a.refuseEvaluation(c, err, cache.Policy)
		return
	}
	if present == nil {
		refuse(c, http.StatusConflict,
			"This policy has neither a module nor an expression to evaluate by. Give it one by PUT.")
		return
	}
	result, err := a.evaluateBy(ctx, tenant, id, present, document)
	if err != nil {
		a.refuseEvaluation(c, err, cache.Policy)
		return
	}
	answer := evaluated{PolicyID: id, ResourceID: request.ResourceID, Rule: present.Kind, Result: result}
	if request.Record {
		answer.Recorded = a.recordResult(c, tenant, &answer)
		if !answer.Recorded {
			return
		}
	}
	sendJSON(c, http.StatusOK, &answer)
}

// readEvaluate reads the request. If ok is false, it has answered it.
func (a *API) readEvaluate(c *gin.Context) (tenant store.ID, request evaluateRequest, ok bool) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return tenant, request, false
	}
	body, ok := readBody(c)
	if !ok {
		return tenant, request, false
	}
	err = decodeStrictly(body, &request)
	if err != nil {
		refuse(c, http.StatusBadRequest,
			`The body must be {"resource_id": "…"} or {"resource": {…}}, with "record" or without: `+err.Error())
		return tenant, request, false
	}
	faults := request.faults()
	if faults != nil {
		refuseFields(c, "Nothing was evaluated. errors lists what is wrong, by field.", faults)
		return tenant, request, false
	}
	return tenant, request, true
}

// lookUp gets a value through the cache. The answer's headers tell of the last one that was looked up.
func (a *API) lookUp(ctx context.Context, c *gin.Context, key cache.Key, load cache.LoadFunc) (*cache.Entry, error) {
	began := now()
	entry, level, err := a.cache.Get(ctx, key, load)
	x := exchangeOf(c)
	x.level, x.lookedUp, x.lookup = level, true, now()-began
	return entry, err
}

// ruleThroughCache returns the rule of a policy; nil when it has none.
func (a *API) ruleThroughCache(ctx context.Context, c *gin.Context, tenant, id store.ID) (*rule, error) {
	entry, err := a.lookUp(ctx, c, cache.Key{Kind: cache.Policy, Tenant: tenant, ID: id}, a.loadPolicy)
	if err != nil {
		return nil, err
	}
	return ruleOf(entry.Body)
}

// evaluateBy evaluates a document and measures it. A module that was replaced since its policy was read is looked for
// once more.
func (a *API) evaluateBy(ctx context.Context, tenant, id store.ID, by *rule, document []byte) (policy.Result, error) {
	result, err := a.evaluateOnce(ctx, tenant, id, by, document)
	if !errors.Is(err, store.ErrNotFound) {
		return result, err
	}
	latest, err := a.latestRule(ctx, tenant, id)
	if err != nil {
		return result, err
	}
	*by = *latest
	result, err = a.evaluateOnce(ctx, tenant, id, by, document)
	if errors.Is(err, store.ErrNotFound) {
		err = store.ErrVersion
	}
	return result, err
}

func (a *API) evaluateOnce(ctx context.Context, tenant, id store.ID, by *rule, document []byte) (result policy.Result,
	err error,
) {
	began := time.Now()
	switch by.Kind {
	case "expression":
		result, err = a.evaluator.EvaluateExpression(ctx, tenant, by.Expression, document)
	case "module":
		sum, decodeErr := by.sum()
		if decodeErr != nil {
			return result, decodeErr
		}
		result, err = a.evaluator.EvaluateModule(ctx, tenant, sum, func(ctx context.Context) ([]byte, error) {
			return a.loadModule(ctx, tenant, id, sum)
		}, document)
	default:
		err = fmt.Errorf("a policy has a rule of the kind %q", by.Kind)
	}
	if err == nil {
		a.metrics.policies.observe(by.Kind, result.Result, time.Since(began))
	}
	return result, err
}

// refuseEvaluation answers an evaluation that failed for another reason than its rule. kind is what may be missing.
func (a *API) refuseEvaluation(c *gin.Context, err error, kind cache.Kind) {
	switch {
	case errors.Is(err, cache.ErrNotFound), errors.Is(err, store.ErrNotFound):
		refuse(c, http.StatusNotFound, nothingThere[kind])
	case errors.Is(err, store.ErrVersion):
		refuse(c, http.StatusConflict, ruleIsChanging)
	default:
		a.failEvaluation(c, err)
	}
}

// recordResult adds a result to the history. If it returns false, it has answered the request.
func (a *API) recordResult(c *gin.Context, tenant store.ID, of *evaluated) bool {
	gone := c.Request.Context().Err()
	if gone != nil { // what nobody has seen is not recorded
		a.fail(c, gone)
		return false
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	scopes := statusScopes(tenant, []store.ID{*of.ResourceID})
	committed, err := a.store.RecordEvaluations(ctx, tenant, []store.Evaluation{{
		ResourceID: *of.ResourceID, PolicyID: of.PolicyID, Result: of.Result.Result,
	}})
	invalid, refused := errors.AsType[*store.ValidationError](err)
	switch {
	case refused: // resource or policy were deleted since they were read
		refuseFields(c, "Nothing was recorded. errors lists what is wrong, by field.", faultsOfOne(invalid.Faults))
	case err != nil:
		a.invalidateInDoubt(ctx, scopes...)
		a.fail(c, err)
	default:
		a.invalidate(ctx, committed, scopes...)
	}
	return err == nil
}
