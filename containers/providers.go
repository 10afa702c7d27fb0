package containers

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const (
	providerAuto     = "auto"
	providerDocker   = "docker"
	providerProcess  = "process"
	providerEmbedded = "embedded"
	providerExternal = "external"
)

// provider is one way to get the servers.
type provider struct {
	name string
	// check finds out, within seconds and without leaving anything behind, whether start can work. It returns a line
	// about what would serve, or an *UnavailableError.
	check func(context.Context, Options) (string, error)
	start func(context.Context, Options) (*Environment, error)
}

// canServe checks the provider, and that it has the balancer and the edge, and regions where they are asked for.
func (p provider) canServe(ctx context.Context, o Options) (string, error) {
	if err := checkRegions(p.name, o); err != nil {
		return "", err
	}
	detail, err := p.check(ctx, o)
	if err == nil {
		err = checkFronts(p.name, o)
	}
	return detail, err
}

// providers are in the order in which auto tries them; external, the last, is never tried.
func providers() []provider {
	return []provider{
		{providerDocker, checkDocker, startDocker},
		{providerProcess, checkProcess, startProcess},
		{providerEmbedded, checkEmbedded, startEmbedded},
		{providerExternal, checkExternal, startExternal},
	}
}

// UnknownProviderError says that Options.Provider names no provider.
type UnknownProviderError struct{ Name string }

func (e *UnknownProviderError) Error() string {
	return fmt.Sprintf("unknown provider %q: use auto, docker, process, embedded or external", e.Name)
}

// UnavailableError says that this machine cannot use a provider.
type UnavailableError struct {
	Provider string
	Detail   string // what is missing
	Todo     string // what to do about it
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("provider %s cannot be used: %s; %s", e.Provider, e.Detail, e.Todo)
}

func providerByName(name string) (provider, error) {
	for _, p := range providers() {
		if p.name == name {
			return p, nil
		}
	}
	return provider{}, &UnknownProviderError{Name: name}
}

// startFirst is provider auto: it starts the first provider that works.
func startFirst(ctx context.Context, o Options) (*Environment, error) {
	var passed []string
	var failures []error
	for _, p := range providers() {
		if p.name == providerExternal {
			continue
		}
		detail, env, err := attempt(ctx, p, o)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("start the environment: %w", context.Cause(ctx))
		}
		if err == nil {
			reason := fmt.Sprintf("auto chose %s (%s)", p.name, detail)
			if len(passed) > 0 {
				reason += "; passed over " + strings.Join(passed, "; ")
			}
			return env.served(o, p.name, reason), nil
		}
		passed = append(passed, p.name+": "+oneLine(err))
		failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
		o.Progress("passed over " + p.name + ": " + oneLine(err))
	}
	return nil, fmt.Errorf("no provider can serve on this machine:\n%w", errors.Join(failures...))
}

// attempt checks and starts one provider. An environment that came up although ctx has ended is stopped.
func attempt(ctx context.Context, p provider, o Options) (detail string, env *Environment, err error) {
	detail, err = p.canServe(ctx, o)
	if err != nil {
		return "", nil, err
	}
	env, err = p.start(ctx, o)
	if err != nil {
		return detail, nil, err
	}
	if ctx.Err() != nil {
		return detail, nil, errors.Join(context.Cause(ctx), env.Stop(ctx))
	}
	return detail, env, nil
}

// oneLine is the text of an error on one line; of an UnavailableError, only what is missing.
func oneLine(err error) string {
	text := err.Error()
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		text = unavailable.Detail
	}
	return strings.Join(strings.Fields(text), " ")
}
