package scenarios

import (
	"regexp"
	"strconv"
	"strings"
)

// Setting is a setting of the reference server that a file gives. Which there are, and which values they may have, the
// server knows: this package keeps the place, so that whoever knows more can say where a fault is.
type Setting struct {
	Name  string // as the file has it: "rate_limit"
	Value string // of names that end in _bytes in bytes, in digits

	name, value Error // where both stand
}

// FaultInName is a fault of the setting's name.
func (s Setting) FaultInName(hint, message string) Error { return s.name.saying(hint, message) }

// FaultInValue is a fault of the setting's value.
func (s Setting) FaultInValue(hint, message string) Error { return s.value.saying(hint, message) }

func (e Error) saying(hint, message string) Error {
	e.Message, e.Hint = message, hint
	return e
}

// Path is where the setting stands in the file: environment.server.rate_limit.
func (s Setting) Path() string { return join(settingsPath, s.Name) }

const settingsPath = "environment.server"

// settings reads those of the reference server.
func (r *reader) settings(n *node) (all []Setting) {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		r.plainText(e.value)
		if e.value.bad {
			continue
		}
		s := Setting{
			Name: e.key, Value: e.value.text,
			name: r.errorAt(e.at), value: r.errorAt(e.value.at),
		}
		switch {
		case strings.TrimSpace(s.Value) == "":
			r.fault(e.value, "give it a value or remove the line", "%s is empty", e.value.path)
		case strings.ContainsAny(s.Value, "\r\n"):
			r.fault(e.value, "", "%s has more than one line", e.value.path)
		case strings.HasSuffix(e.key, "_bytes"):
			s.Value = strconv.FormatInt(r.size(e.value), 10)
		}
		all = append(all, s)
	}
	return all
}

// isSecretSetting matches the names of settings that are secrets, as auth_shared_key.
var isSecretSetting = regexp.MustCompile(`(?i)(^|_)(key|token|secret|password)s?$`).MatchString

// learnSettings tells the redactor of the secrets among them.
func (r *reader) learnSettings(tree *node) {
	n := tree.get("environment").get("server")
	if n == nil {
		return
	}
	for _, e := range n.entries {
		if !isSecretSetting(e.key) {
			continue
		}
		for _, text := range []string{e.value.text, e.value.written, e.value.raw} {
			r.secrets.addValue(text)
			r.hide(text)
		}
		r.mask(e.value, maskedText)
	}
}
