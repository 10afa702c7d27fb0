package scenarios

import (
	"maps"
	"slices"
)

// tagIndex finds what selectors pick among the tags of all kinds of requests. A plan has as many selectors as it has
// thresholds, so none is held against every kind of request.
type tagIndex struct {
	sets   []map[string]string
	tags   []string                    // that any set has, sorted
	values map[string][]string         // of each tag, sorted
	with   map[string]map[string][]int // by tag and value: which sets have it
	held   int                         // how many sets selectors have been held against
}

func newTagIndex(sets []map[string]string) *tagIndex {
	x := &tagIndex{sets: sets, values: map[string][]string{}, with: map[string]map[string][]int{}}
	for i, set := range sets {
		for tag, value := range set {
			if x.with[tag] == nil {
				x.with[tag] = map[string][]int{}
			}
			x.with[tag][value] = append(x.with[tag][value], i)
		}
	}
	x.tags = slices.Sorted(maps.Keys(x.with))
	for tag, sets := range x.with {
		x.values[tag] = slices.Sorted(maps.Keys(sets))
	}
	return x
}

// has says whether some kind of request has a value of a tag, or may have any: that of a recording that has not been
// read, see [Plan.Recorded].
func (x *tagIndex) has(tag, value string) bool {
	return len(x.with[tag][value])+len(x.with[tag][""]) > 0
}

// picks says whether any kind of request has all the tags of a selector. It looks at those that have the rarest of
// them.
func (x *tagIndex) picks(selector map[string]string) bool {
	if len(selector) == 0 {
		return len(x.sets) > 0
	}
	var rarest [][]int
	fewest := len(x.sets) + 1
	for tag, value := range selector {
		some := [][]int{x.with[tag][value], x.with[tag][""]}
		if n := len(some[0]) + len(some[1]); n < fewest {
			fewest, rarest = n, some
		}
	}
	for _, sets := range rarest {
		for _, i := range sets {
			x.held++
			if hasTags(x.sets[i], selector) {
				return true
			}
		}
	}
	return false
}

// hasTags says whether a set has all the tags of a selector; the value "" of a set stands for any.
func hasTags(set, selector map[string]string) bool {
	for tag, value := range selector {
		if has, ok := set[tag]; !ok || has != value && has != "" {
			return false
		}
	}
	return true
}
