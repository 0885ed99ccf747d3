// Command image writes an image for containers: image VERSION ARCHITECTURE PROGRAM FILE. FILE is a tar archive that is
// an OCI image layout (https://github.com/opencontainers/image-spec), which podman, skopeo and registries accept, as
// does "docker load". The image has nothing but the program, its certificate authorities and a directory for the data:
// no shell, no package manager, no root. Its content is defined here alone, so that no registry is needed to make it;
// the times are those of SOURCE_DATE_EPOCH.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"or3.chat/cloud/release/epoch"
)

// user is the number of the user and the group that the program runs as. It has no name on the host, so that it can do
// nothing there.
const user = 10001

// healthcheck is Docker's, which other runtimes ignore. The durations are in nanoseconds.
type healthcheck struct {
	Test        []string
	Interval    time.Duration
	Timeout     time.Duration
	StartPeriod time.Duration
}

// settings say how to run the program.
type settings struct {
	User         string
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      map[string]struct{}
	WorkingDir   string
	Labels       map[string]string
	Healthcheck  healthcheck
}

// config is application/vnd.oci.image.config.v1+json.
type config struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant,omitempty"`
	OS           string    `json:"os"`
	Config       settings  `json:"config"`
	RootFS       struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []struct {
		Created   time.Time `json:"created"`
		CreatedBy string    `json:"created_by"`
	} `json:"history"`
}

// descriptor names a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("name the version, the architecture, the program and the file to write")
	}
	version, arch, program, file := args[0], args[1], args[2], args[3]
	at, err := epoch.Time()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(write(out, version, arch, content, at), out.Close())
}

// write writes the archive.
func write(out io.Writer, version, arch string, program []byte, at time.Time) error {
	layer, err := rootfs(program, at)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(layer); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	on := platform{Architecture: arch, OS: "linux"}
	if arch == "arm" {
		on.Variant = "v7"
	}
	labels := map[string]string{
		"org.opencontainers.image.title": "OR3 Cloud", "org.opencontainers.image.version": version, "org.opencontainers.image.licenses": "MIT",
		"org.opencontainers.image.description": "The self-hosted cloud for OR3 Chat: accounts, sync and files in one program",
		"org.opencontainers.image.created":     at.Format(time.RFC3339),
	}
	c := config{Created: at, Architecture: on.Architecture, Variant: on.Variant, OS: on.OS, Config: settings{
		User:         fmt.Sprintf("%d:%[1]d", user),
		ExposedPorts: map[string]struct{}{"3000/tcp": {}},
		Env:          []string{"PATH=/", "OR3_ADDR=0.0.0.0:3000", "OR3_DATA_DIR=/data"},
		Entrypoint:   []string{"/or3-cloud"}, Cmd: []string{"serve"},
		Volumes: map[string]struct{}{"/data": {}}, WorkingDir: "/", Labels: labels,
		// The first start with a new layout of the database may take minutes, which is not an error.
		Healthcheck: healthcheck{Test: []string{"CMD", "/or3-cloud", "healthcheck"}, Interval: 30 * time.Second, Timeout: 15 * time.Second, StartPeriod: 10 * time.Minute},
	}}
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{digest(layer)}
	c.History = append(c.History, struct {
		Created   time.Time `json:"created"`
		CreatedBy string    `json:"created_by"`
	}{at, "make dist"})

	w := archive{Writer: tar.NewWriter(out), at: at, paths: map[string]string{}}
	configBlob, err := w.json(configType, c)
	if err != nil {
		return err
	}
	layerBlob, err := w.blob(layerType, packed.Bytes())
	if err != nil {
		return err
	}
	manifest, err := w.json(manifestType, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": configBlob, "layers": []descriptor{layerBlob}, "annotations": labels,
	})
	if err != nil {
		return err
	}
	manifest.Platform, manifest.Annotations = &on, map[string]string{"org.opencontainers.image.ref.name": version}
	for _, f := range []struct {
		name  string
		value any
	}{
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
		{"index.json", map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []descriptor{manifest}}},
		// What "docker load" reads.
		{"manifest.json", []map[string]any{{
			"Config": w.paths[configBlob.Digest], "RepoTags": []string{"or3-cloud:" + tag(version)}, "Layers": []string{w.paths[layerBlob.Digest]},
		}}},
	} {
		text, err := json.Marshal(f.value)
		if err != nil {
			return err
		}
		if err := w.file(f.name, text); err != nil {
			return err
		}
	}
	return w.Close()
}

// tag is a version in the form of a tag: Docker allows no plus sign.
func tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// rootfs returns what the container sees, as a tar archive.
func rootfs(program []byte, at time.Time) ([]byte, error) {
	var authorities bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // it is trusted for some certificates only, which a file cannot say
		}
		if err := pem.Encode(&authorities, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name    string
		mode    int64
		owner   int
		content []byte
	}{
		{"data/", 0o700, user, nil},
		{"etc/", 0o755, 0, nil},
		{"etc/group", 0o644, 0, fmt.Appendf(nil, "or3-cloud:x:%d:\n", user)},
		{"etc/passwd", 0o644, 0, fmt.Appendf(nil, "or3-cloud:x:%d:%[1]d:OR3 Cloud:/data:/sbin/nologin\n", user)},
		{"etc/ssl/", 0o755, 0, nil},
		{"etc/ssl/certs/", 0o755, 0, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, authorities.Bytes()},
		{"or3-cloud", 0o755, 0, program},
	} {
		h := tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.content)), ModTime: at, Typeflag: tar.TypeReg}
		if f.content == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// archive is the layout as it is written: blobs first, and what names them afterwards.
type archive struct {
	*tar.Writer
	at    time.Time
	paths map[string]string // of blobs, by digest
}

func (w *archive) json(mediaType string, value any) (descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return w.blob(mediaType, content)
}

func (w *archive) blob(mediaType string, content []byte) (descriptor, error) {
	d := descriptor{MediaType: mediaType, Digest: digest(content), Size: len(content)}
	path := "blobs/sha256/" + d.Digest[len("sha256:"):]
	w.paths[d.Digest] = path
	return d, w.file(path, content)
}

func (w *archive) file(name string, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: w.at, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }
