package scenarios

import (
	"maps"
	"regexp"
	"strings"
)

// Lookup finds the value of a variable of the environment. ok is false for one that is not set.
type Lookup func(name string) (value string, ok bool)

// variable is what may follow "$" in a value: {NAME} or {NAME:-default}.
var variable = regexp.MustCompile(`^\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}`)

// secretVariable are names of variables that hold secrets wherever they are used: PGPASSWORD, GITHUB_TOKEN,
// githubToken. A short or ambiguous word must be one of its own: MONKEY, SPAT and COMPASS hold none.
var secretVariable = regexp.MustCompile(
	`(?i)(TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|PASSWORT|API_?KEYS?|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|` +
		`AUTH_?KEY|SESSION_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY|SHARED_?KEY|ACCOUNT_?KEY|MASTER_?KEY|CREDENTIALS?|AUTHORIZATION|` +
		`(^|[_0-9])(PASS|PWD|PW|AUTH|PAT|COOKIES?|JWT|BEARER|SESSION_?ID))(_?[0-9]+)?$`)

// expand puts the values of variables in place of ${NAME} and ${NAME:-default} in every value at and below n.
func (r *reader) expand(n *node) {
	for _, e := range n.entries {
		r.expand(e.value)
	}
	for _, item := range n.items {
		r.expand(item)
	}
	if n.bad || n.kind != scalar || !strings.Contains(n.text, "${") {
		return
	}
	var b strings.Builder
	rest := n.text
	for {
		at := strings.Index(rest, "${")
		if at < 0 {
			break
		}
		if at > 0 && rest[at-1] == '$' { // $${ is a literal one
			b.WriteString(rest[:at-1] + "${")
			rest = rest[at+2:]
			continue
		}
		b.WriteString(rest[:at])
		found := variable.FindStringSubmatch(rest[at+1:])
		if found == nil {
			r.faultAt(n.at, "write ${NAME} or ${NAME:-default} for a variable of the environment, $${ for the "+
				"characters ${",
				"%.60q is not a variable", rest[at:])
			n.bad = true
			return
		}
		value, ok := r.variable(n, found[1], found[2], strings.Contains(found[0], ":-"))
		if !ok {
			n.bad = true
			return
		}
		b.WriteString(value)
		rest = rest[at+1+len(found[0]):]
	}
	n.written, n.text = n.text, b.String()+rest
}

// variable is the value of a variable that n names.
func (r *reader) variable(n *node, name, fallback string, hasFallback bool) (value string, ok bool) {
	value, ok = r.lookup(name)
	if hasFallback && value == "" {
		value, ok = fallback, true
	}
	if !ok {
		r.faultAt(n.at, "set it, or name a file that does by --env-file; ${"+name+":-…} gives a default",
			"the variable %.120q is not set", name)
		return "", false
	}
	r.variables[name] = value
	if secretVariable.MatchString(name) {
		r.hideVariable(name)
	}
	return value, true
}

// shownVariables are the variables that the values of the file named, but for the values of secret ones; nil without
// any.
func (r *reader) shownVariables() map[string]string {
	if len(r.variables) == 0 {
		return nil
	}
	shown := maps.Clone(r.variables)
	for name := range r.hidden {
		if _, used := shown[name]; used {
			shown[name] = Redacted
		}
	}
	for name, value := range shown {
		shown[name] = r.secrets.Text(value)
	}
	return shown
}
