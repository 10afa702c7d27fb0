package inference

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/policycortex/headroom/server/forecast"
	"github.com/policycortex/headroom/server/store"
)

// maxCurrencies bounds the analyses for one question: a tenant may name any three letters a currency.
const maxCurrencies = 16

// series is what all services of a question cost together in one currency, from the first day with costs to the last.
type series struct {
	currency string
	begin    int       // the first day, counted from the question's From
	daily    []float64 // up to the last day that any service of the currency has
	services []*store.CostHistory
	outlook  *forecast.Outlook // nil: there are too few days
}

// day returns the date of a day of the series.
func (s *series) day(q *Question, i int) time.Time { return q.From.AddDate(0, 0, s.begin+i) }

// last is the last day of the series.
func (s *series) last(q *Question) time.Time { return s.day(q, len(s.daily)-1) }

// read returns the series of a question, in the order of currencies, with their outlooks.
func (e *Engine) read(ctx context.Context, q *Question, after store.LSN) ([]*series, error) {
	histories, err := e.histories.get(ctx, q.history(), after)
	if err != nil {
		return nil, err
	}
	all, err := together(histories)
	if err != nil {
		return nil, err
	}
	var failed error
	err = e.analyse(ctx, func() { failed = analyseAll(ctx, all) })
	return all, errors.Join(err, failed)
}

// analyseAll sets the outlooks, until the caller has left.
func analyseAll(ctx context.Context, all []*series) error {
	for _, s := range all {
		err := ctx.Err()
		if err != nil {
			return err
		}
		s.outlook, err = forecast.Analyse(s.daily)
		if err != nil && !errors.Is(err, forecast.ErrShort) {
			return err
		}
	}
	return nil
}

// together adds the services of each currency up. It returns [store.ErrTooMany] beyond [maxCurrencies].
func together(histories []*store.CostHistory) (all []*series, err error) {
	byCurrency := map[string]*series{}
	last := map[string]int{}
	for _, h := range histories {
		s := byCurrency[h.Currency]
		if s == nil {
			if len(all) == maxCurrencies {
				return nil, store.ErrTooMany
			}
			s = &series{currency: h.Currency, begin: h.First}
			byCurrency[h.Currency] = s
			all = append(all, s)
		}
		s.services = append(s.services, h)
		s.begin, last[h.Currency] = min(s.begin, h.First), max(last[h.Currency], h.Last)
	}
	for _, s := range all {
		s.daily = make([]float64, last[s.currency]-s.begin+1)
		for _, h := range s.services {
			for i := range s.daily {
				s.daily[i] += h.Daily[s.begin+i]
			}
		}
	}
	slices.SortFunc(all, func(a, b *series) int {
		if a.currency < b.currency {
			return -1
		}
		return 1
	})
	return all, nil
}

// AppendForecast appends the forecast of each currency as a JSON object to dst. It sees everything committed up to
// after. Errors are those of [store.Store.CostHistories].
func (e *Engine) AppendForecast(ctx context.Context, dst []byte, q Question, after store.LSN) ([]byte, error) {
	all, err := e.read(ctx, &q, after)
	if err != nil {
		return dst, err
	}
	dst = appendEach(dst, all, &q, "points", func(dst []byte, s *series) []byte {
		for h, p := range s.outlook.Forecast(q.Horizon, q.Level) {
			if h > 0 {
				dst = append(dst, ',')
			}
			dst = s.appendPoint(dst, &q, h, p)
		}
		return dst
	})
	dst = append(dst, `],"horizon":`...)
	dst = strconv.AppendInt(dst, int64(q.Horizon), 10)
	dst = append(dst, `,"level":`...)
	dst = strconv.AppendFloat(dst, q.Level, 'g', -1, 64)
	return appendPeriod(dst, &q), nil
}

// appendEach appends the beginning of an answer: an object of each currency, with the list of that name that items
// appends where the series is long enough for an outlook.
func appendEach(dst []byte, all []*series, q *Question, list string, items func([]byte, *series) []byte) []byte {
	dst = append(dst, `{"data":[`...)
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.appendHead(dst, q)
		dst = append(append(append(dst, `,"`...), list...), `":[`...)
		if s.outlook != nil {
			dst = items(dst, s)
		}
		dst = append(dst, "]}"...)
	}
	return dst
}

// appendPoint appends what is expected of the day that is h days after the first one without costs.
func (s *series) appendPoint(dst []byte, q *Question, h int, p forecast.Point) []byte {
	dst = append(dst, `{"date":"`...)
	dst = s.day(q, len(s.daily)+h).AppendFormat(dst, time.DateOnly)
	dst = append(dst, `","cost":`...)
	dst = appendAmount(dst, p.Mean)
	dst = append(dst, `,"low":`...)
	dst = appendAmount(dst, p.Low)
	dst = append(dst, `,"high":`...)
	return append(appendAmount(dst, p.High), '}')
}

// appendHead appends the beginning of an object: the currency, and what its days are.
func (s *series) appendHead(dst []byte, q *Question) []byte {
	dst = append(dst, `{"currency":"`...)
	dst = append(dst, s.currency...)
	dst = append(dst, `","first":"`...)
	dst = s.day(q, 0).AppendFormat(dst, time.DateOnly)
	dst = append(dst, `","last":"`...)
	dst = s.last(q).AppendFormat(dst, time.DateOnly)
	dst = append(dst, `","days":`...)
	dst = strconv.AppendInt(dst, int64(len(s.daily)), 10)
	if s.outlook == nil {
		return dst
	}
	dst = append(dst, `,"seasonal_strength":`...)
	dst = strconv.AppendFloat(dst, s.outlook.SeasonalStrength, 'f', 3, 64)
	dst = append(dst, `,"usual_deviation":`...)
	return appendAmount(dst, s.outlook.Scale)
}

// AppendAnomalies appends the anomalies of each currency as a JSON object to dst, latest first. Errors and after are as
// for [Engine.AppendForecast].
func (e *Engine) AppendAnomalies(ctx context.Context, dst []byte, q Question, after store.LSN) ([]byte, error) {
	all, err := e.read(ctx, &q, after)
	if err != nil {
		return dst, err
	}
	dst = appendEach(dst, all, &q, "anomalies", func(dst []byte, s *series) []byte {
		for n, a := range slices.Backward(s.outlook.Anomalies) {
			if n < len(s.outlook.Anomalies)-1 {
				dst = append(dst, ',')
			}
			dst = s.appendAnomaly(dst, &q, a)
		}
		return dst
	})
	dst = append(dst, `],"limit":`...)
	dst = strconv.AppendFloat(dst, forecast.Limit, 'g', -1, 64)
	return appendPeriod(dst, &q), nil
}

func (s *series) appendAnomaly(dst []byte, q *Question, a forecast.Anomaly) []byte {
	dst = append(dst, `{"date":"`...)
	dst = s.day(q, a.Day).AppendFormat(dst, time.DateOnly)
	dst = append(dst, `","cost":`...)
	dst = appendAmount(dst, s.daily[a.Day])
	dst = append(dst, `,"expected":`...)
	dst = appendAmount(dst, a.Expected)
	dst = append(dst, `,"score":`...)
	dst = strconv.AppendFloat(dst, a.Score, 'f', 1, 64)
	return append(dst, '}')
}

func appendPeriod(dst []byte, q *Question) []byte {
	dst = append(dst, `,"from":"`...)
	dst = q.From.AppendFormat(dst, time.DateOnly)
	dst = append(dst, `","to":"`...)
	dst = q.To.AppendFormat(dst, time.DateOnly)
	return append(dst, `"}`...)
}

// appendAmount appends an amount with the four digits that costs have.
func appendAmount(dst []byte, v float64) []byte {
	if math.Abs(v) < 0.00005 {
		v = 0 // no minus
	}
	return strconv.AppendFloat(dst, v, 'f', 4, 64)
}
