package containers

import (
	"context"
	"errors"
	"time"
)

// probeLimit bounds Probe.
const probeLimit = 5 * time.Second

// Status says whether this machine can use a provider.
type Status struct {
	Provider string
	OK       bool
	Detail   string // what would serve, or what is missing
	Todo     string // what to do when not OK
}

// Probe checks every provider without starting a server, and returns within five seconds. The order is that of provider
// auto, with external last.
func Probe(ctx context.Context, o Options) []Status {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	o, err := o.withDefaults()
	var answers []chan Status
	for _, p := range providers() {
		answer := make(chan Status, 1)
		answers = append(answers, answer)
		if err != nil {
			answer <- Status{Provider: p.name, Detail: err.Error(), Todo: "correct the options"}
			continue
		}
		go func() { answer <- probe(ctx, p, o) }()
	}
	var all []Status
	for i, p := range providers() {
		select {
		case s := <-answers[i]:
			all = append(all, s)
		case <-ctx.Done():
			all = append(all, Status{
				Provider: p.name, Detail: "no answer within " + probeLimit.String(),
				Todo: "find out why it hangs, or use another provider",
			})
		}
	}
	return all
}

func probe(ctx context.Context, p provider, o Options) Status {
	detail, err := p.canServe(ctx, o)
	if err == nil {
		return Status{Provider: p.name, OK: true, Detail: detail}
	}
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		return Status{Provider: p.name, Detail: unavailable.Detail, Todo: unavailable.Todo}
	}
	return Status{Provider: p.name, Detail: err.Error(), Todo: "use another provider"}
}
