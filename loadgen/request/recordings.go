package request

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/policycortex/headroom/loadgen/recording"
	"github.com/policycortex/headroom/scenarios"
)

// Recordings are the files of the scenarios that replay one, by scenario.
type Recordings map[string]*recording.Log

// loadingGCPercent keeps the heap close to what is kept of the files.
const loadingGCPercent = 20

// LoadRecordings reads the files of the scenarios that replay one; their names are relative to the scenario file. It
// returns them and the plan with what they hold. Errors are as those of [LoadFeeders]; reading ends with ctx.
func LoadRecordings(ctx context.Context, plan *scenarios.Plan) (*scenarios.Plan, Recordings, error) {
	// What is kept has no pointers, so that collecting often costs little.
	defer debug.SetGCPercent(debug.SetGCPercent(loadingGCPercent))
	all, recorded := Recordings{}, map[string]scenarios.Recorded{}
	var faults []error
	for i := range plan.Scenarios {
		s := &plan.Scenarios[i]
		load, ok := s.Load.(scenarios.Replay)
		if !ok {
			continue
		}
		log, err := loadRecording(ctx, &load.Recording, besideScenario(plan, load.Recording.File))
		if cannotOpen(err) {
			faults = append(faults, faultAt(plan, load.Recording.Line, load.Recording.Column, err))
			continue
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%w (scenario %s)", err, s.Name))
			continue
		}
		all[s.Name] = log
		recorded[s.Name] = scenarios.Recorded{
			Format: log.Format, Requests: log.Len(), Length: log.Length,
			Names: log.Names,
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return plan, all, nil
	}
	debug.FreeOSMemory() // what the reading needed: the load does not make the collector run soon
	full, err := plan.Recorded(recorded)
	return full, all, err
}

// besideScenario is the path of a file that a plan names.
func besideScenario(plan *scenarios.Plan, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(plan.Source.File), file)
}

// cannotOpen reports whether a file is not there, or cannot be read at all.
func cannotOpen(err error) bool { return errors.As(err, new(*fs.PathError)) }

// faultAt is the fault of the place in the scenario file that names a file.
func faultAt(plan *scenarios.Plan, line, column int, err error) error {
	return scenarios.Errors{{File: plan.Source.File, Line: line, Column: column, Message: err.Error()}}
}

func loadRecording(ctx context.Context, r *scenarios.Recording, path string) (*recording.Log, error) {
	file, err := recording.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	options := recording.Options{Format: r.Format, Name: r.Name, Fields: r.Fields, SkipBadLines: r.SkipBadLines}
	for _, h := range r.Headers {
		options.Replaced = append(options.Replaced, h.Name)
	}
	return recording.Read(file, path, options)
}

// Warnings say what of the recordings is not sent as it was recorded.
func (r Recordings) Warnings(plan *scenarios.Plan) []string {
	var all []string
	for _, s := range plan.Scenarios {
		load, ok := s.Load.(scenarios.Replay)
		if !ok {
			continue
		}
		log, file := r[s.Name], load.Recording.File
		if len(log.LeftOut) > 0 {
			all = append(all, fmt.Sprintf("%s: not replayed from %s: %s", s.Name, file,
				strings.Join(log.LeftOut, "; ")))
		}
		if len(log.Hosts) > 0 {
			all = append(all, fmt.Sprintf("%s: %s has requests to several hosts (%s); all are sent to the target",
				s.Name, file, strings.Join(log.Hosts, ", ")))
		}
	}
	return all
}
