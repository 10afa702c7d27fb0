package search

import (
	"context"
	"slices"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/results/judge"
)

const (
	// shareOfInstances is the share of the search's time that the stretches on some of the instances may take where
	// there is enough of it for more than fewestRounds.
	shareOfInstances = 0.125
	// Every number of instances is measured so often.
	fewestRounds, mostRounds = 2, 4
)

// targets are the base URLs of all instances.
func (o *Options) targets() []string { return append([]string{o.Target}, o.Load.Others...) }

// instances has users send the mix to some of the instances as fast as they answer: as many users to each as there were
// where the bracket's throughput was highest. Each round of all numbers of instances begins with another instance, and
// every other round goes backwards, so that what changes with time is no property of a number.
func (o *Options) instances(ctx context.Context, f *Found) error {
	all := o.targets()
	if len(all) == 1 {
		return nil
	}
	sizes := instanceSizes(len(all))
	users := usersOfEach(f.Bracket, len(all))
	for round := range o.rounds(len(sizes)) {
		for _, n := range orderOf(sizes, round) {
			plan := o.Mix.Closed(n*users, o.stretch(o.Bracket, len(f.Bracket)+len(f.Instances)))
			m, began, err := o.sendTo(ctx, f, plan, chosen(all, n, round))
			if err != nil || ctx.Err() != nil {
				return err
			}
			t, err := judge.ClosedStretch(m)
			if err != nil {
				return err
			}
			t.Kind, t.Users, t.Instances, t.At = results.TrialClosed, n*users, n, began.Seconds()
			f.Instances = append(f.Instances, t)
			o.Measured(t, nil)
		}
	}
	return nil
}

// rounds is how often so many numbers of instances are measured.
func (o *Options) rounds(sizes int) int {
	one := time.Duration(sizes) * o.Bracket.length()
	return min(max(fewestRounds, int(shareOfInstances*float64(o.MaxTime)/float64(one))), mostRounds)
}

// instanceSizes are the numbers of instances to measure: the powers of two and all of them, and where those are too few
// for the scalability law every number.
func instanceSizes(all int) (sizes []int) {
	for n := 1; n < all; {
		sizes = append(sizes, n)
		if all <= capacity.FewestSamples {
			n++
		} else {
			n *= 2
		}
	}
	return append(sizes, all)
}

// orderOf is the order of a round: 2, 4, 1 and then 1, 4, 2.
func orderOf(sizes []int, round int) []int {
	order := append(slices.Clone(sizes[1:]), sizes[0])
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// chosen are the instances that a round uses.
func chosen(all []string, n, round int) (some []string) {
	for i := range n {
		some = append(some, all[(round+i)%len(all)])
	}
	return some
}

// usersOfEach is how many users each of so many instances had where the throughput of all was highest.
func usersOfEach(bracket []results.CapacityTrial, instances int) int {
	users := max(1, best(bracket).Users)
	return (users + instances - 1) / instances
}
