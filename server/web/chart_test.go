package web

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAmounts(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0.00", "12": "12.00", "1234567.8": "1,234,567.80", "0.005": "0.01", "0.0049": "0.00", "-0.004": "0.00",
		"-0.005": "-0.01", "-1234.5678": "-1,234.57", "999.995": "1,000.00",
		"922337203685477.5807": "922,337,203,685,477.58",
	} {
		a, err := parseAmount(text)
		if err != nil || a.String() != want {
			t.Errorf("%s is %s, error %v; want %s", text, a, err, want)
		}
	}
	for _, text := range []string{
		"", "-", ".5", "1.23456", "1e5", "+1", "--1", "1,000", " 1", "NaN", "922337203685477.5808", "1.2.3", "1.-2",
	} {
		if a, err := parseAmount(text); err == nil {
			t.Errorf("%q is taken for %s", text, a)
		}
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"0", "12.3456", "-0.0001", "1e3", "00.10", "9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAmount(text)
		if err != nil {
			return
		}
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(want-float64(a)/10_000) > math.Abs(want)*1e-12 {
			t.Errorf("%q is taken for %d ten-thousandths", text, a)
		}
		if shown := a.String(); strings.Trim(shown, "-0123456789.,") != "" {
			t.Errorf("%q is shown as %q", text, shown)
		}
	})
}

func costOf(at, service, paid, currency string) cost {
	return cost{Period: at, Service: service, Cost: json.Number(paid), Currency: currency}
}

func TestChart(t *testing.T) {
	made, err := charts([]cost{
		costOf("2026-03", "storage", "25", "EUR"),
		costOf("2026-03", "compute", "75", "EUR"),
		costOf("2026-01", "compute", "50", "EUR"),
		costOf("2026-01", "compute", "7.5", "USD"),
	}, period{"2026-01-15", "2026-04-02", true})
	if err != nil || len(made) != 2 {
		t.Fatalf("%d charts, error %v", len(made), err)
	}
	c := made[0]
	if c.Currency != "EUR" || c.Sum != "150.00" || fmt.Sprint(c.Ticks) != "[100 75 50 25 0]" ||
		fmt.Sprint(c.Axis) != "[2026-01 2026-02 2026-03 2026-04]" || c.Width != 40 ||
		made[1].Currency != "USD" || made[1].Sum != "7.50" {
		t.Errorf("the charts are %+v and %+v", c, made[1])
	}
	if want := []tone{{0, "compute"}, {1, "storage"}}; !slices.Equal(c.Legend, want) {
		t.Errorf("the legend is %v, want %v", c.Legend, want)
	}
	if len(c.Bars) != 2 || c.Bars[1].Title != "2026-03: 100.00 EUR" {
		t.Fatalf("the bars are %+v", c.Bars)
	}
	// The third of four months, the larger part at the bottom.
	want := []part{
		{Tone: 0, X: 21, Y: "25.00", Width: barWidth, Height: "75.00"},
		{Tone: 1, X: 21, Y: "0.00", Width: barWidth, Height: "25.00"},
	}
	if !slices.Equal(c.Bars[1].Parts, want) {
		t.Errorf("the parts are %+v, want %+v", c.Bars[1].Parts, want)
	}
	rows := fmt.Sprint(c.Rows)
	if rows != "[{2026-03  100.00 [75.00 25.00]} {2026-01  50.00 [50.00 ]}]" {
		t.Errorf("the table is %s", rows)
	}
}

func TestChartOfManyServicesAndCredits(t *testing.T) {
	var costs []cost
	for i := range 9 {
		costs = append(costs, costOf("2026-01-02", fmt.Sprintf("s%d", i), fmt.Sprint(100-i), "EUR"))
	}
	costs = append(costs, costOf("2026-01-01", "s0", "-10", "EUR"))
	made, err := charts(costs, period{"2026-01-01", "2026-01-02", false})
	if err != nil {
		t.Fatal(err)
	}
	c := made[0]
	if len(c.Legend) != tones || c.Legend[tones-1].Name != "4 others" {
		t.Errorf("the legend is %v", c.Legend)
	}
	if !strings.Contains(c.Caption, "Credits") || len(c.Bars[0].Parts) != 0 || c.Rows[1].Total != "-10.00" {
		t.Errorf("%q, a bar of the credit with %d parts, in the table %s", c.Caption, len(c.Bars[0].Parts),
			c.Rows[1].Total)
	}
	// 94 + 93 + 92, and 100 of s0, which is the least because of its credit
	if got := c.Rows[0].Amounts[tones-1]; got != "379.00" {
		t.Errorf("the others are %s", got)
	}
	if c.Sum != "854.00" {
		t.Errorf("the sum is %s", c.Sum)
	}
}

func TestStepOf(t *testing.T) {
	for top, want := range map[string]string{
		"0.0001": "0.01", "0.04": "0.01", "0.05": "0.02", "0.1": "0.03", "4": "1.00", "4.01": "1.50", "8.5": "2.50",
		"10": "2.50", "17": "5.00", "123456.78": "40,000.00", "922337203685477.5807": "230,584,300,921,369.40",
	} {
		a, err := parseAmount(top)
		if err != nil {
			t.Fatal(err)
		}
		step := stepOf(a)
		if step.String() != want || float64(ticks)*float64(step) < float64(a) {
			t.Errorf("for %s the lines are %s apart, want %s", top, step, want)
		}
	}
}

func TestChartsRefuseWhatIsNoAmount(t *testing.T) {
	if _, err := charts([]cost{costOf("2026-01", "s", "many", "EUR")}, period{}); err == nil {
		t.Error("it has been taken")
	}
}

func TestCostPeriod(t *testing.T) {
	now := time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		asked url.Values
		want  period
	}{
		{nil, period{"2025-04-01", "2026-03-31", true}},
		{url.Values{"period": {"day"}}, period{"2026-03-02", "2026-03-31", false}},
		{url.Values{"from": {"2026-01-01"}, "to": {"2026-02-01"}}, period{"2026-01-01", "2026-02-01", true}},
	} {
		got, query := costPeriod(tt.asked, now)
		if got != tt.want || query.Get("from") != got.from || query.Get("to") != got.to ||
			(query.Get("period") == "month") != got.monthly {
			t.Errorf("%v: %+v, asked for by %v; want %+v", tt.asked, got, query, tt.want)
		}
	}
	within := period{"2026-01-15", "2026-02-10", true}
	for month, want := range map[string]string{
		"2026-01": "from=2026-01-15&period=day&service_name=s&to=2026-01-31",
		"2026-02": "from=2026-02-01&period=day&service_name=s&to=2026-02-10",
	} {
		if got := daysOf(month, within, "s").Encode(); got != want {
			t.Errorf("the days of %s are %s, want %s", month, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000",
		math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := grouped(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	if count(1, "resource") != "1 resource" || count(2000, "resource") != "2,000 resources" {
		t.Errorf("%s, %s", count(1, "resource"), count(2000, "resource"))
	}
}
