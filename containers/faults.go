package containers

import (
	"context"
	"errors"
	"fmt"
)

// Target names a server of an environment.
type Target string

// The servers that faults can be injected into.
const (
	TargetPrimary Target = "primary"
	TargetReplica Target = "replica"
	TargetCache   Target = "cache"
	// TargetBalancer and TargetEdge are watched like the others. No scenario asks for faults of them alone; a region
	// loses its edge, see EdgeTarget.
	TargetBalancer Target = "balancer"
	TargetEdge     Target = "edge"
)

// Action is what a fault does to a server.
type Action string

// The faults, and their ends.
const (
	// ActionKill ends a server at once, as a crash or a loss of power does. Clients see their connections closed.
	ActionKill Action = "kill"
	// ActionPause freezes a server with its connections open: nothing is answered, and nothing is refused until the
	// system's queue of connections is full.
	ActionPause Action = "pause"
	// ActionResume lets a paused server go on.
	ActionResume Action = "resume"
	// ActionRestart starts a server again at the same address, after killing it if it still runs. A cache comes back
	// empty; a database recovers, and a replica goes on streaming where it was.
	ActionRestart Action = "restart"
)

// faultable is a server that faults can be injected into. Each method returns when the fault is there: after a kill
// nothing of the server runs, after a restart it answers.
type faultable interface {
	kill(ctx context.Context) error
	pause(ctx context.Context) error
	resume(ctx context.Context) error
	restart(ctx context.Context) error
	// incidents returns what has happened to the server and was not caused by these methods.
	incidents(ctx context.Context, ask bool) []string
}

// CheckFault returns nil if Fault can inject faults into a target, and otherwise an error that says why it cannot.
func (e *Environment) CheckFault(target Target, action Action) error {
	e.faultMutex.Lock()
	defer e.faultMutex.Unlock()
	_, err := e.fault(target, action)
	return err
}

// Fault injects a fault into a server that Start started, and returns when it has happened: it waits until a killed
// server is gone, and until one that was started again answers. It is safe to call while the servers are in use; two
// calls do not overlap. Servers of the provider external, which are somebody else's, are left alone.
func (e *Environment) Fault(ctx context.Context, target Target, action Action) error {
	e.faultMutex.Lock()
	defer e.faultMutex.Unlock()
	inject, err := e.fault(target, action)
	if err != nil {
		return err
	}
	edge := e.edgeAt(target)
	if edge != nil && (action == ActionKill || action == ActionRestart) {
		edge.falls(ctx)
	}
	if err := inject(ctx); err != nil {
		return fmt.Errorf("fault %s of the %s: %w", action, target, err)
	}
	if edge != nil && action == ActionRestart {
		edge.rises()
	}
	return nil
}

// fault finds what injects a fault.
func (e *Environment) fault(target Target, action Action) (func(context.Context) error, error) {
	refuse := func(why string) error { return fmt.Errorf("fault %s of the %s: %s", action, target, why) }
	server, ok := e.servers[target]
	switch {
	case !ok && target != TargetPrimary && target != TargetReplica && target != TargetCache:
		return nil, refuse("there is no such target: use primary, replica or cache")
	case !ok && e.Provider == providerExternal:
		return nil, refuse("provider external did not start the server, so it cannot inject faults into it")
	case !ok && target == TargetReplica && e.ReplicaURL == "":
		return nil, refuse("the environment has no replica")
	case !ok:
		return nil, refuse("provider " + e.Provider + " cannot inject faults into it; use provider process or docker")
	}
	if _, inside := server.(miniredisServer); inside && (action == ActionPause || action == ActionResume) {
		return nil, refuse(errMiniredisPause.Error())
	}
	switch action {
	case ActionKill:
		return server.kill, nil
	case ActionPause:
		return server.pause, nil
	case ActionResume:
		return server.resume, nil
	case ActionRestart:
		return server.restart, nil
	}
	return nil, refuse("there is no such action: use kill, pause, resume or restart")
}

// breakable registers a server for Fault.
func (e *Environment) breakable(target Target, server faultable) {
	if e.servers == nil {
		e.servers = map[Target]faultable{}
	}
	e.servers[target] = server
}

// errNotPaused means that a server cannot be resumed because it is not paused.
var errNotPaused = errors.New("it is not paused")
