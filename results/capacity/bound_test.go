package capacity

import (
	"strings"
	"testing"
)

func TestBoundBy(t *testing.T) {
	cpu := func(rate, used float64, bad bool) Load {
		return Load{rate, bad, map[Resource]float64{MachineCPU: used}}
	}
	both := func(rate, used, pool float64, bad bool) Load {
		return Load{rate, bad, map[Resource]float64{MachineCPU: used, Pool: pool}}
	}
	for name, c := range map[string]struct {
		loads []Load
		want  Resource
	}{
		"nothing":           {nil, Unknown},
		"nothing known":     {[]Load{{100, false, nil}, {200, true, nil}}, Unknown},
		"idle":              {[]Load{cpu(100, 0.2, false), cpu(200, 0.4, true)}, Unknown},
		"CPU":               {[]Load{cpu(200, 0.96, true), cpu(100, 0.5, false)}, MachineCPU},
		"CPU, but all good": {[]Load{cpu(100, 0.95, false), cpu(200, 0.97, false)}, Unknown},
		"once by chance":    {[]Load{cpu(100, 0.95, false), cpu(150, 0.5, false), cpu(200, 0.6, true)}, Unknown},
		"pool before CPU": {[]Load{
			both(100, 0.5, 0.1, false), both(150, 0.7, 0.6, true),
			both(200, 0.95, 1, true),
		}, Pool},
		"CPU before pool": {[]Load{
			both(100, 0.5, 0.1, false), both(150, 0.95, 0.2, true),
			both(200, 0.95, 1, true),
		}, MachineCPU},
		"at once: the nearer one": {[]Load{both(100, 0.5, 0.1, false), both(150, 0.95, 0.9, true)}, Pool},
		"refusals": {
			[]Load{{100, false, nil}, {200, true, map[Resource]float64{Limiter: 0.3}}},
			Limiter,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, why := BoundBy(c.loads); got != c.want {
				t.Errorf("%s, want %s: %s", got, c.want, strings.Join(why, "\n"))
			}
		})
	}
	_, why := BoundBy([]Load{cpu(200, 0.96, true), cpu(100, 0.5, false)})
	if want := "CPU of the machine in use: 50.0 % at the highest rate that was good (100/s); 96.0 % at the " +
		"lowest that " +
		"was bad (200/s)"; len(why) != 1 || why[0] != want {
		t.Errorf("%q, want %q", why, want)
	}
}
