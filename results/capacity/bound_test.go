package capacity

import "testing"

func TestBoundBy(t *testing.T) {
	cpu := func(rate, used float64, bad bool) Load {
		return Load{rate, bad, map[Resource]float64{MachineCPU: used}}
	}
	both := func(rate, used, pool float64, bad bool) Load {
		return Load{rate, bad, map[Resource]float64{MachineCPU: used, Pool: pool}}
	}
	one := func(rate, used float64, bad bool) Load {
		return Load{rate, bad, map[Resource]float64{OneCPU: used, MachineCPU: 0.6}}
	}
	gc := func(rate, gc, server, waited float64, bad bool) Load {
		return Load{rate, bad, map[Resource]float64{Collector: gc, ServerCPU: server, RunQueue: waited}}
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
		"used up at light load":   {[]Load{cpu(10, 0.97, false), cpu(100, 0.98, false), cpu(200, 0.99, true)}, Unknown},
		"garbage collection": {[]Load{
			gc(100, 0.1, 0.5, 0.4, false), gc(150, 0.55, 0.8, 0.5, true), gc(200, 0.6, 0.96, 0.5, true),
		}, Collector},
		"CPU before garbage collection": {[]Load{
			gc(100, 0.1, 0.5, 0.4, false), gc(150, 0.3, 0.95, 0.5, true), gc(200, 0.5, 0.96, 0.5, true),
		}, ServerCPU},
		"garbage collection with the CPU": {[]Load{
			gc(100, 0.1, 0.5, 0.4, false), gc(150, 0.5, 0.95, 0.9, true),
		}, Collector},
		"little garbage collection": {[]Load{gc(100, 0.1, 0.3, 0.4, false), gc(150, 0.2, 0.5, 0.5, true)}, Unknown},
		"waiting for a CPU": {[]Load{
			gc(10, 0, 0.1, 0.2, false), gc(100, 0.1, 0.3, 0.4, false), gc(150, 0.1, 0.5, 0.7, true),
		}, RunQueue},
		"waiting for a CPU that is used up": {[]Load{
			gc(10, 0, 0.1, 0.2, false), gc(100, 0.1, 0.3, 0.6, true), gc(150, 0.1, 0.95, 0.7, true),
		}, ServerCPU},
		"waiting at light load": {[]Load{gc(10, 0, 0.1, 0.8, false), gc(150, 0.1, 0.5, 0.8, true)}, Unknown},
		"waiting when good": {[]Load{
			gc(10, 0, 0.1, 0.5, false), gc(100, 0.1, 0.3, 0.6, false), gc(110, 0.1, 0.3, 0.6, false),
			gc(150, 0.1, 0.5, 0.7, true),
		}, Unknown},
		"one CPU": {[]Load{one(100, 0.5, false), one(200, 0.97, true), one(300, 1.01, true)}, OneCPU},
		"one CPU, and more at higher rates": {
			[]Load{one(100, 0.5, false), one(150, 0.92, true), one(200, 0, true), one(300, 0, true)}, Unknown,
		},
		"refusals": {
			[]Load{{100, false, nil}, {200, true, map[Resource]float64{Limiter: 0.3}}},
			Limiter,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, why := BoundBy(c.loads); got != c.want || (why != "") != (got == Unknown) {
				t.Errorf("%s, %q, want %s", got, why, c.want)
			}
		})
	}
	for want, loads := range map[string][]Load{
		"no trial was bad":                         {cpu(100, 0.95, false), cpu(200, 0.97, false)},
		"no resource that was watched was used up": {cpu(100, 0.2, false), cpu(200, 0.4, true)},
		"CPU of the machine: used up in a bad trial, but in good ones as well, or not in most at higher rates": {
			cpu(10, 0.97, false), cpu(200, 0.99, true),
		},
	} {
		if got, why := BoundBy(loads); got != Unknown || why != want {
			t.Errorf("%s: %q, want %q", got, why, want)
		}
	}
}
