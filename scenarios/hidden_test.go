package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An address that is refused shows no password, whatever is wrong with it and wherever it was written.
func TestRefusedAddressesHaveNoSecrets(t *testing.T) {
	const rest = "\nscenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: /}]}}"
	for _, address := range []string{
		"bob:S3CRETPW99@127.0.0.1/", "//bob:S3CRETPW99@127.0.0.1/", "bob:S3CRETPW99@127.0.0.1:80",
		"http://bob:S3CR ET/PW@99@127.0.0.1/",
		"http://bob:S3CR/ETPW99@127.0.0.1", "http:/bob:S3CRETPW99@h", "ftp://S3CRETPW99@h", "S3CRETPW99@h",
		"http://bob:S3CRETPW99%zz@h", "//ab:S3CR@h", "bob:S3CR@h",
	} {
		for _, key := range []string{"url", "proxy"} {
			for name, in := range map[string]struct{ file, override string }{
				"file":     {"target: {url: 'http://h', " + key + ": '" + address + "'}" + rest, ""},
				"override": {"target: {url: 'http://h'}" + rest, "target." + key + "=" + address},
				"section":  {rest, "target={url: 'http://h', " + key + ": '" + address + "'}"},
				"variable": {"target: {url: 'http://h', " + key + ": '${ADDRESS}'}" + rest, ""},
			} {
				if key == "url" {
					in.file, in.override = strings.Replace(in.file, "url: 'http://h', ", "", 1),
						strings.Replace(in.override, "url: 'http://h', ", "", 1)
				}
				secrets := &Redactor{}
				inputs := Inputs{Lookup: environment(map[string]string{"ADDRESS": address}), Secrets: secrets}
				if in.override != "" {
					inputs.Overrides = []string{in.override}
				}
				_, err := inputs.Parse("x.yaml", []byte(in.file))
				if err == nil {
					t.Errorf("%s in %s %s: it is taken", address, name, key)
				} else if strings.Contains(err.Error(), "S3CR") {
					t.Errorf("%s in %s %s: %v", address, name, key, err)
				}
				if got := secrets.Override(in.override); strings.Contains(got, "S3CR") {
					t.Errorf("the override is shown as %s", got)
				}
			}
		}
	}
	for _, address := range []string{"http://h/@scope", "http://h:80/a@b"} {
		secrets := &Redactor{}
		if _, err := (Inputs{Secrets: secrets}).Parse("x.yaml",
			[]byte("target: {url: '"+address+"'}"+rest)); err != nil || secrets.Text(address) != address ||
			secrets.Override("target.url="+address) != "target.url="+address {
			t.Errorf("%s: %v, shown as %s", address, err, secrets.Text(address))
		}
	}
}

func TestNamesOfSecretVariables(t *testing.T) {
	for _, name := range []string{
		"PGPASSWORD", "MYSQL_PWD", "GITHUBTOKEN", "githubToken", "GITHUB_TOKEN", "token", "APPSECRET", "OPENAI_API_KEY",
		"OPENAIAPIKEY", "apiKey", "AWS_SECRET_ACCESS_KEY",
		"SSH_PRIVATE_KEY", "REDISCLI_AUTH", "GH_PAT", "PAT", "SESSION_KEY", "APP_SESSION_KEY", "GOOGLE_CREDENTIALS",
		"DB_PASS", "DBPASSWD", "API_TOKEN_2", "PASSWORD1",
	} {
		if !secretVariable.MatchString(name) {
			t.Errorf("%s holds no secret", name)
		}
	}
	for _, name := range []string{
		"MONKEY", "KEY", "COMPASS", "BYPASS", "SPAT", "PATH", "PWD_FORMAT", "AUTHOR",
		"OAUTH_URL", "TOKEN_URL", "SECRET_NAME", "HOST", "FORMAT", "KEYBOARD", "RATE",
	} {
		if secretVariable.MatchString(name) {
			t.Errorf("%s holds a secret", name)
		}
	}
	secrets := &Redactor{}
	in := Inputs{Lookup: environment(map[string]string{"PGPASSWORD": "Sup3rS3cret"}), Secrets: secrets}
	plan, err := in.Parse("x.yaml", []byte(withRequest("path: /\nheaders: {X-Custom: 'a ${PGPASSWORD}'}")))
	if err != nil || plan.Source.Variables["PGPASSWORD"] != Redacted || secrets.Text("Sup3rS3cret") != Redacted {
		t.Errorf("%v, %+v", err, plan)
	}
}

// A short or common secret is left out where it stands as one, however YAML lets it be written there.
func TestShortSecretsWhereTheyStand(t *testing.T) {
	for name, keys := range map[string]string{
		"plain":           "path: /\nheaders: {X-Api-Key: dragon}",
		"folded":          "path: /\nheaders:\n  X-Api-Key: >-\n    dragon\n    wizard\n  X-Other: visible",
		"literal":         "path: /\nheaders:\n  X-Api-Key: |-\n    dragon {{iteration}}\n  X-Other: visible",
		"next line":       "path: /\nheaders:\n  X-Api-Key:\n    dragon\n  X-Other: visible",
		"after an umlaut": "path: /\nheaders: {X-Other: visibleäö, X-Api-Key: dragon}",
		"quoted sign":     "path: /\nheaders: {X-Api-Key: '*dragon'}",
		"single quotes":   "path: /\nheaders:\n  X-Api-Key:\n    'dra''gon'\n  X-Other: visible",
		"double quotes":   "path: /\nheaders:\n  X-Api-Key:\n    \"dra\\\"gon\"\n  X-Other: visible",
		"two lines":       "path: /\nheaders:\n  X-Api-Key: dragon\n    wizard\n  X-Other: visible",
		"anchor":          "path: /\nheaders:\n  X-Other: &a dragon\n  X-Api-Key: *a",
		"anchor, next":    "path: /\nheaders:\n  X-Api-Key: &a\n    dragon\n  X-Other: visible",
		"list": "path: /\nheaders: {X-Api-Key: '{{tk}}'}\nvalues: {tk: {list: [dragon, wizard, 12345, " +
			"\"dragon\"]}}",
		"block list": "path: /?password={{tk}}\nvalues:\n  tk:\n    list:\n      - dragon\n      - wizard # " +
			"visible\n      - >-\n        goblin\n",
		"list by its name": "path: /?x={{password}}\nvalues: {password: {list: [dragon, true, 1.5]}}",
		"default":          "path: /?password={{tk}}\nvalues: {tk: {list: ['${T:-dragon}', a]}}",
		"carriage returns": "path: /\r\nheaders:\r\n  X-Api-Key: >-\r\n    dragon\r\n  X-Other: visible",
		"comment":          "path: /\nheaders:\n  X-Api-Key: # why\n    dragon\n  X-Other: visible",
	} {
		src := withRequest(keys)
		for _, mark := range []string{"", "\ufeff"} {
			secrets := &Redactor{}
			if _, err := (Inputs{Secrets: secrets}).Parse("x.yaml", []byte(mark+src)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			shown := secrets.Text(mark + src)
			for _, word := range []string{"dragon", "dra''gon", `dra\"gon`, "wizard", "goblin", "12345"} {
				if strings.Contains(shown, word) {
					t.Errorf("%s: %s is in\n%s", name, word, shown)
				}
			}
			if strings.Count(shown, "visible") != strings.Count(src, "visible") ||
				strings.Count(shown, "\n") != strings.Count(src, "\n") {
				t.Errorf("%s: more is gone from\n%s", name, shown)
			}
			if _, err := (Saved{File: "x.yaml", Text: shown}).Parse(); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, shown)
			}
		}
	}
	src := withRequest("path: /?password={{tk}}\nheaders: {X-Api-Key: abc}\nvalues: {tk: {list: [x, y]}}")
	for _, test := range []struct{ override, want string }{
		{
			"scenarios.s.requests.one.values.tk.list=[dragon, 'wizard']",
			"scenarios.s.requests.one.values.tk.list=[REDACTED, 'REDACTED']",
		},
		{
			"scenarios.s.requests.one.values.tk={list: [dragon]}",
			"scenarios.s.requests.one.values.tk={list: [REDACTED]}",
		},
		{
			"scenarios.s.requests.one.values={tk: {list: [12345]}}",
			"scenarios.s.requests.one.values={tk: {list: [REDACTED]}}",
		},
		{
			"scenarios.s.requests.one.headers={X-Api-Key: \n dragon}",
			"scenarios.s.requests.one.headers={X-Api-Key: \n REDACTED}",
		},
	} {
		secrets := &Redactor{}
		if _, err := (Inputs{Secrets: secrets, Overrides: []string{test.override}}).Parse("x.yaml",
			[]byte(src)); err != nil {
			t.Errorf("%s: %v", test.override, err)
		}
		if got := secrets.Override(test.override); got != test.want {
			t.Errorf("%s is shown as %s", test.override, got)
		}
	}
}

// What is not a file is not read as a secret: it may have no end, or wait for a writer.
func TestFilesOfSecrets(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		pipe: "is no regular file", "/dev/zero": "is no regular file", dir: "is no regular file",
		large: "has more than 1048576 bytes",
	} {
		// A read without end is ended by the time limit of the tests.
		_, err := Parse("x.yaml", []byte(withRequest("path: /\nheaders: {X: {secret: {file: "+file+"}}}")))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Names of fields that are built from known ones are known, and secrets in the forms in which services repeat them.
func TestMoreNamesAndForms(t *testing.T) {
	for _, name := range []string{
		"user[password]", "user%5Bpassword%5D", "user_password", "db_password", "api_token",
		"aws_secret_access_key", "sid",
	} {
		if got := (*Redactor)(nil).Text("a=b&" + name + "=dragon&c=d"); got != "a=b&"+name+"=REDACTED&c=d" {
			t.Error(got)
		}
	}
	for _, text := range []string{"next_page_token=abc", "user[name]=bob", "key=value"} {
		if got := (*Redactor)(nil).Text(text); got != text {
			t.Error(got)
		}
	}
	if got := (*Redactor)(nil).Text("http://h/#access_token=dragon"); got != "http://h/#access_token=REDACTED" {
		t.Error(got)
	}
	secrets := &Redactor{}
	secrets.Add("a(B)!*'<c&d>/é42")
	for _, form := range []string{
		"a(B)!*'%3Cc%26d%3E%2F%C3%A942", "a(B)!*&#39;&lt;c&amp;d&gt;/é42",
		"a(B)!*'<c&d>\\/é42", "a(B)!*'<c&d>/Ã©42",
	} {
		if got := secrets.Text("<" + form + ">"); got != "<REDACTED>" {
			t.Errorf("%s is shown as %s", form, got)
		}
	}
	for _, value := range []string{
		`Token token="S3CRETVALUE99xyz"`,
		`Digest username="bob", realm="service-realm", response="S3CRETVALUE99xyz"`,
	} {
		secrets := &Redactor{}
		secrets.LearnHeader("Authorization", value)
		if got := secrets.Text("it was S3CRETVALUE99xyz of service-realm"); got != "it was REDACTED of service-realm" {
			t.Error(got)
		}
	}
}

// TestSecretsInAddressesOfInstances: a password that stands wrongly in one of several addresses is not shown either.
func TestSecretsInAddressesOfInstances(t *testing.T) {
	for _, address := range []string{
		"http://bob:S3CRETPW99@127.0.0.1", "bob:S3CRETPW99@127.0.0.1:80", "http:/bob:S3CRETPW99@h",
		"http://bob:S3CR/ETPW99@h", "ftp://S3CRETPW99@h",
	} {
		for name, in := range map[string]struct{ target, override string }{
			"file":             {"{urls: ['http://h', '" + address + "']}", ""},
			"override":         {"{urls: ['http://h']}", "target.urls=['http://h', '" + address + "']"},
			"override of one":  {"{urls: ['http://h', 'http://i']}", "target.urls.1=" + address},
			"override of none": {"{urls: ['http://h']}", "target.urls.7=" + address},
		} {
			secrets := &Redactor{}
			inputs := Inputs{Secrets: secrets}
			if in.override != "" {
				inputs.Overrides = []string{in.override}
			}
			_, err := inputs.Parse("x.yaml", []byte("target: "+in.target+"\n"+smallest))
			if err == nil || strings.Contains(err.Error(), "S3CR") {
				t.Errorf("%s, %s: %v", address, name, err)
			}
			if got := secrets.Override(in.override); strings.Contains(got, "S3CR") {
				t.Errorf("%s: the override is shown as %s", name, got)
			}
		}
	}
}
