package web

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// chart is a chart of costs in one currency, with its table. Currencies are never added up.
type chart struct {
	Currency, Unit string
	Caption        string
	Sum            string
	Ticks          []string // of the axis of amounts, from its end down to 0, at equal distances
	Width          int      // of the drawing; its height is 100
	Bars           []bar
	Axis           []string // periods below it: all if they are few, else the first and the last
	Legend         []tone
	Rows           []costRow // latest first
}

// bar is a period, with the services on top of each other.
type bar struct {
	Title string
	Parts []part
}

type part struct {
	Tone   int
	X      int
	Y      string
	Width  int
	Height string
}

// tone is a service and its colour.
type tone struct {
	Tone int
	Name string
}

type costRow struct {
	Period, URL string
	Total       string
	Amounts     []string // by service as in Legend; empty where there is none
}

// period is what a chart shows, from the first to the last day.
type period struct {
	from, to string // as 2026-01-31
	monthly  bool
}

const (
	tones    = 6  // colours of the style sheet
	barStep  = 10 // in the drawing
	barWidth = 8
	ticks    = 4  // distances between the lines of the drawing
	labelled = 13 // periods that all have a label: a year that begins within a month
	// maxBars bounds the work for dates that the API has accepted: a year and a month of days.
	maxBars = 400
)

// charts makes a chart for each currency, the largest sum first.
func charts(costs []cost, shown period) ([]*chart, error) {
	byCurrency := map[string]*ledger{}
	for i := range costs {
		c := &costs[i]
		paid, err := parseAmount(c.Cost.String())
		if err != nil {
			return nil, fmt.Errorf("costs of %s: %w", c.Service, err)
		}
		l := byCurrency[c.Currency]
		if l == nil {
			l = &ledger{periods: map[string]map[string]amount{}, services: map[string]amount{}}
			byCurrency[c.Currency] = l
		}
		l.add(cmp.Or(c.Period, c.Date), c.Service, paid)
	}
	var made []*chart
	for _, currency := range slices.SortedFunc(maps.Keys(byCurrency), func(a, b string) int {
		return cmp.Or(cmp.Compare(byCurrency[b].sum, byCurrency[a].sum), cmp.Compare(a, b))
	}) {
		made = append(made, byCurrency[currency].chart(currency, shown))
	}
	return made, nil
}

// ledger has the costs in one currency.
type ledger struct {
	periods  map[string]map[string]amount // by period and service
	services map[string]amount
	sum      amount
	credits  bool // some amounts are negative
}

func (l *ledger) add(at, service string, paid amount) {
	if l.periods[at] == nil {
		l.periods[at] = map[string]amount{}
	}
	l.periods[at][service] += paid
	l.services[service] += paid
	l.sum += paid
	l.credits = l.credits || paid < 0
}

// gather puts services together that have no colour of their own: the largest ones have.
func (l *ledger) gather() (services []string) {
	services = slices.SortedFunc(maps.Keys(l.services), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.services[b], l.services[a]), cmp.Compare(a, b))
	})
	if len(services) <= tones {
		return services
	}
	others := fmt.Sprintf("%d others", len(services)-tones+1)
	for _, service := range services[tones-1:] {
		for _, paid := range l.periods {
			if a, some := paid[service]; some {
				delete(paid, service)
				paid[others] += a
			}
		}
	}
	return append(services[:tones-1:tones-1], others)
}

func (l *ledger) chart(currency string, shown period) *chart {
	services := l.gather()
	c := &chart{
		Currency: currency, Unit: "Day", Sum: l.sum.String(), Caption: "Costs by day in " + currency + ".",
	}
	if shown.monthly {
		c.Unit, c.Caption = "Month", "Costs by month in "+currency+"."
	}
	if l.credits {
		c.Caption += " Credits are in the table alone."
	}
	for i, service := range services {
		c.Legend = append(c.Legend, tone{i, service})
	}
	top := amount(1) // so that nothing is divided by 0
	for _, paid := range l.periods {
		top = max(top, positive(paid))
	}
	step := stepOf(top)
	top = ticks * step
	for i := range amount(ticks + 1) {
		c.Ticks = append(c.Ticks, strings.TrimSuffix(((ticks-i)*step).String(), ".00"))
	}
	axis := shown.axis()
	c.Axis = axis
	if len(axis) > labelled {
		c.Axis = []string{axis[0], axis[len(axis)-1]}
	}
	c.Width = max(len(axis), 1) * barStep
	for i, at := range axis {
		if paid, some := l.periods[at]; some {
			c.Bars = append(c.Bars, draw(i*barStep+(barStep-barWidth)/2, at, services, paid, top, currency))
		}
	}
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(l.periods))) {
		c.Rows = append(c.Rows, tabulate(at, services, l.periods[at]))
	}
	return c
}

// stepOf returns the distance of the lines behind bars of which the highest is top: a power of ten by one of few
// factors, at least a cent.
func stepOf(top amount) amount {
	const cent = 100
	for power := amount(cent); power <= math.MaxInt64/100; power *= 10 {
		for _, tenths := range []amount{10, 15, 20, 25, 30, 40, 50, 60, 80} {
			if step := power * tenths / 10; ticks*step >= top {
				return step
			}
		}
	}
	return math.MaxInt64 / ticks
}

// positive is the height of a bar: what was paid without what was credited.
func positive(paid map[string]amount) (sum amount) {
	for _, a := range paid {
		sum += max(a, 0)
	}
	return sum
}

func draw(x int, at string, services []string, paid map[string]amount, top amount, currency string) bar {
	b := bar{Title: at + ": " + total(paid).String() + " " + currency}
	height := func(a amount) float64 { return 100 * float64(a) / float64(top) }
	below := 0.0
	for i, service := range services {
		if h := height(paid[service]); h > 0 {
			below += h
			b.Parts = append(b.Parts, part{
				Tone: i, X: x, Width: barWidth, Y: coordinate(100 - below), Height: coordinate(h),
			})
		}
	}
	return b
}

func coordinate(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func total(paid map[string]amount) (sum amount) {
	for _, a := range paid {
		sum += a
	}
	return sum
}

func tabulate(at string, services []string, paid map[string]amount) costRow {
	row := costRow{Period: at, Total: total(paid).String()}
	for _, service := range services {
		text := ""
		if a, some := paid[service]; some {
			text = a.String()
		}
		row.Amounts = append(row.Amounts, text)
	}
	return row
}

// axis returns all days or months of the period, also those without costs.
func (p period) axis() (all []string) {
	at, errFrom := time.Parse(time.DateOnly, p.from)
	to, errTo := time.Parse(time.DateOnly, p.to)
	if errFrom != nil || errTo != nil {
		return nil // the API would have refused it
	}
	format, months, days := time.DateOnly, 0, 1
	if p.monthly {
		at, format, months, days = at.AddDate(0, 0, 1-at.Day()), "2006-01", 1, 0
	}
	for ; !at.After(to) && len(all) < maxBars; at = at.AddDate(0, months, days) {
		all = append(all, at.Format(format))
	}
	return all
}

// amount is an amount of money in ten-thousandths, as exact as the database keeps it.
type amount int64

// parseAmount parses a decimal number with up to four digits after the point.
func parseAmount(s string) (amount, error) {
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	if whole == "" || len(fraction) > 4 || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, fmt.Errorf("%.40q is not an amount with up to four digits after the point", s)
	}
	n, err := strconv.ParseInt(whole+fraction+"0000"[len(fraction):], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not an amount below %d", s, int64(math.MaxInt64/10_000))
	}
	if negative {
		n = -n
	}
	return amount(n), nil
}

// String rounds to hundredths, half away from zero: 1,234.57.
func (a amount) String() string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	hundredths := int64(a / 100)
	if a%100 >= 50 {
		hundredths++
	}
	if hundredths == 0 {
		sign = ""
	}
	return fmt.Sprintf("%s%s.%02d", sign, grouped(hundredths/100), hundredths%100)
}
