package scenarios

import (
	"cmp"
	"slices"
	"time"
)

// timedFault is a fault with its place in the file.
type timedFault struct {
	Fault
	node *node
	sure bool // nothing about it was reported
}

// faults reads the section faults of a plan whose scenarios have been read.
func (r *reader) faults(file *node, p *Plan) []Fault {
	n := file.get("faults")
	if !given(n) {
		return nil
	}
	if p.Target.URL != "" {
		r.faultAt(n.keyAt, "remove one of the two",
			"faults happen to servers that the run starts, but target names another service")
		return nil
	}
	if len(n.items) == 0 {
		r.fault(n, "for example [{at: 20s, target: cache, action: kill}]", "faults is empty")
		return nil
	}
	var end time.Duration
	for _, s := range p.Scenarios {
		if s.AutoWarmup {
			r.faultAt(n.keyAt, "give it a length, for example 10s",
				"faults come at fixed times, and the warmup of scenarios.%s is auto: nobody knows where in its "+
					"measured part they would come", s.Name)
		}
		end = max(end, s.StartTime+s.Load.Length())
	}
	wanted := file.get("environment").get("replica")
	there := faultable{
		replica:   wanted != nil && wanted.text != "false", // another word was reported already
		instances: p.Environment.Instances,
		regions:   p.Environment.Regions,
	}
	var all []timedFault
	for _, item := range n.items {
		f := timedFault{} // of one that cannot be read it is not known when it comes, and so not what others find
		if !item.bad {
			f = r.timedFault(item, there, end)
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b timedFault) int { return cmp.Compare(a.At, b.At) })
	r.course(all, there.instances)
	faults := make([]Fault, len(all))
	for i, f := range all {
		faults[i] = f.Fault
	}
	return faults
}

// faultable is what an environment has that faults can happen to, but for what every one has.
type faultable struct {
	replica   bool
	instances int
	regions   []Region
}

// timedFault reads one fault. end is that of the run's schedule, 0 where it is not known.
func (r *reader) timedFault(n *node, there faultable, end time.Duration) timedFault {
	before := len(r.errs)
	instance, region := n.get("instance"), n.get("region")
	for _, k := range []struct{ key, example string }{
		{"at", "at: 20s"},
		{"target", "target: cache; or instance: 2; or region: eu"},
		{"action", "action: kill"},
	} {
		if n.get(k.key) == nil && (k.key != "target" || instance == nil && region == nil) {
			r.missing(n, k.key, k.example)
		}
	}
	f := timedFault{node: n, Fault: Fault{
		At:     r.duration(n.get("at"), 0),
		Target: r.word(n.get("target"), "", FaultTargets),
	}}
	switch {
	case region != nil:
		f.Target, f.Region = TargetRegion, r.faultyRegion(n, region, there.regions)
	case instance != nil:
		f.Target, f.Instance = TargetInstance, r.faultyInstance(n, instance, there.instances)
	}
	actions := FaultActions
	switch f.Target {
	case TargetInstances:
		actions = []string{RollingRestart}
	case TargetRegion:
		actions = []string{"kill", "restart"}
	}
	f.Action = r.word(n.get("action"), "", actions)
	if r.regional && slices.Contains([]string{"replica", TargetInstance, TargetInstances}, f.Target) {
		r.fault(n, "write region: instead", "%s: each region has an instance and a replica, which fail together",
			n.path)
	} else if f.Target == "replica" && !there.replica {
		r.fault(n.get("target"), "add environment: {replica: true}",
			"%s happens to a replica, and the environment has none", n.path)
	}
	if end > 0 && f.At >= end && !r.vague {
		r.fault(n.get("at"), "", "%s comes at %v, when the last scenario has ended (%v)", n.path, f.At, end)
	}
	f.sure = len(r.errs) == before && f.Target != "" && f.Action != ""
	return f
}

// faultyInstance reads the number of the instance that a fault happens to.
func (r *reader) faultyInstance(fault, n *node, instances int) int {
	if target := fault.get("target"); target != nil {
		r.faultAt(n.keyAt, "remove one of the two", "%s has target and instance", fault.path)
	}
	number := int(r.whole(n, 0, 1, MostInstances))
	if number > instances {
		r.fault(n, "", "%s is %d, and environment.instances is %d", n.path, number, instances)
	}
	return number
}

// firstInstance is the name of the first instance of so many that is as asked for; else none.
func firstInstance(instances int, is func(name string) bool, none string) string {
	for i := range instances {
		name := instanceName(i + 1)
		if is(name) {
			return name
		}
	}
	return none
}

// course holds each fault against the state in which those before it have left its target.
func (r *reader) course(all []timedFault, instances int) {
	const up, paused, dead = "runs", "is paused", "was killed"
	states := map[string]string{}
	for _, f := range all {
		if !f.sure {
			return // what follows would depend on it
		}
		victim := f.victim()
		if f.Target == TargetInstances {
			down := func(name string) bool { return cmp.Or(states[name], up) != up }
			victim = firstInstance(instances, down, victim)
		}
		state := cmp.Or(states[victim], up)
		allowed, next := true, up // restart
		switch f.Action {
		case RollingRestart:
			allowed = state == up
		case "kill":
			allowed, next = state != dead, dead
		case "pause":
			allowed, next = state == up, paused
		case "resume":
			allowed = state == paused
		}
		if !allowed {
			if f.Target != TargetInstance && f.Target != TargetInstances && f.Target != TargetRegion {
				victim = "the " + victim
			}
			r.fault(f.node.get("action"), "", "%s: %s at %v has nothing to act on: %s %s then", f.node.path,
				f.Fault, f.At, victim, state)
			return
		}
		states[victim] = next
	}
}
