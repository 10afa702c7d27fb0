package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/policycortex/headroom/results"
)

// evidenceLimit bounds the questions about what the server noticed: the plans of 32 statements take a second or two.
// After an interrupt somebody waits.
const (
	evidenceLimit    = 20 * time.Second
	interruptedLimit = 2 * time.Second
)

// evidence asks the reference servers, after the load, what they noticed; nil for an own service.
func (s *system) evidence(ctx context.Context, m *results.Measurements) *results.Evidence {
	if s.environment == nil {
		return nil
	}
	limit := evidenceLimit
	if m.Interrupted {
		limit = interruptedLimit
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	e := &results.Evidence{}
	for i, server := range s.servers {
		name := strconv.Itoa(i + 1)
		if len(s.environment.Regions) > 0 {
			name = s.environment.Regions[i].Name
		}
		for _, err := range []error{
			server.addSlow(ctx, e, m.Started), server.addCache(ctx, e, name), server.addLog(e, m.Started),
			server.addTuning(ctx, e, name, m.Started),
		} {
			if err != nil {
				e.Missing = append(e.Missing, fmt.Sprintf("of instance %s: %v", name, err))
			}
		}
	}
	return e
}

// errDown is why an instance says nothing that a fault has ended or stopped.
var errDown = errors.New("a fault had taken it down")

func (s *referenceServer) addSlow(ctx context.Context, e *results.Evidence, started time.Time) error {
	if s.isDown() {
		return fmt.Errorf("its slow statements: %w", errDown)
	}
	s.mu.Lock()
	admin := s.admin
	s.mu.Unlock()
	answer, err := fetch(ctx, admin+"/slow?explain=1")
	if err != nil {
		return fmt.Errorf("its slow statements: %w", err)
	}
	return e.AddSlow(answer, started)
}

func (s *referenceServer) addCache(ctx context.Context, e *results.Evidence, name string) error {
	if s.isDown() {
		return fmt.Errorf("its cache report: %w", errDown)
	}
	answer, err := fetch(ctx, s.url+"/api/v1/cache/report")
	if err != nil {
		return fmt.Errorf("its cache report: %w", err)
	}
	return e.AddCache(name, answer)
}

func (s *referenceServer) addTuning(ctx context.Context, e *results.Evidence, name string, started time.Time) error {
	if s.isDown() {
		return fmt.Errorf("its tuning: %w", errDown)
	}
	s.mu.Lock()
	admin := s.admin
	s.mu.Unlock()
	answer, err := fetch(ctx, admin+"/tuning")
	if err != nil {
		return fmt.Errorf("its tuning: %w", err)
	}
	return e.AddTuning(name, answer, started)
}

func (s *referenceServer) addLog(e *results.Evidence, started time.Time) error {
	f, err := os.Open(s.log.Name())
	if err != nil {
		return fmt.Errorf("its log: %w", err)
	}
	defer f.Close()
	err = e.Log.Read(f, started)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(f.Name()), err)
	}
	return nil
}
