package server

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/policycortex/headroom/server/inference"
)

const (
	defaultForecastEvery = time.Minute
	defaultModelName     = "default"
	maxModelTimeout      = 50 * time.Second
	maxExplanations      = 1024
	maxExplanationQueue  = 10_000
	maxExplanationWait   = 30 * time.Second
)

func (o Options) checkExplanations() (faults []error) {
	if o.ForecastEvery < 0 {
		faults = append(faults, errors.New("HEADROOM_FORECAST_EVERY must not be negative"))
	}
	if o.ModelURL != "" {
		err := inference.CheckModelURL(o.ModelURL)
		if err != nil {
			faults = append(faults, fmt.Errorf("HEADROOM_MODEL_URL: %w", err))
		}
	}
	if o.ModelURL == "" && (o.ModelKey != "" || o.ModelName != "" || o.ModelTimeout != 0) {
		faults = append(faults, errors.New("HEADROOM_MODEL_KEY, HEADROOM_MODEL_NAME or HEADROOM_MODEL_TIMEOUT without "+
			"a model server; set HEADROOM_MODEL_URL, for example to http://127.0.0.1:8000/v1"))
	}
	if o.ModelTimeout < 0 || o.ModelTimeout > maxModelTimeout {
		faults = append(faults, fmt.Errorf("HEADROOM_MODEL_TIMEOUT is %s; set it to at most %s, or not at all for %s",
			o.ModelTimeout, maxModelTimeout, inference.DefaultSilence))
	}
	if o.Explanations < 0 || o.Explanations > maxExplanations {
		faults = append(faults, fmt.Errorf("HEADROOM_EXPLANATIONS is %d; set it to at most %d, or not at all for %d",
			o.Explanations, maxExplanations, inference.DefaultRunning))
	}
	if o.ExplanationQueue < 0 || o.ExplanationQueue > maxExplanationQueue {
		faults = append(faults, fmt.Errorf("HEADROOM_EXPLANATION_QUEUE is %d; set it to at most %d, or not at all "+
			"for %d", o.ExplanationQueue, maxExplanationQueue, inference.DefaultQueue))
	}
	if o.ExplanationWait < 0 || o.ExplanationWait > maxExplanationWait {
		faults = append(faults, fmt.Errorf("HEADROOM_EXPLANATION_WAIT is %s; set it to at most %s, or not at all "+
			"for %s", o.ExplanationWait, maxExplanationWait, inference.DefaultWait))
	}
	return faults
}

func (o Options) withExplanations() Options {
	o.ForecastEvery = cmp.Or(o.ForecastEvery, defaultForecastEvery)
	o.Explanations = cmp.Or(o.Explanations, inference.DefaultRunning)
	o.ExplanationQueue = cmp.Or(o.ExplanationQueue, inference.DefaultQueue)
	o.ExplanationWait = cmp.Or(o.ExplanationWait, inference.DefaultWait)
	if o.ModelURL != "" {
		o.ModelName = cmp.Or(o.ModelName, defaultModelName)
		o.ModelTimeout = cmp.Or(o.ModelTimeout, inference.DefaultSilence)
	}
	return o
}

func (o Options) explanations() inference.Options {
	return inference.Options{
		Model:   inference.Model{URL: o.ModelURL, Key: o.ModelKey, Name: o.ModelName, Silence: o.ModelTimeout},
		Running: o.Explanations, Queue: o.ExplanationQueue, Wait: o.ExplanationWait,
	}
}
