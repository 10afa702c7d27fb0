package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/fixtures"
	"github.com/policycortex/headroom/loadgen/paired"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// prepareRevisions checks out and builds the arms that are revisions. Where the scenario has no target of its own, the
// revisions are of the reference server.
func (x *experimenter) prepareRevisions(ctx context.Context, a *arms, plan *scenarios.Plan) error {
	e := plan.Experiment
	changed := false
	if e.Head.Revision == "" {
		var err error
		changed, err = containers.Changed(ctx, ".", true, x.written(a.dir)...)
		if err != nil {
			return usageError{err}
		}
	}
	base, err := baseRevision(ctx, e.Base.Revision, e.Head.Revision, changed)
	if err != nil {
		return err
	}
	a.work, err = containers.NewTempDir(ctx)
	if err != nil {
		return err
	}
	reference := plan.Target.URL == "" && e.Command == ""
	for _, arm := range []struct {
		*arm
		revision string
	}{{&a.base, base}, {&a.head, e.Head.Revision}} {
		dir, err := a.checkOut(ctx, arm.arm, arm.revision, changed)
		if err != nil {
			return err
		}
		fmt.Fprintf(x.progress, "%s: %s\n", arm.name, arm.record.Label)
		program := filepath.Join(a.work.Path, string(arm.name))
		build := e.Build
		if reference {
			if _, err := migrations(dir); err != nil {
				return err
			}
			// Without -trimpath the names of directories are part of what Go compiles, so that its cache has nothing
			// for a new checkout.
			build = "go build -trimpath -o '" + strings.ReplaceAll(program, "'", `'\''`) + "' ./cmd/headroom"
		}
		if build != "" {
			fmt.Fprintf(x.progress, "building the %s\n", arm.name)
			if err := containers.Build(ctx, dir, build, program+".log"); err != nil {
				return fmt.Errorf("the %s: %w", arm.name, err)
			}
		}
		if reference {
			arm.program, arm.source = program, dir
		} else {
			a.isCommand(arm.arm, e, e.Command, dir)
		}
	}
	if !reference {
		return nil
	}
	return x.startReferenceArms(ctx, a, plan)
}

// resultsDir is where everything is saved unless flags say otherwise.
const resultsDir = "results"

// written are the paths that Headroom itself writes: what is there is no change of the code.
func (x *experimenter) written(dir string) []string {
	paths := []string{resultsDir, dir}
	for _, t := range x.export.targets {
		paths = append(paths, t.files()...)
	}
	return paths
}

// baseRevision is the revision of the base: as given, or the commit at which the head left the default branch. changed
// says that the working tree, the head without a revision, has changes.
func baseRevision(ctx context.Context, base, head string, changed bool) (string, error) {
	if base != "" {
		return base, nil
	}
	branch, err := containers.DefaultBranch(ctx, ".")
	if err != nil {
		return "", usageError{fmt.Errorf("find the base: %w; name it with --base", err)}
	}
	tip := head
	if tip == "" {
		tip = "HEAD"
	}
	base, err = containers.MergeBase(ctx, ".", branch, tip)
	if err != nil {
		return "", usageError{fmt.Errorf("find the base: %w; name it with --base", err)}
	}
	revision, _, err := containers.ResolveRevision(ctx, ".", tip)
	if err != nil {
		return "", usageError{err}
	}
	if revision == base && (head != "" || !changed) {
		return "", usageError{fmt.Errorf("there is nothing to compare: %s is on %s, and has no changes; name the "+
			"base, for example --base HEAD~1", orTree(head), branch)}
	}
	return base, nil
}

func orTree(head string) string {
	if head == "" {
		return "the working tree"
	}
	return head
}

// checkOut gives the arm's record its revision, and returns the directory that has it. changed says that the working
// tree, which an empty revision means, has changes.
func (a *arms) checkOut(ctx context.Context, arm *arm, revision string, changed bool) (dir string, err error) {
	if revision == "" {
		hash, subject, err := containers.ResolveRevision(ctx, ".", "HEAD")
		if err != nil {
			return "", usageError{err}
		}
		arm.record = results.ArmRecord{
			Kind: kindTree, Label: "the working tree, at " + abbreviated(hash), Revision: hash, Subject: subject,
			Dirty: changed,
		}
		if changed {
			arm.record.Label += " with changes"
		}
		return ".", nil
	}
	c, err := containers.CheckOut(ctx, ".", revision)
	if err != nil {
		return "", usageError{err}
	}
	a.checkouts = append(a.checkouts, c)
	label := abbreviated(c.Revision) + " " + c.Subject
	if !strings.HasPrefix(c.Revision, revision) {
		label = revision + ", " + label
	}
	arm.record = results.ArmRecord{Kind: kindRevision, Label: label, Revision: c.Revision, Subject: c.Subject}
	prefix, err := containers.Prefix(ctx, ".")
	return filepath.Join(c.Dir, prefix), err
}

// abbreviated is a hash as git abbreviates it.
func abbreviated(hash string) string { return hash[:min(len(hash), 9)] }

// referenceArms are two versions of the reference server with the servers that they need.
type referenceArms struct {
	environments map[experiment.Arm]*containers.Environment // the same one, unless the migrations differ
	record       results.Environment
	latest       map[experiment.Arm]*referenceServer
}

// startReferenceArms starts Postgres and the cache, loads the fixture, and says how the arms are started.
func (x *experimenter) startReferenceArms(ctx context.Context, a *arms, plan *scenarios.Plan) error {
	a.reference = &referenceArms{
		environments: map[experiment.Arm]*containers.Environment{}, record: environmentOf(),
		latest: map[experiment.Arm]*referenceServer{},
	}
	alike := a.base.program == a.head.program
	if !alike {
		var err error
		alike, err = sameMigrations(a.base.source, a.head.source)
		if err != nil {
			return err
		}
	}
	if !alike && x.postgres != "" {
		return usageError{errors.New(
			"the migrations of the base and the head differ, so each needs a Postgres of its " +
				"own, and --postgres gives one: leave out --postgres and --cache")}
	}
	if !alike {
		fmt.Fprintln(x.progress, "the arms' migrations differ: each arm gets a Postgres and a cache of its own")
	}
	a.keys = fixtureKeys(fixtures.Options{Seed: plan.Seed, Resources: plan.Environment.Resources})
	settings := settingVariables(plan)
	for i, arm := range []*arm{&a.base, &a.head} {
		environment := a.reference.environments[experiment.Base]
		if i == 0 || !alike {
			var err error
			environment, err = x.startEnvironment(ctx, arm, plan)
			if environment != nil {
				a.reference.environments[arm.name] = environment
			}
			if err != nil {
				return roomHint(err)
			}
		}
		a.reference.environments[arm.name] = environment
		variables := slices.Concat(addressVariables(environment), settings)
		if i == 1 && alike {
			other, err := otherCache(environment.CacheURL)
			if err != nil {
				return err
			}
			variables = append(variables, "HEADROOM_CACHE_URL="+other)
		}
		arm.launch = func(ctx context.Context) (*paired.Instance, error) {
			return a.launchReference(ctx, arm, slices.Concat(variables, x.extra[arm.name]))
		}
	}
	a.reference.describe(plan, settings)
	return nil
}

// startEnvironment starts the servers and has the arm's own program load the fixture, with its own migrations.
func (x *experimenter) startEnvironment(ctx context.Context, arm *arm, plan *scenarios.Plan) (*containers.Environment,
	error,
) {
	environment, err := containers.Start(ctx, x.environmentOptions(plan))
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(x.progress, environmentLine(environment))
	cmd := exec.CommandContext(ctx, arm.program, "seed", "--postgres", environment.PostgresURL,
		"--resources", strconv.Itoa(plan.Environment.Resources), "--seed", strconv.FormatUint(plan.Seed, 10))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = x.progress, &said
	if err := cmd.Run(); err != nil {
		return environment, fmt.Errorf("load the fixture: %w\n%s", err, said.String())
	}
	return environment, nil
}

// twoCaches refuses the address of a given cache that has no database for the head.
func (x *experimenter) twoCaches() error {
	if x.cache == "" {
		return nil
	}
	_, err := otherCache(x.cache)
	return err
}

// otherCache is the address of another database of the same cache server, for the head: entries of one version need not
// mean anything to the other. The address itself must be that of the database 0.
func otherCache(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Query().Has("db") || u.Path != "" && u.Path != "/" && u.Path != "/0" {
		// The address is not quoted: it may have a password in it.
		return "", usageError{errors.New("--cache is not the address of database 0, redis://host:port/0: the base " +
			"uses that database, and the head the database 1 of the same server")}
	}
	u.Path = "/1"
	return u.String(), nil
}

// launchReference starts a version of the reference server.
func (a *arms) launchReference(ctx context.Context, arm *arm, variables []string) (*paired.Instance, error) {
	s, err := startReference(ctx, referenceSpec{
		program: arm.program, log: filepath.Join(a.dir, string(arm.name)+".log"), variables: variables,
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"HEADROOM_POSTGRES_URL", "HEADROOM_POSTGRES_REPLICA_URL", "HEADROOM_CACHE_URL"} {
		delete(s.settings, name)
	}
	arm.record.Settings, a.reference.latest[arm.name] = s.settings, s
	i := &paired.Instance{URL: s.url, Snapshot: s.snapshot, Stop: s.stop}
	return i, a.observe(i, s.child.Pid())
}

// sameMigrations says whether two checkouts of the reference server have the same migrations.
func sameMigrations(base, head string) (bool, error) {
	one, err := migrations(base)
	if err != nil {
		return false, err
	}
	other, err := migrations(head)
	return slices.Equal(one, other), err
}

// migrations are the names and contents of the migrations in a checkout.
func migrations(dir string) (all []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "server", "store", "migrations", "*"))
	if err != nil || len(files) == 0 {
		return nil, usageError{errors.Join(err, fmt.Errorf("%s is no checkout of headroom, whose reference server "+
			"this scenario loads: run it there, or say in the scenario what to compare, in the section experiment",
			dir))}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, filepath.Base(file)+"\n"+string(text))
	}
	return all, nil
}

// describe completes the record of the environment.
func (r *referenceArms) describe(plan *scenarios.Plan, settings []string) {
	s := &system{environment: r.environments[experiment.Base], record: r.record}
	s.describe(plan, settings, fixtures.Summary{Resources: plan.Environment.Resources})
	r.record = s.record
}

func (r *referenceArms) processes() results.Processes {
	return (&system{environment: r.environments[experiment.Base]}).processes()
}

// warnings are what a reader of the results must know of the servers.
func (r *referenceArms) warnings() []string {
	var all []string
	for _, e := range r.all() {
		all = append(all, e.Warnings...)
	}
	for _, s := range r.latest {
		if latest := s.latest.Load(); latest != nil {
			all = append(all, latest.MaintenanceWarnings()...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// all are the environments, each once.
func (r *referenceArms) all() []*containers.Environment {
	base, head := r.environments[experiment.Base], r.environments[experiment.Head]
	var all []*containers.Environment
	if base != nil {
		all = append(all, base)
	}
	if head != nil && head != base {
		all = append(all, head)
	}
	return all
}

func (r *referenceArms) stop(ctx context.Context) error {
	var faults []error
	for _, e := range r.all() {
		faults = append(faults, e.Stop(ctx))
	}
	return errors.Join(faults...)
}
