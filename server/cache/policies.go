package cache

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/server/cache/report"
)

// Class is a class of queries with a lifetime of its own: a kind of value, or the lists of resources that are searched
// for words.
type Class uint8

// search follows the kinds, of which each is a class.
const (
	search  Class = Kinds
	classes       = Kinds + 1
)

// String returns the name of the class: that of the kind, or "search".
func (c Class) String() string {
	if c == search {
		return "search"
	}
	return Kind(c).String()
}

// Classes returns all classes.
func Classes() (all []Class) {
	for c := range Class(classes) {
		all = append(all, c)
	}
	return all
}

// classOf needs no parsing of the query: in a canonical one, q follows another parameter, and & is escaped in values.
func classOf(key *Key) Class {
	if key.Kind == Resources && strings.Contains(key.Query, "&q=") {
		return search
	}
	return Class(key.Kind)
}

// TTLs are lifetimes by class; 0 is the default. A value of a class is not kept for longer than its lifetime at any
// level: L1 keeps it for as long as it has adapted to, L2 and L3 for the lifetime, spread like all.
type TTLs [classes]time.Duration

// The bounds of a lifetime.
const (
	MinTTL = time.Second
	MaxTTL = 24 * time.Hour
)

// ParseTTLs reads lifetimes such as "resource=60s,search=10s". It returns all errors, joined.
func ParseTTLs(text string) (ttls TTLs, err error) {
	var faults []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		class := slices.IndexFunc(Classes(), func(c Class) bool { return c.String() == strings.TrimSpace(name) })
		ttl, err := time.ParseDuration(strings.TrimSpace(value))
		switch {
		case class < 0:
			faults = append(faults, fmt.Errorf("%.40q is no class; the classes are %s", name, classNames()))
		case err != nil || ttl < MinTTL || ttl > MaxTTL:
			faults = append(faults, fmt.Errorf("%.80q: write a class and a duration from %s to %s, such as %s=60s",
				part, MinTTL, MaxTTL, name))
		case ttls[class] != 0:
			faults = append(faults, fmt.Errorf("%s is given twice", name))
		default:
			ttls[class] = ttl
		}
	}
	return ttls, errors.Join(faults...)
}

func classNames() string {
	var names []string
	for _, c := range Classes() {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

// in returns the lifetime of a class at a level of which the default is usual.
func (t *TTLs) in(class Class, usual time.Duration) time.Duration {
	if t[class] != 0 {
		return t[class]
	}
	return usual
}

// L1TTL returns how long L1 keeps a value of a class now.
func (c *Cache) L1TTL(class Class) time.Duration {
	return min(c.usage.TTL(), c.ttls.in(class, MaxTTL))
}

// lifetime is how long an entry is fresh in L1, and how long it may be served after that while it is loaded again:
// never longer than its class allows it to be fresh.
func (c *Cache) lifetime(key *Key) (fresh, stale time.Duration) {
	longest := c.ttls.in(classOf(key), MaxTTL)
	return min(jitter(c.usage.TTL()), longest), min(staleWindow, longest)
}

// ttlReports are the present lifetimes of all classes.
func (c *Cache) ttlReports() map[string]report.TTL {
	all := make(map[string]report.TTL, classes)
	for _, class := range Classes() {
		r := report.TTL{
			L1Seconds: c.L1TTL(class).Seconds(), L2Seconds: c.ttls.in(class, l2TTL).Seconds(),
		}
		if class == search || expensive(Kind(class)) {
			r.L3Seconds = new(c.ttls.in(class, l3TTL).Seconds())
		}
		all[class.String()] = r
	}
	return all
}
