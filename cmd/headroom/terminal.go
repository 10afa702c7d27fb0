package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// terminal is where the program writes to people: everything goes through it, line by line, so that no secret comes out, and
// nothing that a file or a service named controls the terminal.
type terminal struct {
	w       io.Writer
	secrets *scenarios.Redactor

	mu   sync.Mutex
	rest []byte // of a line that has not ended
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, p...)
	end := bytes.LastIndexByte(t.rest, '\n') + 1
	if err := t.show(t.rest[:end]); err != nil {
		return 0, err
	}
	t.rest = append(t.rest[:0], t.rest[end:]...)
	return len(p), nil
}

func (t *terminal) show(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := io.WriteString(t.w, results.Printable(t.secrets.Text(string(text))))
	return err
}

// flush shows a last line that does not end.
func (t *terminal) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.show(t.rest) // the program ends
	t.rest = nil
}

// bare is what is behind a terminal: for what is no text.
func bare(w io.Writer) io.Writer {
	if t, ok := w.(*terminal); ok {
		return t.w
	}
	return w
}

// jsonTo is where a JSON document is written that has been redacted: not as a text, in which a number could be taken for a secret.
func jsonTo(w io.Writer) io.Writer { return printable{bare(w)} }

// printable writes what controls a terminal as JSON can have it.
type printable struct{ w io.Writer }

func (p printable) Write(b []byte) (int, error) {
	_, err := io.WriteString(p.w, results.Printable(string(b)))
	return len(b), err
}

type secretsKey struct{}

// redactorOf is the redactor of the program's run, to be told of every secret that a command comes to know.
func redactorOf(c *cobra.Command) *scenarios.Redactor {
	if ctx := c.Context(); ctx != nil {
		if secrets, ok := ctx.Value(secretsKey{}).(*scenarios.Redactor); ok {
			return secrets
		}
	}
	return &scenarios.Redactor{}
}

func withSecrets(ctx context.Context, secrets *scenarios.Redactor) context.Context {
	return context.WithValue(ctx, secretsKey{}, secrets)
}

// learnArguments tells of the secrets in a command line.
func learnArguments(secrets *scenarios.Redactor, args []string) {
	for i, a := range args {
		if override, ok := overrideOf(args, i); ok {
			secrets.LearnOverride(override)
		}
		secrets.Learn(a)
	}
}

// redacted are arguments without secrets: they go into the run's record.
func redacted(args []string, secrets *scenarios.Redactor) []string {
	out := make([]string, len(args))
	for i, a := range args {
		override, ok := overrideOf(args, i)
		if ok {
			out[i] = strings.TrimSuffix(a, override) + secrets.Override(override)
		} else {
			out[i] = secrets.Text(a)
		}
	}
	return out
}

// overrideOf is the override in argument i.
func overrideOf(args []string, i int) (override string, ok bool) {
	if i > 0 && args[i-1] == "--set" {
		return args[i], true
	}
	return strings.CutPrefix(args[i], "--set=")
}
