package metrics

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/policycortex/headroom/results"
)

// jsonLines writes a line of JSON for each second of a scenario, a request, a stream and the machine, as soon as it is
// known.
type jsonLines struct {
	file *os.File
	out  *bufio.Writer
	run  Run
}

func newJSONLines(path string, run Run) (*jsonLines, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &jsonLines{file, bufio.NewWriter(file), run}, nil
}

// line is the part that all lines have in common. Time is the end of the second.
type line struct {
	Type  string    `json:"type"`
	Time  time.Time `json:"time"`
	Test  string    `json:"test"`
	Shard string    `json:"shard,omitempty"`
}

// The lines by their type: request and scenario, stream, and health.
type (
	pointLine struct {
		line
		results.Point
	}
	streamLine struct {
		line
		results.StreamPoint
	}
	healthLine struct {
		line
		results.HealthSecond
	}
)

func (j *jsonLines) write(_ context.Context, s Second) error {
	encoder := json.NewEncoder(j.out)
	encoder.SetEscapeHTML(false)
	of := func(kind string, at time.Time) line { return line{kind, at.UTC(), j.run.Test, j.run.Shard} }
	var err error
	for _, p := range s.Points {
		kind := "request"
		if p.Request == "" {
			kind = "scenario"
		}
		err = cmp.Or(err, encoder.Encode(pointLine{of(kind, s.endOf(p.Second)), p}))
	}
	for _, p := range s.Streams {
		err = cmp.Or(err, encoder.Encode(streamLine{of("stream", s.endOf(p.Second)), p}))
	}
	for _, h := range s.Health {
		at := s.Started.Add(time.Duration(h.At * float64(time.Second)))
		err = cmp.Or(err, encoder.Encode(healthLine{of("health", at), h}))
	}
	return cmp.Or(err, j.out.Flush())
}

func (j *jsonLines) close(context.Context) error { return errors.Join(j.out.Flush(), j.file.Close()) }
