package results

import (
	"cmp"
	"errors"
	"slices"
)

// ByRequest returns one series for each named request of each scenario, its stages and instances taken together.
func (m *Measurements) ByRequest() ([]*Series, error) {
	var all []*Series
	at := map[[2]string]int{}
	for _, s := range m.Series {
		key := [2]string{s.Scenario, s.Name}
		i, known := at[key]
		if !known {
			at[key] = len(all)
			all = append(all, s)
			continue
		}
		sum, err := all[i].plus(s)
		if err != nil {
			return nil, err
		}
		all[i] = sum
	}
	return all, nil
}

// plus is what two stages or instances of one request met together; s and o stay as they are. Of two samples of an
// error that of s stays.
func (s *Series) plus(o *Series) (*Series, error) {
	sum := s.blank()
	sum.Stage, sum.Instance, sum.Outcome, sum.Tags = "", 0, "", map[string]string{}
	for tag, value := range s.Tags {
		if o.Tags[tag] == value {
			sum.Tags[tag] = value
		}
	}
	return sum, errors.Join(sum.Merge(s), sum.Merge(o))
}

// blank is a series of the same requests that has counted nothing.
func (s *Series) blank() *Series {
	var streamed *Streamed
	if s.Streamed != nil {
		streamed = NewStreamed(s.Streamed.Kind)
		streamed.Goodput = s.Streamed.Goodput
	}
	return &Series{
		Scenario: s.Scenario, Name: s.Name, Method: s.Method, Stage: s.Stage, Instance: s.Instance,
		Outcome:  s.Outcome,
		Expected: s.Expected, Tags: s.Tags, Streamed: streamed, Statuses: map[int]int64{},
		Errors: map[string]int64{}, ErrorSamples: map[string]string{}, Response: NewHistogram(),
		Service: NewHistogram(),
	}
}

// Merge adds what o counted, whose maps and histograms may be nil. Of two samples of an error that of s stays.
func (s *Series) Merge(o *Series) error {
	s.Requests += o.Requests
	s.Failed += o.Failed
	s.CacheAnswers += o.CacheAnswers
	s.CacheHits += o.CacheHits
	s.BytesSent += o.BytesSent
	s.BytesReceived += o.BytesReceived
	s.Skipped += o.Skipped
	for status, n := range o.Statuses {
		s.Statuses[status] += n
	}
	for _, c := range o.Checks {
		i := slices.IndexFunc(s.Checks, func(known Check) bool { return known.Name == c.Name })
		if i < 0 {
			s.Checks = append(s.Checks, c)
			continue
		}
		s.Checks[i].Passed += c.Passed
		s.Checks[i].Failed += c.Failed
		s.Checks[i].Unmet = cmp.Or(s.Checks[i].Unmet, c.Unmet)
	}
	for class, n := range o.Errors {
		s.Errors[class] += n
	}
	for class, text := range o.ErrorSamples {
		if s.ErrorSamples[class] == "" { // else it has the first
			s.ErrorSamples[class] = text
		}
	}
	var err error
	if o.Response != nil {
		err = s.Response.Merge(o.Response)
	}
	if o.Service != nil {
		err = errors.Join(err, s.Service.Merge(o.Service))
	}
	if o.Waiting != nil {
		if s.Waiting == nil {
			s.Waiting = NewHistogram()
		}
		err = errors.Join(err, s.Waiting.Merge(o.Waiting))
	}
	if o.Handshakes != nil {
		if s.Handshakes == nil {
			s.Handshakes = NewHistogram()
		}
		err = errors.Join(err, s.Handshakes.Merge(o.Handshakes))
	}
	if s.Streamed != nil && o.Streamed != nil {
		err = errors.Join(err, s.Streamed.merge(o.Streamed))
	}
	return err
}
