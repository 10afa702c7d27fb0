package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/policy"
	"github.com/policycortex/headroom/server/store"
)

// evaluatorOf panics only when the declarations of cel-go and ours exclude each other, which every test would show.
func evaluatorOf(o Options) *policy.Evaluator {
	if o.Evaluator != nil {
		return o.Evaluator
	}
	made, err := policy.NewEvaluator(policy.Limits{})
	if err != nil {
		panic("api: " + err.Error())
	}
	return made
}

func (a *API) ruleRoutes(handle handleFunc) {
	const module, expression = policiesPath + "/:id/module", policiesPath + "/:id/expression"
	handle(http.MethodPut, module, a.putModule)
	handle(http.MethodGet, module, a.getModule)
	handle(http.MethodDelete, module, func(c *gin.Context) { a.deleteRule(c, "module") })
	handle(http.MethodPut, expression, a.putExpression)
	handle(http.MethodDelete, expression, func(c *gin.Context) { a.deleteRule(c, "expression") })
	handle(http.MethodPost, policiesPath+"/:id/evaluate", a.evaluate)
}

// rule is that of a policy's document.
type rule struct {
	Kind       string `json:"kind"`
	Expression string `json:"expression"`
	SHA256     string `json:"sha256"`
}

// ruleField begins the last field of a policy's document. Within a text its quotes would be escaped.
var ruleField = []byte(`,"rule":`)

// ruleOf reads the rule in a policy's document as the store writes it; nil when the policy has none.
func ruleOf(document []byte) (*rule, error) {
	at := bytes.LastIndex(document, ruleField)
	if at < 0 {
		return nil, errors.New("the document of a policy has no field rule")
	}
	var r *rule
	err := json.Unmarshal(document[at+len(ruleField):len(document)-1], &r)
	return r, err
}

// sum is the name of the module.
func (r *rule) sum() (sum policy.Sum, err error) {
	_, err = hex.Decode(sum[:], []byte(r.SHA256))
	return sum, err
}

func (a *API) putModule(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	module, ok := readBody(c)
	if !ok {
		return
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	_, err = a.evaluator.CheckModule(ctx, tenant, module)
	if err != nil {
		a.refuseRule(c, "module", err)
		return
	}
	a.setRule(ctx, c, tenant, store.PolicyRule{Module: module})
}

func (a *API) putExpression(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	body, ok := readBody(c)
	if !ok {
		return
	}
	var sent struct {
		Expression string `json:"expression"`
	}
	err = decodeStrictly(body, &sent)
	if err != nil {
		refuse(c, http.StatusBadRequest, `The body must be {"expression": "…"}: `+err.Error())
		return
	}
	err = a.evaluator.CheckExpression(sent.Expression)
	if err != nil {
		a.refuseRule(c, "expression", err)
		return
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	a.setRule(ctx, c, tenant, store.PolicyRule{Expression: sent.Expression})
}

// deleteRule leaves a policy without a rule, if it has one of the kind.
func (a *API) deleteRule(c *gin.Context, kind string) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	id, ok := a.onePolicy.id(c)
	if !ok {
		return
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	document, err := a.store.AppendPolicy(ctx, nil, tenant, id, store.OnPrimary)
	if err != nil {
		a.onePolicy.refuse(c, err, tenant, id)
		return
	}
	present, err := ruleOf(document)
	if err == nil && (present == nil || present.Kind != kind) {
		refuse(c, http.StatusNotFound, noRuleOf(kind))
		return
	}
	a.setRule(ctx, c, tenant, store.PolicyRule{})
}

func noRuleOf(kind string) string { return fmt.Sprintf("This policy has no %s.", kind) }

// refuseRule answers a rule that was not accepted.
func (a *API) refuseRule(c *gin.Context, kind string, err error) {
	refusal, ok := errors.AsType[*policy.Refusal](err)
	if !ok {
		a.failEvaluation(c, err)
		return
	}
	faults := make([]fieldError, len(refusal.Reasons))
	for i, reason := range refusal.Reasons {
		faults[i] = fieldError{Field: kind, Message: reason}
	}
	refuseFields(c, nothingChanged, faults)
}

// failEvaluation answers an evaluation that did not happen.
func (a *API) failEvaluation(c *gin.Context, err error) {
	if !errors.Is(err, policy.ErrBusy) {
		a.fail(c, err)
		return
	}
	c.Writer.Header()["Retry-After"] = retrySoon
	refuse(c, http.StatusServiceUnavailable,
		"Too many policies are being evaluated or compiled. Try again after the time in Retry-After.")
}

func (a *API) setRule(ctx context.Context, c *gin.Context, tenant store.ID, to store.PolicyRule) {
	id, version, ok := a.onePolicy.meant(ctx, c, tenant)
	if !ok {
		return
	}
	body, committed, err := a.store.SetPolicyRule(ctx, nil, tenant, id, version, to)
	if err != nil {
		a.onePolicy.refuse(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, a.onePolicy.scopes(tenant, id)...)
	sendDocument(c, http.StatusOK, body)
}

// parseMetered reads the query of a module.
func parseMetered(query string) (metered bool, err error) {
	err = eachParameter(query, func(name, value string) error {
		if name == "metered" {
			return setBool(&metered, name, value)
		}
		return unknownParameter(name, "metered")
	})
	return metered, err
}

var wasmContentType, askEachTime = []string{"application/wasm"}, []string{"private, no-cache"}

// getModule sends the module of a policy as it was uploaded, or as this server runs it.
func (a *API) getModule(c *gin.Context) {
	var metered bool
	tenant, ok := asked(c, func(query string) (err error) {
		metered, err = parseMetered(query)
		return err
	})
	if !ok {
		return
	}
	id, ok := a.onePolicy.id(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	present, err := a.ruleThroughCache(ctx, c, tenant, id)
	if err != nil {
		a.refuseEvaluation(c, err, cache.Policy)
		return
	}
	if present == nil || present.Kind != "module" {
		refuse(c, http.StatusNotFound, noRuleOf("module"))
		return
	}
	etag := `"` + present.SHA256 + `"`
	if metered {
		etag = `"metered-` + strconv.FormatInt(a.evaluator.Limits().Time.Nanoseconds(), 36) + "-" +
			strconv.Itoa(a.evaluator.Limits().MemoryPages) + "-" + present.SHA256 + `"`
	}
	header := c.Writer.Header()
	header["Etag"], header["Cache-Control"] = []string{etag}, askEachTime
	if tagMatches(c.Request.Header["If-None-Match"], etag) {
		c.Writer.WriteHeader(http.StatusNotModified)
		return
	}
	sum, err := present.sum()
	var module []byte
	if err == nil {
		module, err = a.loadModule(ctx, tenant, id, sum)
	}
	if err == nil && metered {
		module, err = policy.Meter(module, a.evaluator.Limits())
	}
	if err != nil {
		delete(header, "Etag")
		a.refuseEvaluation(c, err, cache.Policy)
		return
	}
	header["Content-Type"] = wasmContentType
	header["Content-Length"] = []string{strconv.Itoa(len(module))}
	c.Writer.WriteHeader(http.StatusOK)
	writeBody(c.Writer, c.Request, module)
}

// loadModule reads a module from the database. A replica may not have it yet.
func (a *API) loadModule(ctx context.Context, tenant, id store.ID, sum policy.Sum) ([]byte, error) {
	module, err := a.store.PolicyModule(ctx, tenant, id, sum, 0)
	if errors.Is(err, store.ErrNotFound) {
		module, err = a.store.PolicyModule(ctx, tenant, id, sum, store.OnPrimary)
	}
	return module, err
}
