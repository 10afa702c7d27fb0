package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/goccy/go-yaml"

	"github.com/policycortex/headroom/server"
)

// settingsOf reads the server's own settings from the variables of a deployment, and holds that the server would start
// with them.
func settingsOf(t *testing.T, variables map[string]string) server.Options {
	t.Helper()
	var o server.Options
	if err := env.ParseWithOptions(&o, env.Options{Environment: variables}); err != nil {
		t.Fatal(err)
	}
	if err := o.Check(); err != nil {
		t.Error(err)
	}
	known, err := env.GetFieldParams(&server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name := range variables {
		if strings.HasPrefix(name, "HEADROOM_") &&
			!slices.ContainsFunc(known, func(p env.FieldParams) bool { return p.Key == name }) {
			t.Errorf("the server has no setting %s", name)
		}
	}
	if o.PostgresURL == "" || o.CacheURL == "" || o.CursorKey == "" || o.DrainDelay == 0 {
		t.Errorf("several instances need addresses, a key for cursors, and a drain delay: %+v", o)
	}
	return o
}

// kubernetesProbe is how Kubernetes asks a container.
type kubernetesProbe struct {
	HTTPGet                         struct{ Path, Port string }
	PeriodSeconds, FailureThreshold int
}

// kubernetesObject has what the test looks at of the objects of server.yaml.
type kubernetesObject struct {
	Kind       string
	Metadata   struct{ Name string }
	StringData map[string]string
	Spec       struct {
		Replicas, MinReplicas, MaxReplicas int
		MinReadySeconds                    int
		Selector                           any
		ScaleTargetRef                     struct{ Kind, Name string }
		MaxUnavailable                     *int
		Ports                              []struct{ TargetPort string }
		Template                           struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				TerminationGracePeriodSeconds int
				Containers                    []struct {
					Args    []string
					EnvFrom []struct {
						SecretRef struct{ Name string }
					}
					Env   []struct{ Name, Value string }
					Ports []struct {
						Name          string
						ContainerPort int
					}
					StartupProbe, ReadinessProbe, LivenessProbe kubernetesProbe
					Resources                                   struct{ Requests, Limits map[string]string }
				}
			}
		}
	}
}

// readYAML reads a document by way of JSON, whose decoder knows the names of fields in camelCase.
func readYAML(t *testing.T, document []byte, into any) {
	t.Helper()
	text, err := yaml.YAMLToJSON(document)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
}

// objectsOf reads a file of Kubernetes objects.
func objectsOf(t *testing.T, file string) map[string]kubernetesObject {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]kubernetesObject{}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var o kubernetesObject
		readYAML(t, document, &o)
		all[o.Kind] = o
	}
	return all
}

// TestKubernetesServer: the manifests fit each other and the server.
func TestKubernetesServer(t *testing.T) {
	all := objectsOf(t, "../../deploy/kubernetes/server.yaml")
	want := []string{"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Secret", "Service"}
	if kinds := slices.Sorted(maps.Keys(all)); !slices.Equal(kinds, want) {
		t.Fatalf("kinds %v, want %v", kinds, want)
	}
	deployment := all["Deployment"].Spec
	pod := deployment.Template.Spec
	c := pod.Containers[0]
	variables := maps.Clone(all["Secret"].StringData)
	for _, v := range c.Env {
		variables[v.Name] = v.Value
	}
	o := settingsOf(t, variables)
	if c.EnvFrom[0].SecretRef.Name != all["Secret"].Metadata.Name || !slices.Equal(c.Args, []string{"serve"}) {
		t.Errorf("the container takes %+v and runs %q", c.EnvFrom, c.Args)
	}
	if !strings.HasSuffix(o.Addr, ":"+strconv.Itoa(c.Ports[0].ContainerPort)) ||
		all["Service"].Spec.Ports[0].TargetPort != c.Ports[0].Name {
		t.Errorf("it listens at %s, the pod has port %+v, the service sends to %+v", o.Addr, c.Ports,
			all["Service"].Spec.Ports)
	}
	for path, probe := range map[string]kubernetesProbe{readyPath: c.ReadinessProbe, "/healthz": c.LivenessProbe} {
		if probe.HTTPGet.Path != path || probe.HTTPGet.Port != c.Ports[0].Name {
			t.Errorf("probe %+v, want one of %s", probe, path)
		}
	}
	if c.StartupProbe.HTTPGet.Path != "/healthz" {
		t.Errorf("probe %+v", c.StartupProbe)
	}
	// Until the pod is not ready, it serves; and it is not killed before it has ended by itself.
	notReady := time.Duration(c.ReadinessProbe.PeriodSeconds*c.ReadinessProbe.FailureThreshold) * time.Second
	if o.DrainDelay <= notReady {
		t.Errorf("it drains for %v, and is not ready after %v", o.DrainDelay, notReady)
	}
	if grace := time.Duration(pod.TerminationGracePeriodSeconds) * time.Second; grace <= o.DrainDelay+o.ShutdownGrace {
		t.Errorf("killed after %v, and it may take %v and %v to end", grace, o.DrainDelay, o.ShutdownGrace)
	}
	label := deployment.Template.Metadata.Labels["app.kubernetes.io/name"]
	for _, kind := range []string{"Deployment", "Service", "PodDisruptionBudget"} {
		selector := fmt.Sprint(all[kind].Spec.Selector)
		if label == "" || !strings.Contains(selector, "app.kubernetes.io/name:"+label) {
			t.Errorf("%s selects %s, and the pods have %q", kind, selector, label)
		}
	}
	scaler := all["HorizontalPodAutoscaler"].Spec
	if ref := scaler.ScaleTargetRef; ref.Kind != "Deployment" || ref.Name != all["Deployment"].Metadata.Name ||
		scaler.MinReplicas != deployment.Replicas || scaler.MaxReplicas <= scaler.MinReplicas {
		t.Errorf("the autoscaler has %+v", scaler)
	}
	if budget := all["PodDisruptionBudget"].Spec.MaxUnavailable; budget == nil || *budget >= scaler.MinReplicas {
		t.Errorf("the budget is %v", budget)
	}
	limit, goLimit := mebibytes(t, c.Resources.Limits["memory"]), mebibytes(t, variables["GOMEMLIMIT"])
	if goLimit >= limit || int64(goLimit)<<20 < 4*o.L1MaxBytes || c.Resources.Requests["cpu"] == "" {
		t.Errorf("resources %+v with GOMEMLIMIT %d MiB and an L1 of up to %d bytes", c.Resources, goLimit, o.L1MaxBytes)
	}
}

// mebibytes reads 768MiB, 512Mi and 1Gi.
func mebibytes(t *testing.T, text string) int {
	t.Helper()
	parts := regexp.MustCompile(`^(\d+)(Mi|MiB|Gi)$`).FindStringSubmatch(text)
	if parts == nil {
		t.Fatalf("%q is no size", text)
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if parts[2] == "Gi" {
		n *= 1024
	}
	return n
}

// TestCompose: the file fits the server and the configuration of its balancer, which nginx accepts.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Environment     map[string]string
			Ports, Volumes  []string
			StopGracePeriod string `json:"stop_grace_period"`
		}
	}
	readYAML(t, text, &file)
	config, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	balanced := regexp.MustCompile(`(?m)^ *server (\S+):8080 max_fails=3 fail_timeout=1s;$`).FindAllStringSubmatch(
		string(config), -1)
	if len(balanced) != 3 {
		t.Fatalf("nginx has instances %v", balanced)
	}
	for _, instance := range balanced {
		s, found := file.Services[instance[1]]
		if !found {
			t.Fatalf("there is no service %s", instance[1])
		}
		variables := map[string]string{}
		for name, value := range s.Environment { // ${NAME:-default}
			variables[name] = regexp.MustCompile(`\$\{\w+:-(.*?)\}`).ReplaceAllString(value, "$1")
		}
		o := settingsOf(t, variables)
		grace, err := time.ParseDuration(s.StopGracePeriod)
		if err != nil || grace <= o.DrainDelay+o.ShutdownGrace || !strings.HasSuffix(o.Addr, ":8080") {
			t.Errorf("%s: killed after %v, %v; settings %+v", instance[1], grace, err, o)
		}
	}
	balancer := file.Services["balancer"]
	if !slices.Equal(balancer.Ports, []string{"127.0.0.1:8080:8080"}) ||
		!slices.Equal(balancer.Volumes, []string{"./nginx.conf:/etc/nginx/nginx.conf:ro"}) {
		t.Errorf("the balancer has %+v", balancer)
	}
	needBalancer(t, "nginx")
	own := filepath.Join(t.TempDir(), "nginx.conf")
	tried := regexp.MustCompile(`server-(\d):8080`).ReplaceAllString(string(config), "127.0.0.$1:8080")
	paths := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} { // for ordinary users
		paths += kind + "_temp_path " + own + "." + kind + ";\n"
	}
	tried = "pid " + own + ".pid;\n" + strings.Replace(tried, "access_log off;\n", "access_log off;\n"+paths, 1)
	if err := os.WriteFile(own, []byte(tried), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", `PATH=$PATH:/usr/sbin exec nginx -t -c "$0"`,
		own).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
