package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/inference"
	"github.com/policycortex/headroom/server/store"
)

// maxQuestion bounds a question in characters, because it is a part of the prompt.
const maxQuestion = 1000

// explanationRequest is the body of a request for an explanation, in which everything may be left out.
type explanationRequest struct {
	Service  *string  `json:"service_name"`
	From     *string  `json:"from"`
	To       *string  `json:"to"`
	Horizon  *int     `json:"horizon"`
	Level    *float64 `json:"level"`
	Question string   `json:"question"`
}

// query is the same request as a query string.
func (r *explanationRequest) query() string {
	var b []byte
	add := func(name, value string) {
		b = append(b, '&')
		b = append(b, name...)
		b = append(b, '=')
		b = appendEscaped(b, value)
	}
	for _, text := range []struct {
		name  string
		value *string
	}{{"service_name", r.Service}, {"from", r.From}, {"to", r.To}} {
		if text.value != nil {
			add(text.name, *text.value)
		}
	}
	if r.Horizon != nil {
		add("horizon", strconv.Itoa(*r.Horizon))
	}
	if r.Level != nil {
		add("level", strconv.FormatFloat(*r.Level, 'g', -1, 64))
	}
	return string(b)
}

// readExplanation reads a request. If ok is false, it has answered it.
func readExplanation(c *gin.Context) (tenant store.ID, req outlookRequest, question string, ok bool) {
	tenant, ok = asked(c, func(query string) error {
		return eachParameter(query, func(string, string) error {
			return errors.New("an explanation takes no query parameters; its body has them")
		})
	})
	if !ok {
		return tenant, req, "", false
	}
	body, ok := readBody(c)
	if !ok {
		return tenant, req, "", false
	}
	var sent explanationRequest
	if len(body) > 0 {
		err := decodeStrictly(body, &sent)
		if err != nil {
			refuse(c, http.StatusBadRequest, "The body must be a JSON object, or empty: "+err.Error())
			return tenant, req, "", false
		}
	}
	req, err := parseOutlook(sent.query(), true)
	if err == nil && len([]rune(sent.Question)) > maxQuestion {
		err = errors.New("the question has more than " + strconv.Itoa(maxQuestion) + " characters")
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return tenant, req, "", false
	}
	return tenant, req, sent.Question, true
}

// postExplanation streams an explanation as chunks of OpenAI's API.
func (a *API) postExplanation(c *gin.Context) {
	began := time.Now()
	tenant, req, question, ok := readExplanation(c)
	if !ok {
		return
	}
	ctx := c.Request.Context()
	leave, err := a.inference.Enter(ctx, tenant)
	if err != nil {
		a.refuseExplanation(c, err)
		return
	}
	defer leave()
	// It is not one of the requests under way any more: the engine bounds their number.
	x := exchangeOf(c)
	a.pipeline.leave(x)
	facts, err := a.facts(ctx, tenant, &req)
	if err != nil {
		a.refuseExplanation(c, err)
		return
	}
	explanation := a.inference.Explain(ctx, facts, question, began)
	defer explanation.Close()
	if ctx.Err() != nil {
		a.refuseExplanation(c, ctx.Err())
		return
	}
	// The server's time limit for reading a request would end it. An error would come again with the first write.
	http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
	header := c.Writer.Header()
	header["Content-Type"] = eventStreamContentType
	header["Cache-Control"] = noStore
	header["X-Accel-Buffering"] = noProxyBuffer
	header["X-Explanation-Source"] = []string{explanation.Source}
	if explanation.Failure != "" {
		header["X-Explanation-Failure"] = []string{explanation.Failure}
	}
	c.Writer.WriteHeader(http.StatusOK)
	c.Writer.WriteHeaderNow()
	a.pipeline.measure(c, x) // until the first piece of text: the rest takes as long as the model and the client do
	err = explanation.Stream(ctx, a.eventSender(c))
	if err != nil {
		panic(http.ErrAbortHandler) // so that what breaks off does not look whole
	}
}

// eventSender returns a function that writes an event and waits until the client's system takes it, for as long as a
// subscriber may take. So a client that reads slowly holds back the model, and no memory.
func (a *API) eventSender(c *gin.Context) func([]byte) error {
	w := underneath(c.Writer)
	control := http.NewResponseController(w)
	return func(event []byte) error {
		err := control.SetWriteDeadline(time.Now().Add(a.streamTimeout))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		_, err = w.Write(event)
		if err != nil {
			return err
		}
		return control.Flush()
	}
}

// facts are those of a question, from the cache if they are there.
func (a *API) facts(ctx context.Context, tenant store.ID, req *outlookRequest) (*inference.Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	entry, _, err := a.cache.Get(ctx, req.key(tenant, ofFacts, true), a.loadCosts)
	if err != nil {
		return nil, err
	}
	facts := new(inference.Facts)
	return facts, json.Unmarshal(entry.Body, facts)
}

func (a *API) refuseExplanation(c *gin.Context, err error) {
	if !errors.Is(err, inference.ErrBusy) {
		a.fail(c, err)
		return
	}
	c.Writer.Header()["Retry-After"] = retrySoon
	refuse(c, http.StatusServiceUnavailable,
		"The server generates as many explanations as it allows, in all or for this tenant. Try again after the time "+
			"in Retry-After.")
}
