package containers

import "testing"

func TestCgroupOf(t *testing.T) {
	for name, tt := range map[string]struct {
		text, controller, path string
		ok                     bool
	}{
		"version 2": {"0::/system.slice/docker-1f.scope\n", "", "/system.slice/docker-1f.scope", true},
		"the root":  {"0::/\n", "", "/", true},
		"version 1": {
			"12:pids:/docker/1f\n4:cpu,cpuacct:/docker/1f/cpu\n1:name=systemd:/docker/1f/other\n", "cpuacct",
			"/docker/1f/cpu", true,
		},
		"version 1, by itself": {"4:cpuacct:/docker/1f\n3:cpu:/docker/2f\n", "cpuacct", "/docker/1f", true},
		"hybrid, version 2 first": {
			"0::/docker/unified\n4:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n", "cpuacct", "/docker/1f", true,
		},
		"hybrid, version 2 last": {"4:cpuacct,cpu:/docker/1f\n0::/docker/unified\n", "cpuacct", "/docker/1f", true},
		"hybrid, without the controller": {
			"4:cpu:/docker/1f\n0::/docker/unified\n", "", "/docker/unified", true,
		},
		"colons in the path":            {"0::/a:b:c\n", "", "/a:b:c", true},
		"no last newline":               {"0::/a", "", "/a", true},
		"version 1, not the controller": {"3:cpu:/docker/1f\n2:cpuset:/docker/1f\n", "", "", false},
		"a controller of a like name":   {"3:cpuacct2:/docker/1f\n", "", "", false},
		"empty":                         {"", "", "", false},
		"garbage":                       {"what is this\n0:\n::\n", "", "", false},
	} {
		controller, path, ok := cgroupOf(tt.text)
		if controller != tt.controller || path != tt.path || ok != tt.ok {
			t.Errorf("%s: %q, %q, %v", name, controller, path, ok)
		}
	}
}

func FuzzCgroupOf(f *testing.F) {
	f.Add("0::/a\n4:cpu,cpuacct:/b\n")
	f.Fuzz(func(t *testing.T, text string) {
		controller, path, ok := cgroupOf(text)
		if controller != "" && controller != "cpuacct" || !ok && (controller != "" || path != "") {
			t.Errorf("%q, %q, %v", controller, path, ok)
		}
	})
}
