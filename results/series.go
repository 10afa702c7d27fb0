package results

import "maps"

// ByRequest returns one series for each named request of each scenario, its stages taken together.
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

// plus is what two stages of one request met together; s and o stay as they are.
func (s *Series) plus(o *Series) (*Series, error) {
	sum := &Series{
		Scenario: s.Scenario, Name: s.Name, Method: s.Method, Tags: map[string]string{},
		Requests: s.Requests + o.Requests, Failed: s.Failed + o.Failed,
		CacheAnswers: s.CacheAnswers + o.CacheAnswers, CacheHits: s.CacheHits + o.CacheHits,
		BytesSent: s.BytesSent + o.BytesSent, BytesReceived: s.BytesReceived + o.BytesReceived,
		Statuses: map[int]int64{}, Errors: map[string]int64{}, ErrorSamples: map[string]string{},
		Response: NewHistogram(), Service: NewHistogram(),
	}
	for tag, value := range s.Tags {
		if o.Tags[tag] == value {
			sum.Tags[tag] = value
		}
	}
	for i, c := range s.Checks { // every stage has all the checks of the request
		sum.Checks = append(sum.Checks, Check{c.Name, c.Passed + o.Checks[i].Passed, c.Failed + o.Checks[i].Failed})
	}
	for _, part := range []*Series{o, s} { // of two samples of an error, the earlier stage's stays
		for status, n := range part.Statuses {
			sum.Statuses[status] += n
		}
		for class, n := range part.Errors {
			sum.Errors[class] += n
		}
		maps.Copy(sum.ErrorSamples, part.ErrorSamples)
		if err := sum.Response.Merge(part.Response); err != nil {
			return nil, err
		}
		if err := sum.Service.Merge(part.Service); err != nil {
			return nil, err
		}
	}
	return sum, nil
}
