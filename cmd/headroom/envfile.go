package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/scenarios"
)

// scenarioFlags are the flags of commands that read a scenario file.
type scenarioFlags struct {
	overrides []string
	envFiles  []string
}

func (f *scenarioFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.overrides, "set", nil,
		"override a value of the scenario, as `key=value`: scenarios.warm.rate=5000 (repeatable)")
	c.Flags().StringArrayVar(&f.envFiles, "env-file", nil,
		"`file` with lines NAME=value for ${NAME} in the scenario; the environment takes precedence, then the last "+
			"file (repeatable)")
}

// inputs are the values with which scenario files are read.
func (f *scenarioFlags) inputs(secrets *scenarios.Redactor) (scenarios.Inputs, error) {
	in := scenarios.Inputs{Overrides: f.overrides, Secrets: secrets, Lookup: os.LookupEnv}
	if len(f.envFiles) == 0 {
		return in, nil
	}
	vars := map[string]string{}
	for _, file := range f.envFiles {
		content, err := os.ReadFile(file)
		if err != nil {
			return in, usageError{fmt.Errorf("--env-file: %w", err)}
		}
		if err := readVariables(string(content), vars); err != nil {
			return in, usageError{fmt.Errorf("%s:%w", file, err)}
		}
	}
	in.Lookup = func(name string) (string, bool) {
		if value, ok := os.LookupEnv(name); ok {
			return value, true
		}
		value, ok := vars[name]
		return value, ok
	}
	return in, nil
}

var variableLine = regexp.MustCompile(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)$`)

// readVariables reads lines NAME=value into vars. Errors begin with the line number and never quote the line, which may
// hold a secret. Libraries for such files quote it.
func readVariables(text string, vars map[string]string) error {
	text = strings.TrimPrefix(text, "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := variableLine.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("%d: the line is not NAME=value", i+1)
		}
		value, err := variableValue(m[2])
		if err != nil {
			return fmt.Errorf("%d: the value of %s: %w", i+1, m[1], err)
		}
		vars[m[1]] = value
	}
	return nil
}

// variableValue removes quotes and a comment from a value. In double quotes \n, \r, \t, \" and \\ are escapes.
func variableValue(raw string) (string, error) {
	if raw == "" || raw[0] != '"' && raw[0] != '\'' {
		if strings.HasPrefix(raw, "#") {
			return "", nil
		}
		value, _, _ := strings.Cut(raw, " #")
		return strings.TrimSpace(value), nil
	}
	quote := raw[0]
	var b strings.Builder
	for i := 1; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == quote:
			if rest := strings.TrimSpace(raw[i+1:]); rest != "" && rest[0] != '#' {
				return "", errors.New("there is text after the closing quote")
			}
			return b.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(raw):
			i++
			if at := strings.IndexByte(`nrt"\`, raw[i]); at >= 0 {
				b.WriteByte("\n\r\t\"\\"[at])
			} else {
				b.WriteString(raw[i-1 : i+1])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("the closing quote is missing")
}
