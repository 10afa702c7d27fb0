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
	a.putRule(c, tenant, "module", store.PolicyRule{Module: module}, func(ctx context.Context) error {
		_, err := a.evaluator.CheckModule(ctx, tenant, module)
		return err
	})
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
	a.putRule(c, tenant, "expression", store.PolicyRule{Expression: sent.Expression}, func(ctx context.Context) error {
		return a.evaluator.CheckExpression(ctx, tenant, sent.Expression)
	})
}

// putRule checks a rule and makes it the policy's. Checking is what takes time, so that it comes after everything that
// the request can be refused for without it.
func (a *API) putRule(c *gin.Context, tenant store.ID, kind string, to store.PolicyRule,
	check func(context.Context) error,
) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	id, version, ok := a.onePolicy.meant(ctx, c, tenant)
	if !ok {
		return
	}
	_, err := a.store.AppendPolicy(ctx, nil, tenant, id, store.OnPrimary) // meant may not have looked
	if err != nil {
		a.onePolicy.refuse(c, err, tenant, id)
		return
	}
	err = check(ctx)
	if err != nil {
		a.refuseRule(c, kind, err)
		return
	}
	changing, cancelChange := a.changing(c)
	defer cancelChange()
	a.setRule(changing, c, tenant, id, version, to)
}

// deleteRule leaves a policy without a rule, if it has one of the kind.
func (a *API) deleteRule(c *gin.Context, kind string) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	id, version, ok := a.onePolicy.meant(ctx, c, tenant)
	if !ok {
		return
	}
	document, err := a.store.AppendPolicy(ctx, nil, tenant, id, store.OnPrimary)
	if err != nil {
		a.onePolicy.refuse(c, err, tenant, id)
		return
	}
	present, err := ruleOf(document)
	if err == nil && version == store.AnyVersion {
		version, err = policyVersion(document) // in later ones, the rule may be another
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	if present == nil || present.Kind != kind {
		refuse(c, http.StatusNotFound, noRuleOf(kind))
		return
	}
	a.setRule(ctx, c, tenant, id, version, store.PolicyRule{})
}

func noRuleOf(kind string) string { return fmt.Sprintf("This policy has no %s.", kind) }

// refuseRule answers a rule that was not accepted.
func (a *API) refuseRule(c *gin.Context, kind string, err error) {
	if errors.Is(err, policy.ErrSlow) {
		err = &policy.Refusal{Reasons: []string{err.Error()}}
	}
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
	detail := "Too many policies are being evaluated or compiled. Try again after the time in Retry-After."
	switch {
	case c.Request.Context().Err() == nil && errors.Is(err, policy.ErrBusy):
	case c.Request.Context().Err() == nil && errors.Is(err, policy.ErrSlow):
		detail = "The module of this policy took too long to compile. Try again after the time in Retry-After."
	default:
		a.fail(c, err)
		return
	}
	c.Writer.Header()["Retry-After"] = retrySoon
	refuse(c, http.StatusServiceUnavailable, detail)
}

const ruleIsChanging = "The rule of this policy is being changed. Try again."

func (a *API) setRule(ctx context.Context, c *gin.Context, tenant, id store.ID, version int, to store.PolicyRule) {
	body, committed, err := a.store.SetPolicyRule(ctx, nil, tenant, id, version, to)
	switch {
	case errors.Is(err, store.ErrVersion) && c.Request.Header["If-Match"] == nil:
		refuse(c, http.StatusConflict, ruleIsChanging)
		return
	case err != nil:
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
	header := c.Writer.Header()
	etag := a.moduleTag(present, metered)
	if tagMatches(c.Request.Header["If-None-Match"], etag) {
		header["Etag"], header["Cache-Control"] = []string{etag}, askEachTime
		c.Writer.WriteHeader(http.StatusNotModified)
		return
	}
	module, err := a.moduleOf(ctx, tenant, id, present)
	if err == nil && metered {
		module, err = policy.Meter(module, a.evaluator.Limits())
	}
	refusal, refused := errors.AsType[*policy.Refusal](err)
	switch {
	case refused: // the limits were others when it was uploaded
		refuse(c, http.StatusConflict, "This server does not accept the module: "+refusal.Error()+".")
		return
	case err != nil:
		a.refuseEvaluation(c, err, cache.Policy)
		return
	}
	header["Etag"], header["Cache-Control"] = []string{a.moduleTag(present, metered)}, askEachTime
	header["Content-Type"] = wasmContentType
	header["Content-Length"] = []string{strconv.Itoa(len(module))}
	c.Writer.WriteHeader(http.StatusOK)
	writeBody(c.Writer, c.Request, module)
}

// moduleTag is the ETag of a module, which depends on the limits when it is metered.
func (a *API) moduleTag(of *rule, metered bool) string {
	if !metered {
		return `"` + of.SHA256 + `"`
	}
	limits := a.evaluator.Limits()
	return `"metered-` + strconv.FormatInt(limits.Time.Nanoseconds(), 36) + "-" + strconv.Itoa(limits.MemoryPages) +
		"-" + of.SHA256 + `"`
}

// moduleOf reads the module that a rule names. One that was replaced since its policy was read is looked for once more;
// the rule is then the present one.
func (a *API) moduleOf(ctx context.Context, tenant, id store.ID, by *rule) ([]byte, error) {
	sum, err := by.sum()
	if err != nil {
		return nil, err
	}
	module, err := a.loadModule(ctx, tenant, id, sum)
	if !errors.Is(err, store.ErrNotFound) {
		return module, err
	}
	latest, err := a.latestRule(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	*by = *latest
	sum, err = by.sum()
	if err == nil && by.Kind == "module" {
		module, err = a.store.PolicyModule(ctx, tenant, id, sum, store.OnPrimary)
	}
	if by.Kind != "module" || errors.Is(err, store.ErrNotFound) {
		err = store.ErrVersion
	}
	return module, err
}

// latestRule reads the rule of a policy in the primary. It returns [store.ErrVersion] when there is none.
func (a *API) latestRule(ctx context.Context, tenant, id store.ID) (*rule, error) {
	present, err := a.store.AppendPolicy(ctx, nil, tenant, id, store.OnPrimary)
	if err != nil {
		return nil, err
	}
	latest, err := ruleOf(present)
	if err == nil && latest == nil {
		err = store.ErrVersion
	}
	return latest, err
}

// loadModule reads a module from the database. A replica may not have it yet.
func (a *API) loadModule(ctx context.Context, tenant, id store.ID, sum policy.Sum) ([]byte, error) {
	module, err := a.store.PolicyModule(ctx, tenant, id, sum, 0)
	if errors.Is(err, store.ErrNotFound) {
		module, err = a.store.PolicyModule(ctx, tenant, id, sum, store.OnPrimary)
	}
	return module, err
}
