package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// completionIndex is the variable in which Kubernetes gives a pod of an Indexed Job its index, from 0.
const completionIndex = "JOB_COMPLETION_INDEX"

// parseShard reads "i/n", or "/n" with i from the environment; nil for an empty text.
func parseShard(text string) (*results.Shard, error) {
	if text == "" {
		return nil, nil
	}
	index, of, ok := strings.Cut(text, "/")
	from := ""
	if ok && index == "" {
		index = os.Getenv(completionIndex)
		if index == "" {
			return nil, usageError{fmt.Errorf("--shard %s: %s is not set: write --shard 0%s", text,
				completionIndex, text)}
		}
		from = fmt.Sprintf(" with %s=%s", completionIndex, index)
	}
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(of)
	if !ok || errors.Join(err, err2) != nil || n < 1 || i < 0 || i >= n {
		return nil, usageError{fmt.Errorf("--shard %s%s: write i/n for shard i of n, with i from 0: --shard 0/4 to "+
			"--shard 3/4", text, from)}
	}
	return &results.Shard{Index: i, Of: n}, nil
}

// parseStart reads the instant at which a run is to start; the zero time for an empty text.
func parseStart(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, usageError{fmt.Errorf("--start-at %s: write it as %s", text,
			time.Now().Add(time.Minute).UTC().Format(time.RFC3339))}
	}
	if late := time.Since(at); late > 0 {
		return at, usageError{fmt.Errorf("--start-at %s was %v ago", text, late.Round(time.Millisecond))}
	}
	return at, nil
}

// checkShard refuses plans of which a shard cannot be run.
func (r *runner) checkShard(files []loaded) error {
	if (r.shard != nil || !r.startAt.IsZero()) && len(files) > 1 {
		return usageError{errors.New("--shard and --start-at take one scenario file")}
	}
	if r.shard == nil {
		return nil
	}
	plan := files[0].plan
	if plan.Target.URL == "" {
		return usageError{errors.New("--shard needs one service for all shards: set target.url; otherwise each shard " +
			"would start its own reference server")}
	}
	err := checkMerged(plan)
	if err != nil {
		return err
	}
	for _, s := range plan.Scenarios {
		if s.AutoWarmup {
			return usageError{fmt.Errorf("--shard %v: the warmup of scenario %s is auto, so each shard would end it "+
				"at another time: set its length, "+
				"for example --set scenarios.%s.warmup=30s for every shard", r.shard, s.Name, s.Name)}
		}
		if users := s.Load.Workers(); users < r.shard.Of {
			return usageError{fmt.Errorf("--shard %v: scenario %s has %d users or connections (vus, maxVUs), fewer "+
				"than shards", r.shard, s.Name, users)}
		}
	}
	return nil
}

// checkMerged refuses thresholds that a run merged from shards cannot be held against: it does not have what they are
// about.
func checkMerged(plan *scenarios.Plan) error {
	var faults scenarios.Errors
	for _, t := range plan.Thresholds {
		metric, _ := t.Metric.Metric()
		why := ""
		switch metric.From {
		case scenarios.FromGenerator:
			why = "each shard has a generator of its own"
		case scenarios.FromMetrics:
			why = "every shard would count the whole service"
		case scenarios.FromSeconds:
			why = "the percentiles of each second are not known of all requests"
		default:
			continue
		}
		faults = append(faults, scenarios.Error{
			File: plan.Source.File, Line: t.Line, Column: t.Column,
			Message: fmt.Sprintf("%s cannot be judged of a run in shards: %s", t.Name(), why),
			Hint:    "remove the threshold for such runs",
		})
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// judge judges a whole run by its thresholds. Of a shard it judges only the validity.
func (r *runner) judge(m *results.Measurements, thresholds []scenarios.Threshold) (results.Verdict, error) {
	if r.shard != nil {
		return judge.Shard(*r.shard, m, thresholds)
	}
	return judge.Run(m, thresholds)
}
