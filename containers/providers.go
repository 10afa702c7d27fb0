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

// provider is one way to come by the servers.
type provider struct {
	name string
	// check finds out, within seconds and without leaving anything behind, whether start can work. It returns a line
	// about what would serve, or an *UnavailableError.
	check func(context.Context, Options) (string, error)
	start func(context.Context, Options) (*Environment, error)
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
type UnknownProviderError struct {
	Name    string // what was asked for
	Nearest string // the provider with the most similar name
}

func (e *UnknownProviderError) Error() string {
	return fmt.Sprintf("unknown provider %q: did you mean %q? (there are auto, docker, process, embedded and external)",
		e.Name, e.Nearest)
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
	nearest, least := providerAuto, editDistance(name, providerAuto)
	for _, p := range providers() {
		if p.name == name {
			return p, nil
		}
		if d := editDistance(name, p.name); d < least {
			nearest, least = p.name, d
		}
	}
	return provider{}, &UnknownProviderError{Name: name, Nearest: nearest}
}

// startFirst is provider auto: the first that can work and does.
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
			return env.served(p.name, reason), nil
		}
		passed = append(passed, p.name+": "+oneLine(err))
		failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
		o.Progress("passed over " + p.name + ": " + oneLine(err))
	}
	return nil, fmt.Errorf("no provider can serve on this machine:\n%w", errors.Join(failures...))
}

// attempt checks and starts one provider. An environment that came up although ctx has ended is stopped.
func attempt(ctx context.Context, p provider, o Options) (detail string, env *Environment, err error) {
	detail, err = p.check(ctx, o)
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

// oneLine is the text of an error for a place that has one line: what is missing if the error knows it.
func oneLine(err error) string {
	text := err.Error()
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		text = unavailable.Detail
	}
	return strings.Join(strings.Fields(text), " ")
}

// editDistance is the Levenshtein distance in bytes (Wagner and Fischer, 1974).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
