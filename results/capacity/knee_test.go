package capacity

import "testing"

func TestKnee(t *testing.T) {
	queue := func(rates ...float64) (points []TimeAt) { // M/M/1 with 100 requests a second: twice the time at 50 of 0
		for _, r := range rates {
			points = append(points, TimeAt{r, 1 / (100 - r)})
		}
		return points
	}
	for name, c := range map[string]struct {
		points []TimeAt
		want   float64
		off    float64
	}{
		"none":     {nil, 0, 0},
		"one":      {queue(10), 0, 0},
		"not seen": {queue(1, 10, 40), 0, 0},
		"queue":    {queue(90, 1, 40, 45, 55, 60, 80), 50.5, 0.5},
		"a step":   {[]TimeAt{{10, 1}, {20, 1}, {30, 1}, {30, 5}}, 30, 0},
		"a hiccup": {[]TimeAt{
			{10, 1},
			{20, 5},
			{30, 1},
			{40, 1},
			{50, 1},
			{60, 1},
			{70, 1},
			{80, 1},
			{90, 1},
			{100, 8},
		}, 95, 5},
		"light load":   {[]TimeAt{{10, 0}, {20, 0}}, 10, 10},
		"all the same": {[]TimeAt{{10, 1}, {20, 1}, {30, 1}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Knee(c.points)
			if ok && (got < c.want-c.off || got > c.want+c.off) || ok != (c.want > 0) {
				t.Errorf("%v, %v; want %v", got, ok, c.want)
			}
		})
	}
}
