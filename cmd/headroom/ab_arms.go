package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/loadgen/paired"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// arms are the two versions of an experiment, ready to be started, and what they need.
type arms struct {
	base, head arm
	restart    bool  // they are started by us, anew for each block
	cpus       []int // that their processes are kept on; nil: all
	keys       func(name string) (request.KeySet, error)
	reference  *referenceArms // nil where the arms are not the reference server
	dir        string         // of the experiment, for logs
	own        results.Environment

	work      *containers.TempDir // for what is built; nil where nothing is
	checkouts []*containers.Checkout
}

// arm is one of them.
type arm struct {
	name   experiment.Arm
	record results.ArmRecord
	// program and source are a version of the reference server and the checkout that it was built from; empty for
	// any other service.
	program, source string
	// launch starts it; nil for one that runs.
	launch func(ctx context.Context) (*paired.Instance, error)
}

// prepareArms finds out what the arms are, and builds what is to be built. What was made when it fails is removed.
func (x *experimenter) prepareArms(ctx context.Context, plan *scenarios.Plan, dir string) (_ *arms, err error) {
	e := plan.Experiment
	a := &arms{
		base: arm{name: experiment.Base}, head: arm{name: experiment.Head}, dir: dir,
		own: environmentOf(),
	}
	a.own.Own = true
	defer func() {
		if err != nil {
			err = errors.Join(err, a.stop(ctx))
		}
	}()
	kind, err := kindOf(e, plan)
	if err != nil {
		return nil, usageError{err}
	}
	switch kind {
	case kindURL:
		if err := measurableByURL(e.Regressions); err != nil {
			return nil, usageError{err}
		}
		a.own.Target = e.Base.URL
		err = errors.Join(a.base.isAt(ctx, plan, e.Base.URL), a.head.isAt(ctx, plan, e.Head.URL))
		return a, err
	case kindCommand:
		a.restart = true
		a.isCommand(&a.base, e, e.Base.Command, "")
		a.isCommand(&a.head, e, e.Head.Command, "")
		return a, nil
	case kindImage:
		a.restart = true
		a.base.isImage(e, e.Base.Image, filepath.Join(dir, "base.log"))
		a.head.isImage(e, e.Head.Image, filepath.Join(dir, "head.log"))
		say := func(m string) { fmt.Fprintln(x.progress, m) }
		return a, containers.PullImages(ctx, say, e.Base.Image, e.Head.Image) // so that no block takes the time
	}
	a.restart = true
	return a, x.prepareRevisions(ctx, a, plan)
}

// The kinds of arms.
const (
	kindRevision = "revision"
	kindTree     = "working tree"
	kindCommand  = "command"
	kindImage    = "image"
	kindURL      = "url"
)

// kindOf is what both arms are. Only revisions have defaults.
func kindOf(e scenarios.Experiment, plan *scenarios.Plan) (string, error) {
	base, head := kindOfArm(e.Base), kindOfArm(e.Head)
	switch {
	case base == "" && head == "":
	case base == "" && head == kindRevision, head == "" && base == kindRevision:
	case base != head:
		return "", fmt.Errorf("the base is %s and the head is %s: give both as revisions, as commands, as images, "+
			"or as URLs", orNothing(base), orNothing(head))
	default:
		if base != kindRevision {
			return base, nil
		}
	}
	if plan.Target.URL != "" && e.Command == "" {
		return "", errors.New("nothing says how the two versions of the service are started: give two running ones " +
			"with --base-url and --head-url, commands that start them with --base-command and --head-command, images " +
			"with --base-image and --head-image, or experiment.command in the scenario, which starts a revision")
	}
	return kindRevision, nil
}

func orNothing(kind string) string {
	if kind == "" {
		return "not given"
	}
	return "a " + kind
}

func kindOfArm(a scenarios.Arm) string {
	switch {
	case a.URL != "":
		return kindURL
	case a.Command != "":
		return kindCommand
	case a.Image != "":
		return kindImage
	case a.Revision != "":
		return kindRevision
	}
	return ""
}

// measurableByURL refuses gates on what nobody can know of a service at a URL.
func measurableByURL(gates []scenarios.Regression) error {
	for _, g := range gates {
		if g.Metric == scenarios.CPUPerRequest || g.Metric == scenarios.InstructionsPerRequest {
			return fmt.Errorf("the gate %s %s cannot be measured of services at URLs: remove it, or give commands, "+
				"images or revisions, whose processes are known", g.Name(), g.Source)
		}
	}
	return nil
}

// isAt makes the arm a service that runs.
func (a *arm) isAt(ctx context.Context, plan *scenarios.Plan, url string) error {
	a.record = results.ArmRecord{Kind: kindURL, Label: url, URL: url}
	there := *plan
	there.Target.URL = url
	return reachable(ctx, &there)
}

// isCommand makes an arm a service that a command line starts in a directory.
func (a *arms) isCommand(arm *arm, e scenarios.Experiment, command, dir string) {
	arm.record.Command = command
	if arm.record.Kind == "" {
		arm.record.Kind, arm.record.Label = kindCommand, command
	}
	arm.launch = func(ctx context.Context) (*paired.Instance, error) {
		s, err := containers.StartService(ctx, containers.ServiceSpec{
			Command: command, Dir: dir, Ready: e.Ready, ReadyWithin: e.ReadyWithin,
			Log: filepath.Join(a.dir, string(arm.name)+".log"),
		})
		if err != nil {
			return nil, err
		}
		i := &paired.Instance{URL: s.URL, Stop: s.Stop, Allocated: allocations(ctx, s.URL)}
		return i, a.observe(i, s.Pid())
	}
}

// observe keeps the process of an arm on its CPUs and counts what it takes, where the system can.
func (a *arms) observe(i *paired.Instance, pid int) error {
	if _, err := containers.CPUTime(pid); err == nil {
		i.CPU = func() (time.Duration, error) { return containers.CPUTime(pid) }
	}
	countInstructions(i, pid)
	if a.cpus == nil {
		return nil
	}
	return containers.Pin(pid, a.cpus)
}

// separate keeps the generator on one half of the CPUs and the arms that it starts on the other, so that the kernel
// does not move them about. The function that it returns ends that for the generator.
func (a *arms) separate() (together func() error, err error) {
	generator, arms, ok := containers.Halves()
	if kind := a.base.record.Kind; !ok || kind == kindURL || kind == kindImage {
		return func() error { return nil }, nil
	}
	a.cpus = arms
	return func() error { return containers.Pin(os.Getpid(), append(generator, arms...)) },
		containers.Pin(os.Getpid(), generator)
}

// isImage makes the arm a service in a container.
func (a *arm) isImage(e scenarios.Experiment, image, log string) {
	a.record = results.ArmRecord{Kind: kindImage, Label: image, Image: image}
	a.launch = func(ctx context.Context) (*paired.Instance, error) {
		s, err := containers.StartImage(ctx, containers.ImageSpec{
			Image: image, Arguments: e.Command, Ready: e.Ready, ReadyWithin: e.ReadyWithin, Log: log,
		})
		if err != nil {
			return nil, err
		}
		i := &paired.Instance{URL: s.URL, Stop: s.Stop, CPU: s.CPUTime, Allocated: allocations(ctx, s.URL)}
		if _, err := s.CPUTime(); err != nil { // of an engine elsewhere
			i.CPU = nil
		}
		return i, nil
	}
}

// countInstructions counts the instructions of an arm until it is stopped, where the machine can.
func countInstructions(i *paired.Instance, pid int) {
	c, err := containers.CountInstructions(pid)
	if err != nil {
		return
	}
	stop := i.Stop
	i.Instructions = c.Count
	i.Stop = func(ctx context.Context) error { return errors.Join(c.Close(), stop(ctx)) }
}

// allocations asks what Go has allocated in a service; nil where the service does not say.
func allocations(ctx context.Context, url string) func(context.Context) (bytes, objects int64, err error) {
	if _, _, err := containers.Allocated(ctx, url); err != nil {
		return nil
	}
	return func(ctx context.Context) (bytes, objects int64, err error) { return containers.Allocated(ctx, url) }
}

// start starts an arm, or gives the one that runs.
func (a *arms) start(ctx context.Context, name experiment.Arm) (*paired.Instance, error) {
	arm := &a.base
	if name == experiment.Head {
		arm = &a.head
	}
	if arm.launch == nil {
		return &paired.Instance{URL: arm.record.URL, Allocated: allocations(ctx, arm.record.URL)}, nil
	}
	return arm.launch(ctx)
}

// processes says where the processes of the arms are.
func (a *arms) processes() results.Processes {
	switch {
	case a.reference != nil:
		return a.reference.processes()
	case a.base.record.Kind == kindCommand, a.base.record.Kind == kindRevision, a.base.record.Kind == kindTree:
		return results.ProcessesChildren
	case a.base.record.Kind == kindURL && elsewhere(a.base.record.URL) && elsewhere(a.head.record.URL):
		return results.ProcessesElsewhere
	}
	return results.ProcessesUnknown
}

// onThisMachine says whether the arms share the machine with the generator.
func (a *arms) onThisMachine() bool {
	return a.base.record.Kind != kindURL || isLocal(a.base.record.URL) || isLocal(a.head.record.URL)
}

// environmentRecord is what the experiment ran on.
func (a *arms) environmentRecord() results.Environment {
	if a.reference != nil {
		return a.reference.record
	}
	return a.own
}

func (a *arms) warnings() []string {
	if a.reference != nil {
		return a.reference.warnings()
	}
	return nil
}

// stop removes what was made for the arms. The arms themselves have been stopped.
func (a *arms) stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var faults []error
	if a.reference != nil {
		faults = append(faults, a.reference.stop(ctx))
	}
	for _, c := range a.checkouts {
		faults = append(faults, c.Remove(ctx))
	}
	if a.work != nil {
		faults = append(faults, a.work.Remove(ctx))
	}
	return errors.Join(faults...)
}
