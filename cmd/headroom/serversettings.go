package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/policycortex/headroom/scenarios"
	"github.com/policycortex/headroom/server"
)

// ownVariables are those of the reference server that each run sets itself.
var ownVariables = []string{
	"HEADROOM_ADDR", "HEADROOM_ADMIN_ADDR", "HEADROOM_POSTGRES_URL", "HEADROOM_POSTGRES_REPLICA_URL",
	"HEADROOM_CACHE_URL", "HEADROOM_EDGE_URLS", "HEADROOM_EDGE_TOKEN",
}

// goVariables are those of Go's runtime in the reference server, with what tells their values.
var goVariables = map[string]func(value string) error{
	"GOGC":       checkPercent,
	"GOMEMLIMIT": checkMemory,
	"GOMAXPROCS": checkThreads,
}

// variablePrefix is that of all variables of the reference server but Go's.
const variablePrefix = "HEADROOM_"

// settingName is what a scenario file calls a variable of the server: rate_limit, gogc.
func settingName(variable string) string {
	return strings.ToLower(strings.TrimPrefix(variable, variablePrefix))
}

// variableOf is the variable that a setting of a scenario file sets; "" when there is none.
func variableOf(setting string) string {
	variable := strings.ToUpper(setting)
	if _, ofGo := goVariables[variable]; ofGo && setting == strings.ToLower(setting) {
		return variable
	}
	variable = variablePrefix + variable
	if setting == strings.ToLower(setting) && slices.Contains(server.Variables(), variable) {
		return variable
	}
	return ""
}

// checkServerSettings holds the settings of environment.server against those that the reference server has, as it
// would itself when it starts. The error is of type [scenarios.Errors].
func checkServerSettings(plan *scenarios.Plan) error {
	var faults scenarios.Errors
	given := map[string]scenarios.Setting{}
	for _, s := range plan.Environment.Server {
		variable := variableOf(s.Name)
		switch {
		case variable == "":
			faults = append(faults, s.FaultInName(knownSetting(s.Name),
				fmt.Sprintf("the reference server has no setting %.120q", s.Name)))
			continue
		case slices.Contains(ownVariables, variable):
			faults = append(faults, s.FaultInName("remove it", s.Path()+" is chosen by the run itself"))
			continue
		}
		check := goVariables[variable]
		if check == nil {
			check = func(value string) error { return server.CheckVariable(variable, value) }
		}
		err := check(s.Value)
		if err != nil {
			faults = append(faults, s.FaultInValue("", s.Path()+" "+err.Error()))
			continue
		}
		given[variable] = s
	}
	faults = append(faults, outOfBounds(given)...)
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// knownSetting says what was probably meant by a name that no setting has.
func knownSetting(name string) string {
	var known []string
	for variable := range goVariables {
		known = append(known, settingName(variable))
	}
	for _, variable := range server.Variables() {
		if !slices.Contains(ownVariables, variable) {
			known = append(known, settingName(variable))
		}
	}
	slices.Sort(known)
	written := settingName(strings.ToUpper(name)) // HEADROOM_RATE_LIMIT is rate_limit here
	near := scenarios.Nearest(written, known)
	if near == "" {
		return "known are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("did you mean %q?", near)
}

// outOfBounds are the faults that the server finds in the settings together, and with those in the environment of this
// process, which it gets too. Those in which no given setting has a part are left to the server.
func outOfBounds(given map[string]scenarios.Setting) (faults scenarios.Errors) {
	variables := env.ToMap(os.Environ())
	for variable, s := range given {
		variables[variable] = s.Value
	}
	var o server.Options
	err := env.ParseWithOptions(&o, env.Options{Environment: variables})
	if err != nil {
		return nil // in what this process's environment says
	}
	for _, fault := range errorsIn(o.Check()) {
		// The first that it names is what it is about.
		at, of := math.MaxInt, scenarios.Setting{}
		for variable, s := range given {
			if i := indexOfWord(fault.Error(), variable); i >= 0 && i < at {
				at, of = i, s
			}
		}
		if at < math.MaxInt {
			faults = append(faults, of.FaultInValue("", of.Path()+": "+fault.Error()))
		}
	}
	return faults
}

// indexOfWord is where a variable is named in a text, and not a longer one that begins like it; -1 when it is not.
func indexOfWord(text, variable string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], variable)
		if i < 0 {
			return -1
		}
		begin, end := from+i, from+i+len(variable)
		isPart := end < len(text) && (text[end] == '_' || text[end] >= 'A' && text[end] <= 'Z')
		if !isPart {
			return begin
		}
		from = end
	}
}

// errorsIn are the errors that were joined into one.
func errorsIn(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case ok:
		return joined.Unwrap()
	}
	return []error{err}
}

func checkPercent(value string) error {
	n, err := strconv.ParseInt(value, 10, 32)
	if value != "off" && (err != nil || n < 1) {
		return fmt.Errorf("must be a whole number of percent from 1, or off, not %.120q", value)
	}
	return nil
}

// checkMemory accepts what Go's runtime does: a number of bytes, with or without a unit.
func checkMemory(value string) error {
	digits, bytes := value, int64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB", "B"} {
		if number, found := strings.CutSuffix(value, unit); found {
			digits = number
			if unit != "B" {
				bytes <<= 10 * (i + 1)
			}
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if value != "off" && (err != nil || n < 0 || n > math.MaxInt64/bytes) {
		return fmt.Errorf("must be a number of bytes, such as 512MiB or 2GiB, or off, not %.120q", value)
	}
	return nil
}

// mostThreads bounds GOMAXPROCS.
const mostThreads = 1024

func checkThreads(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > mostThreads {
		return fmt.Errorf("must be a whole number from 1 to %d, not %.120q", mostThreads, value)
	}
	return nil
}

// settingVariables are the environment variables of the settings that the scenario gives each instance of the reference
// server, in alphabetical order. Together the instances get half of the CPUs, as far as each has one, and the generator
// the other half.
func settingVariables(plan *scenarios.Plan) []string {
	vars := []string{fmt.Sprintf("GOMAXPROCS=%d", serverThreads(plan))}
	for _, s := range plan.Environment.Server {
		if variable := variableOf(s.Name); variable != "GOMAXPROCS" {
			vars = append(vars, variable+"="+s.Value)
		}
	}
	slices.Sort(vars)
	return vars
}

// serverThreads is the GOMAXPROCS of each instance of the reference server.
func serverThreads(plan *scenarios.Plan) int {
	for _, s := range plan.Environment.Server {
		if s.Name != "gomaxprocs" {
			continue
		}
		n, err := strconv.Atoi(s.Value)
		if err == nil {
			return n
		}
	}
	return max(1, runtime.NumCPU()/2/plan.Environment.Servers())
}

// isSet reports whether a variable of the reference server has a value, by the scenario or by the environment of this
// process.
func isSet(settings []string, variable string) bool {
	return os.Getenv(variable) != "" || slices.ContainsFunc(settings, func(s string) bool {
		return strings.HasPrefix(s, variable+"=")
	})
}

// noteSettings records the variables that the scenario sets, secrets as the server shows them.
func (s *system) noteSettings(settings []string) {
	for _, v := range settings {
		name, value, _ := strings.Cut(v, "=")
		s.record.Settings = append(s.record.Settings, "server "+name+"="+server.Disguised(name, value))
	}
}
