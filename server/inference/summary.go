package inference

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// leastSeason is the strength from which a season is worth a sentence.
const leastSeason = 0.2

// Summary says the facts in words. The same facts give the same words.
func Summary(f *Facts) string {
	what := "All services"
	if f.Service != "" {
		what = "The service " + f.Service
	}
	if len(f.Currencies) == 0 {
		return fmt.Sprintf("%s had no costs from %s to %s.", what, f.From, f.To)
	}
	paragraphs := make([]string, len(f.Currencies))
	for i := range f.Currencies {
		c := &f.Currencies[i]
		var b strings.Builder
		fmt.Fprintf(&b, "%s cost %s from %s to %s (%s). ", what, amount(c.Total, c.Currency), c.First, c.Last,
			count(c.Days, "day"))
		c.describeRecent(&b)
		c.describeForecast(&b)
		c.describeAnomalies(&b)
		paragraphs[i] = strings.TrimSpace(b.String())
	}
	return strings.Join(paragraphs, "\n\n")
}

func (c *CurrencyFacts) describeRecent(b *strings.Builder) {
	fmt.Fprintf(b, "The last %s cost %s", count(min(c.Days, recentDays), "day"), amount(c.Recent, c.Currency))
	if c.Before > 0 {
		fmt.Fprintf(b, ", %s than the 28 days before", change(c.Recent, c.Before))
	}
	b.WriteString(". ")
	if len(c.Services) < 2 || c.Recent <= 0 {
		return
	}
	b.WriteString("Most of it was for ")
	for i, s := range c.Services[:min(len(c.Services), 3)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s (%.0f %%", s.Name, 100*s.Recent/c.Recent)
		if s.Before > 0 {
			fmt.Fprintf(b, ", %s than before", change(s.Recent, s.Before))
		}
		b.WriteString(")")
	}
	b.WriteString(". ")
}

func (c *CurrencyFacts) describeForecast(b *strings.Builder) {
	if !c.Analysed {
		b.WriteString("That is too little for a forecast, which needs four weeks. ")
		return
	}
	if c.SeasonalStrength >= leastSeason {
		fmt.Fprintf(b, "Costs follow the week: %ss are the dearest, %ss the cheapest. ", c.Dearest, c.Cheapest)
	}
	fmt.Fprintf(b, "The next %s are expected to cost %s. The first of them should cost between %s and %s "+
		"(%s %% interval). ", count(c.Horizon, "day"), amount(c.Forecast, c.Currency), amount(c.Next.Low, ""),
		amount(c.Next.High, c.Currency), strconv.FormatFloat(100*c.Level, 'g', 4, 64))
}

func (c *CurrencyFacts) describeAnomalies(b *strings.Builder) {
	if !c.Analysed {
		return
	}
	if c.Anomalies == 0 {
		b.WriteString("No day was out of the ordinary. ")
		return
	}
	fmt.Fprintf(b, "%s out of the ordinary", were(c.Anomalies, "day"))
	if c.Anomalies > len(c.Latest) {
		fmt.Fprintf(b, "; the latest %d are told here", len(c.Latest))
	}
	b.WriteString(". ")
	for _, a := range c.Latest {
		fmt.Fprintf(b, "%s cost %s instead of about %s, %.1f usual deviations %s", a.Date, amount(a.Cost, c.Currency),
			amount(a.Expected, ""), math.Abs(a.Score), aboveBelow(a.Score))
		if a.Service != "" {
			fmt.Fprintf(b, "; %s deviated most", a.Service)
		}
		b.WriteString(". ")
	}
}

// amount writes an amount with its thousands apart.
func amount(v float64, currency string) string {
	text := strconv.FormatFloat(math.Abs(v), 'f', 2, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	var b strings.Builder
	if v < 0 && strings.Trim(text, "0.") != "" {
		b.WriteByte('-')
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	b.WriteString("." + fraction)
	if currency != "" {
		b.WriteString(" " + currency)
	}
	return b.String()
}

func change(now, before float64) string {
	percent := 100 * (now - before) / before
	if percent < 0 {
		return fmt.Sprintf("%.1f %% less", -percent)
	}
	return fmt.Sprintf("%.1f %% more", percent)
}

func aboveBelow(score float64) string {
	if score < 0 {
		return "below"
	}
	return "above"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func were(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return count(n, what) + " were"
}
