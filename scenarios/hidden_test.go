package scenarios

import (
	"strings"
	"testing"
)

// An address that is refused shows no password, whatever is wrong with it and wherever it was written.
func TestRefusedAddressesHaveNoSecrets(t *testing.T) {
	const rest = "\nscenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: /}]}}"
	for _, address := range []string{
		"bob:S3CRETPW99@127.0.0.1/", "//bob:S3CRETPW99@127.0.0.1/", "bob:S3CRETPW99@127.0.0.1:80", "http://bob:S3CR ET/PW@99@127.0.0.1/",
		"http://bob:S3CR/ETPW99@127.0.0.1", "http:/bob:S3CRETPW99@h", "ftp://S3CRETPW99@h", "S3CRETPW99@h", "http://bob:S3CRETPW99%zz@h", "//ab:S3CR@h", "bob:S3CR@h",
	} {
		for _, key := range []string{"url", "proxy"} {
			for name, in := range map[string]struct{ file, override string }{
				"file":     {"target: {url: 'http://h', " + key + ": '" + address + "'}" + rest, ""},
				"override": {"target: {url: 'http://h'}" + rest, "target." + key + "=" + address},
				"section":  {rest, "target={url: 'http://h', " + key + ": '" + address + "'}"},
				"variable": {"target: {url: 'http://h', " + key + ": '${ADDRESS}'}" + rest, ""},
			} {
				if key == "url" {
					in.file, in.override = strings.Replace(in.file, "url: 'http://h', ", "", 1), strings.Replace(in.override, "url: 'http://h', ", "", 1)
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
		if _, err := (Inputs{Secrets: secrets}).Parse("x.yaml", []byte("target: {url: '"+address+"'}"+rest)); err != nil || secrets.Text(address) != address || secrets.Override("target.url="+address) != "target.url="+address {
			t.Errorf("%s: %v, shown as %s", address, err, secrets.Text(address))
		}
	}
}

func TestNamesOfSecretVariables(t *testing.T) {
	for _, name := range []string{
		"PGPASSWORD", "MYSQL_PWD", "GITHUBTOKEN", "githubToken", "GITHUB_TOKEN", "token", "APPSECRET", "OPENAI_API_KEY", "OPENAIAPIKEY", "apiKey", "AWS_SECRET_ACCESS_KEY",
		"SSH_PRIVATE_KEY", "REDISCLI_AUTH", "GH_PAT", "PAT", "SESSION_KEY", "APP_SESSION_KEY", "GOOGLE_CREDENTIALS", "DB_PASS", "DBPASSWD", "API_TOKEN_2", "PASSWORD1",
	} {
		if !secretVariable.MatchString(name) {
			t.Errorf("%s holds no secret", name)
		}
	}
	for _, name := range []string{"MONKEY", "KEY", "COMPASS", "BYPASS", "SPAT", "PATH", "PWD_FORMAT", "AUTHOR", "OAUTH_URL", "TOKEN_URL", "SECRET_NAME", "HOST", "FORMAT", "KEYBOARD", "RATE"} {
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
