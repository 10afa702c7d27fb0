package model

import "sync"

// Siblings are objects that were read together. What belongs to each is read for all of them at once, when it is first
// asked for.
type Siblings struct {
	// JSON is that of the objects.
	JSON []Raw

	mu    sync.Mutex
	loads map[string]*load
}

type load struct {
	once  sync.Once
	found any
	err   error
}

// Texts returns a member of each of the objects, without repetitions.
func (s *Siblings) Texts(member string) []string {
	all, seen := make([]string, 0, len(s.JSON)), make(map[string]bool, len(s.JSON))
	for _, object := range s.JSON {
		text := Member(object, member).Text()
		if !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	return all
}

// Together calls read for what name stands for, once.
func Together[T any](s *Siblings, name string, read func() (T, error)) (T, error) {
	s.mu.Lock()
	l := s.loads[name]
	if l == nil {
		if s.loads == nil {
			s.loads = map[string]*load{}
		}
		l = &load{}
		s.loads[name] = l
	}
	s.mu.Unlock()
	l.once.Do(func() { l.found, l.err = read() })
	found, _ := l.found.(T)
	return found, l.err
}
