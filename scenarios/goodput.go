package scenarios

import (
	"slices"
	"time"
)

// Goodput are the limits of a streamed completion. What meets both is what counts for its users: see DistServe (Zhong
// et al., OSDI 2024), whose definition vLLM's benchmarks have too.
type Goodput struct {
	// FirstToken is the longest time from the instant at which the request is due to its first token.
	FirstToken time.Duration `json:"first_token_ns"`
	// TokenTime is the longest mean time of each token after the first.
	TokenTime time.Duration `json:"token_time_ns"`
}

// Meets reports whether an answer of so many tokens, timed from when its request was due, meets both limits. The mean
// time of a token is that from the first to the last, divided by the number of tokens but for the first.
func (g *Goodput) Meets(first, last time.Duration, tokens int64) bool {
	if tokens < 1 || first > g.FirstToken {
		return false
	}
	return tokens == 1 || (last-first)/time.Duration(tokens-1) <= g.TokenTime
}

// goodput reads the limits of a request whose answers are streamed as completions.
func (r *reader) goodput(n *node, stream Streaming) *Goodput {
	if n == nil {
		return nil
	}
	if stream != StreamOpenAI {
		r.fault(n, "add stream: openai", "%s is for streamed completions, which have tokens", n.path)
	}
	limit := func(key string) time.Duration {
		at := n.get(key)
		if at == nil {
			r.missing(n, key, key+": 500ms")
			return 0
		}
		d, _ := r.positiveDuration(at)
		return d
	}
	return &Goodput{FirstToken: limit("firstToken"), TokenTime: limit("tokenTime")}
}

// goodputSelector holds a metric of goodput against the requests that have limits.
func (r *reader) goodputSelector(e entry, metric Metric, plan *Plan) {
	for _, s := range plan.Scenarios {
		if slices.ContainsFunc(s.Requests, func(q Request) bool { return q.Goodput != nil }) {
			return
		}
	}
	if !r.vague {
		r.faultAt(e.at, "add goodput: {firstToken: 500ms, tokenTime: 50ms} to one",
			"%s judges answers by the limits of their requests, and no request has any", metric.Name)
	}
}
