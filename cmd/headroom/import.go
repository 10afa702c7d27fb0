package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/imports"
	"github.com/policycortex/headroom/reports"
)

// importer is the import command with its flags.
type importer struct {
	format, out string
	in          io.Reader
	w, say      io.Writer
}

func newImportCommand() *cobra.Command {
	i := &importer{}
	c := &cobra.Command{
		Use:   "import FILE | -",
		Short: "Make a scenario of a k6 script, Postman collection, OpenAPI document, HAR file, JMeter plan or curl",
		Long: `Make a scenario file of what another tool runs or has recorded: a script of k6, a collection of Postman, an OpenAPI document,
a HAR file, a test plan of JMeter, or curl commands. FILE may also be - for standard input, or a curl command itself.

The scenario goes to standard output, or to the file of --out, which must not exist yet. What was not carried over goes to
standard error, each with its line where there is one, and into a comment at the beginning of the scenario. Secrets, such as
the values of Authorization and Cookie headers and of fields named password, are not in it: variables of the environment
stand in their place. Scripts are read, not run.`,
		Example: `  headroom import load.js --out load.yaml
  headroom import shop.postman_collection.json > shop.yaml
  headroom import openapi.yaml --out api.yaml
  headroom import curl http://127.0.0.1:8080/items -H 'Accept: application/json'`,
		Args: atLeastOne("a file"),
		RunE: func(c *cobra.Command, args []string) error {
			i.in, i.w, i.say = c.InOrStdin(), bare(c.OutOrStdout()), c.ErrOrStderr()
			if args[0] != "curl" { // flags may follow the file
				c.Flags().SetInterspersed(true)
				if err := c.Flags().Parse(args[1:]); err != nil {
					return c.FlagErrorFunc()(c, err)
				}
				args = append(args[:1:1], c.Flags().Args()...)
				if len(args) != 1 {
					return usageError{fmt.Errorf("%s takes one file; see: %[1]s --help", c.CommandPath())}
				}
			}
			return i.run(args)
		},
	}
	names := make([]string, len(imports.Formats))
	for n, f := range imports.Formats {
		names[n] = string(f)
	}
	c.Flags().StringVar(&i.format, "format", "", "what the `file` is: "+strings.Join(names, ", ")+
		" (default: found out from its content)")
	c.Flags().StringVar(&i.out, "out", "", "`file` of the scenario (default: standard output)")
	c.Flags().SetInterspersed(false) // the options of a curl command are not ours
	if err := c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names,
		cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is there
	}
	return c
}

func (i *importer) run(args []string) error {
	format := imports.Format(i.format)
	if i.format != "" && !slices.Contains(imports.Formats, format) {
		return usageError{fmt.Errorf("--format %q: there are %v", i.format, imports.Formats)}
	}
	name, content, err := i.read(args)
	if err != nil {
		return err
	}
	if args[0] == "curl" {
		format = imports.Curl
	}
	r, err := imports.Convert(name, content, format)
	if err != nil {
		return inputError{err}
	}
	if err := i.write(r.Text); err != nil {
		return err
	}
	i.tell(name, r)
	return nil
}

// read returns what is imported, and its name.
func (i *importer) read(args []string) (name string, content []byte, err error) {
	switch {
	case args[0] == "curl":
		quoted := make([]string, len(args))
		for n, a := range args {
			quoted[n] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[0] = "curl"
		return "curl", []byte(strings.Join(quoted, " ")), nil
	case args[0] == "-":
		content, err = io.ReadAll(i.in)
		if err != nil {
			return "", nil, fmt.Errorf("read standard input: %w", err)
		}
		return stdinName, content, nil
	}
	content, err = os.ReadFile(args[0])
	if err != nil {
		return "", nil, usageError{err}
	}
	return args[0], content, nil
}

// write writes the scenario. A file that is there may have been changed by hand since: it stays.
func (i *importer) write(text []byte) error {
	if i.out == "" {
		_, err := i.w.Write(text)
		return err
	}
	f, err := os.OpenFile(i.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return usageError{fmt.Errorf("%s exists: name another file, or remove it", i.out)}
	}
	if err != nil {
		return usageError{err}
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// tell says what was made, what is to be set, and what was left out.
func (i *importer) tell(name string, r *imports.Result) {
	fmt.Fprintf(i.say, "%s: %s\n", oneLine(name), reports.Plural(r.Requests, "request"))
	for _, v := range r.Variables {
		fmt.Fprintf(i.say, "set the variable %s: %s\n", v.Name, oneLine(v.For))
	}
	for _, n := range r.LeftOut {
		place := oneLine(name)
		if n.Line > 0 {
			place += fmt.Sprintf(":%d", n.Line)
		}
		if n.Column > 0 {
			place += fmt.Sprintf(":%d", n.Column)
		}
		fmt.Fprintf(i.say, "%s: not carried over: %s\n", place, oneLine(n.Text))
	}
	if i.out != "" {
		fmt.Fprintf(i.say, "next: headroom try %s\n", oneLine(i.out))
	}
}
