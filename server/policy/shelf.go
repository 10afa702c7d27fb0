package policy

import "container/list"

// shelf keeps compiled rules, of which it gives up the least recently used when they take too much. It is not safe for
// concurrent use. Its zero value with most, size and gone set is ready.
type shelf[K comparable, V any] struct {
	most int64 // what all may take
	size func(V) int64
	gone func(V) // is told of what was given up
	// owner says whose a key is; nil where all are everybody's. An owner who takes more than a quarter gives up the own
	// ones first.
	owner   func(K) [16]byte
	taken   int64
	takenBy map[[16]byte]int64
	slots   map[K]*slot[V]
	order   list.List // of slots that are filled, least recently used last
}

// slot is the place of one rule, which may still be compiled.
type slot[V any] struct {
	value  V
	err    error
	filled chan struct{} // closed when value and err are there

	waiting int // for it to be filled
	key     any
	element *list.Element // nil while it is not filled
}

// begin makes a slot for a key that has none. The caller has to fill it.
func (s *shelf[K, V]) begin(key K) *slot[V] {
	begun := &slot[V]{filled: make(chan struct{})}
	s.set(key, begun)
	return begun
}

// peek returns the slot of a key, if there is one, and notes its use.
func (s *shelf[K, V]) peek(key K) (found *slot[V], ok bool) {
	found, ok = s.slots[key]
	if ok && found.element != nil {
		s.order.MoveToFront(found.element)
	}
	return found, ok
}

// put makes a slot that is now filled that of its key, if it is to be kept, and gives up others for it.
func (s *shelf[K, V]) put(key K, filled *slot[V], keep bool) {
	if !keep {
		delete(s.slots, key)
		return
	}
	s.set(key, filled)
	filled.element = s.order.PushFront(filled)
	s.take(key, s.size(filled.value))
	for s.taken > s.most && s.order.Len() > 1 {
		s.drop(s.leastUsed(key, filled.element))
	}
}

// take adds to what is taken; by is negative when something is given up.
func (s *shelf[K, V]) take(key K, by int64) {
	s.taken += by
	if s.owner == nil {
		return
	}
	if s.takenBy == nil {
		s.takenBy = map[[16]byte]int64{}
	}
	s.takenBy[s.owner(key)] += by
	if s.takenBy[s.owner(key)] == 0 {
		delete(s.takenBy, s.owner(key))
	}
}

// leastUsed is what is given up for another one.
func (s *shelf[K, V]) leastUsed(key K, other *list.Element) *list.Element {
	if s.owner == nil || s.takenBy[s.owner(key)] <= s.most/4 {
		return s.order.Back()
	}
	for e := s.order.Back(); e != other && e != nil; e = e.Prev() {
		if s.owner(e.Value.(*slot[V]).key.(K)) == s.owner(key) {
			return e
		}
	}
	return s.order.Back()
}

func (s *shelf[K, V]) set(key K, to *slot[V]) {
	if s.slots == nil {
		s.slots = map[K]*slot[V]{}
	}
	to.key = key
	s.slots[key] = to
}

func (s *shelf[K, V]) drop(element *list.Element) {
	dropped := s.order.Remove(element).(*slot[V])
	delete(s.slots, dropped.key.(K))
	s.take(dropped.key.(K), -s.size(dropped.value))
	s.gone(dropped.value)
}

// empty gives up everything that is filled.
func (s *shelf[K, V]) empty() {
	for s.order.Len() > 0 {
		s.drop(s.order.Back())
	}
}
