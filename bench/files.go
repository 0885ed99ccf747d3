package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

const (
	fileSize      = 1 << 30
	smallFileSize = 4 << 20
	downloads     = 500
	uploads       = 100
	userUploads   = 30 // at once; the server lets one user have 32
	// markSize is how many bytes at the beginning distinguish the contents of two rounds.
	markSize = 16
)

// benchFiles compares transfers of a large file with what the machine can do, and lets many devices transfer at once.
func (b *bench) benchFiles(ctx context.Context) error {
	f, err := b.newFileBench(ctx)
	if err != nil {
		return err
	}
	defer f.close()
	f.Report.Section("Files", fmt.Sprintf("one file of %d MiB, each round uploads new content", f.size>>20))
	if err := f.large(); err != nil {
		return err
	}
	return f.many()
}

// fileBench has a server, nginx on the server's store, and the content that all transfers share.
type fileBench struct {
	*bench
	size   int64
	source *os.File
	server *process.Server
	nginx  *process.Server
	device *client.Device
}

func (b *bench) newFileBench(ctx context.Context) (f *fileBench, err error) {
	f = &fileBench{bench: b, size: fileSize}
	if b.Scale < 1 {
		f.size /= 4
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.source, err = os.Create(b.Path("source")); err != nil {
		return f, err
	}
	if _, err := io.CopyN(f.source, rand.Reader, f.size-markSize); err != nil {
		return f, err
	}
	// Written pages must not reach the disk while something else is measured.
	if err := f.source.Sync(); err != nil {
		return f, err
	}
	f.server, err = b.Serve("files", "OR3_MAX_CLOUD_FILE_SIZE_BYTES=2147483648", "OR3_STORAGE_ALLOWED_MIME_TYPES=application/pdf")
	if err != nil {
		return f, err
	}
	if f.device, err = client.SignUp(f.server.Addr, b.Corpus, "files@example.test"); err != nil {
		return f, err
	}
	bin, err := b.debian(ctx, "nginx", "usr/sbin/nginx")
	if err != nil {
		return f, err
	}
	f.nginx, err = nginx{bin: bin, server: "root " + filepath.Join(f.server.Data, "blobs") + ";"}.start(b.Path("nginx/data"))
	return f, err
}

func (f *fileBench) close() {
	for _, s := range []*process.Server{f.server, f.nginx} {
		if s != nil {
			s.Stop()
		}
	}
	if f.source != nil {
		f.source.Close()
	}
}

// content is the bytes of one round: a mark and then the source.
type content struct {
	mark   [markSize]byte
	source *io.SectionReader
	size   int64
	hash   string
}

func (f *fileBench) content() (*content, error) {
	c := &content{source: io.NewSectionReader(f.source, 0, f.size-markSize), size: f.size}
	if _, err := rand.Read(c.mark[:]); err != nil {
		return nil, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, c.reader()); err != nil {
		return nil, err
	}
	c.hash = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return c, nil
}

func (c *content) reader() io.Reader {
	_, _ = c.source.Seek(0, io.SeekStart) // within its bounds it cannot fail
	return io.MultiReader(bytes.NewReader(c.mark[:]), c.source)
}

// presigned is where a blob goes to or comes from.
type presigned struct{ URL, StorageID string }

func presign(d *client.Device, direction, hash string, size int64) (p presigned, err error) {
	return p, d.Call("POST", "/api/storage/presign-"+direction, client.Object{
		"workspace_id": d.Workspace, "hash": hash, "mime_type": "application/pdf", "size_bytes": size,
	}, &p)
}

// register does what a client does after an upload: the commit, and the row that tells the other devices.
func register(d *client.Device, p presigned, hash string, size int64) error {
	err := d.Call("POST", "/api/storage/commit", client.Object{
		"workspace_id": d.Workspace, "hash": hash, "storage_id": p.StorageID, "storage_provider_id": "fs", "mime_type": "application/pdf",
		"size_bytes": size, "name": "file.pdf", "kind": "pdf",
	}, nil)
	if err != nil {
		return err
	}
	const hlc = "0mll3o9og:000:1a2b3c4d"
	id := uuid.NewString()
	return d.Call("POST", "/api/sync/push", client.Object{"scope": client.Object{"workspaceId": d.Workspace}, "ops": []client.Object{{
		"id": id, "tableName": "file_meta", "operation": "put", "pk": hash, "createdAt": 1771000000, "attempts": 0, "status": "pending",
		"stamp": client.Object{"deviceId": "1a2b3c4d", "opId": id, "hlc": hlc, "clock": 1},
		"payload": client.Object{
			"hash": hash, "name": "file.pdf", "kind": "pdf", "mime_type": "application/pdf", "size_bytes": size, "ref_count": 1, "deleted": false,
			"clock": 1, "created_at": 1771000000, "updated_at": 1771000000, "hlc": hlc, "storage_id": p.StorageID, "storage_provider_id": "fs",
		},
	}}}, nil)
}

// put uploads bytes that the kernel takes from the source file by itself, where it can.
func put(c *client.Client, path string, mark []byte, rest io.Reader, size int64) error {
	in := c.Fresh()
	defer in.Close()
	in.Header += fmt.Sprintf("Content-Type: application/pdf\r\nContent-Length: %d\r\n", size)
	res, err := in.Send("PUT", path, mark, rest)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT: %d %.300s", res.StatusCode, answer)
	}
	return err
}

// get downloads a file on a connection of its own, feeds it to h, if that is not nil, and returns its size.
func get(c *client.Client, path string, buffer []byte, h hash.Hash) (size int64, err error) {
	in := c.Fresh()
	defer in.Close()
	res, err := in.Begin("GET", path, nil)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return 0, fmt.Errorf("GET: %d %s", res.StatusCode, answer)
	}
	for {
		n, err := res.Body.Read(buffer)
		size += int64(n)
		if h != nil {
			h.Write(buffer[:n])
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// large transfers one large file.
func (f *fileBench) large() error {
	var (
		up, copied, down, theirs measure.Series
		coldDown, coldTheirs     measure.Series // from the disk
		ourCPU, nginxCPU         measure.Series // seconds for a GB
		ignored                  measure.Series
		upGain, downGain         float64
		now                      *content
		target, link             presigned
		buffer                   = make([]byte, 1<<20)
	)
	rate := func(since time.Time) float64 { return float64(f.size) / time.Since(since).Seconds() / 1e6 }
	fetch := func(s *process.Server, c *client.Client, path string, into, cpu *measure.Series) error {
		start, used := time.Now(), s.CPU()
		defer func() { *cpu = append(*cpu, (s.CPU()-used).Seconds()/float64(f.size)*1e9) }()
		n, err := get(c, path, buffer, nil)
		if err == nil && n != f.size {
			err = fmt.Errorf("%d bytes instead of %d", n, f.size)
		}
		*into = append(*into, rate(start))
		return err
	}
	nginx := client.New(f.nginx.Addr)
	fetchTheirs := func(into, cpu *measure.Series) error {
		path, err := f.stored(now.hash)
		if err != nil {
			return err
		}
		return fetch(f.nginx, nginx, path, into, cpu)
	}
	evict := func() error { return f.evict(now.hash) }
	coldOurs := func() error { return fetch(f.server, f.device.Client, link.URL, &coldDown, &ignored) }
	coldNginx := func() error { return fetchTheirs(&coldTheirs, &ignored) }
	err := measure.Interleave(f.Rounds,
		measure.Step{
			Prepare: func() (err error) {
				if err = f.settle(); err != nil {
					return err
				}
				if now, err = f.content(); err != nil {
					return err
				}
				target, err = presign(f.device, "upload", now.hash, now.size)
				return err
			},
			Run: func() error {
				gain, err := f.server.Gain(func() error {
					now.reader() // from the beginning
					start := time.Now()
					defer func() { up = append(up, rate(start)) }()
					return put(f.device.Client, target.URL, now.mark[:], now.source, now.size)
				})
				upGain = max(upGain, gain)
				return err
			},
		},
		measure.Step{Prepare: f.settle, Run: func() error {
			start := time.Now()
			err := copySynced(f.Path("copy"), now)
			copied = append(copied, rate(start))
			return err
		}},
		measure.Step{
			Prepare: func() (err error) {
				if err := f.settle(); err != nil {
					return err
				}
				if err := register(f.device, target, now.hash, now.size); err != nil {
					return err
				}
				link, err = presign(f.device, "download", now.hash, now.size)
				return err
			},
			Run: func() error {
				gain, err := f.server.Gain(func() error { return fetch(f.server, f.device.Client, link.URL, &down, &ourCPU) })
				downGain = max(downGain, gain)
				return err
			},
		},
		measure.Step{Run: func() error { return fetchTheirs(&theirs, &nginxCPU) }},
		// Once more each, for the caches of the processor and the moods of the machine.
		measure.Step{Run: func() error { return fetch(f.server, f.device.Client, link.URL, &down, &ourCPU) }},
		measure.Step{Run: func() error { return fetchTheirs(&theirs, &nginxCPU) }},
		// The first read also fills the caches below the machine, which cannot be emptied from here. Twice, because the
		// disk of a shared machine has moods of its own.
		measure.Step{Prepare: func() error { return errors.Join(evict(), fetchTheirs(&ignored, &ignored), evict()) }, Run: coldOurs},
		measure.Step{Prepare: evict, Run: coldNginx},
		measure.Step{Prepare: evict, Run: coldOurs},
		measure.Step{Prepare: evict, Run: coldNginx},
	)
	if err != nil {
		return err
	}
	best := func(s measure.Series) float64 { return slices.Max(s) }
	f.Report.Figure("Download from the disk, MB/s", coldDown.String(), fmt.Sprintf("at best %.2f × of nginx", best(coldDown)/best(coldTheirs)))
	f.Report.Figure("Download from the disk by nginx, MB/s", coldTheirs.String(), "the same file")
	f.Report.Figure("Download from memory, MB/s", down.String(), fmt.Sprintf("%.1f MB more memory at most; at best %.2f × of nginx", downGain, best(down)/best(theirs)))
	f.Report.Figure("Download from memory by nginx, MB/s", theirs.String(), "the same file, by sendfile")
	f.Report.Figure("Processor time for a GB of download, s", ourCPU.String(), "nginx: "+nginxCPU.String())
	f.Report.Figure("Upload, MB/s", up.String(), fmt.Sprintf("%.1f MB more memory at most; at best %.2f × of the copy", upGain, best(up)/best(copied)))
	f.Report.Figure("SHA-256, copy and fsync in one process, MB/s", copied.String(), "")
	judge := func(from string, ours, theirs measure.Series) {
		ratio := best(ours) / best(theirs)
		f.Report.Target("Download of a large file from "+from+", best against nginx' best", "≥ 90 %", fmt.Sprintf("%.0f %%", 100*ratio), ratio >= 0.9)
	}
	judge("the disk", coldDown, coldTheirs)
	judge("memory", down, theirs)
	f.Report.Target("Upload of a large file, best against the best copy", "≥ 85 %", fmt.Sprintf("%.0f %%", 100*best(up)/best(copied)), best(up) >= 0.85*best(copied))
	f.Report.Target("Additional memory while a large file goes up or down", "< 20 MB", fmt.Sprintf("%.1f MB", max(upGain, downGain)), max(upGain, downGain) < 20)
	return nil
}

// settle removes what the last step has written and waits until the disk is idle.
func (f *fileBench) settle() error {
	if err := os.Remove(f.Path("copy")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return exec.Command("sync", "-f", f.Dir).Run()
}

// evict takes a blob out of memory, so that the next reader gets it from the disk.
func (f *fileBench) evict(hash string) error {
	path, err := f.stored(hash)
	if err != nil {
		return err
	}
	out, err := exec.Command("dd", "of="+filepath.Join(f.server.Data, "blobs", path), "oflag=nocache", "conv=notrunc,fdatasync", "count=0").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return f.settle()
}

// stored is the path of a blob's bytes below the store.
func (f *fileBench) stored(hash string) (string, error) {
	root := filepath.Join(f.server.Data, "blobs")
	names, err := filepath.Glob(filepath.Join(root, "workspaces", f.device.Workspace, strings.Replace(hash, ":", "_", 1)+".*"))
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Size() == f.size {
			return strings.TrimPrefix(name, root), nil
		}
	}
	return "", fmt.Errorf("the store has no %s", hash)
}

// copySynced copies content through SHA-256 and returns when it is durable.
func copySynced(name string, c *content) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	// The wrappers keep the copy from taking a way round the buffer.
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(h, f)}, struct{ io.Reader }{c.reader()}, make([]byte, 128<<10))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != c.hash {
		return fmt.Errorf("the copy has the hash %s", got)
	}
	return nil
}

// many lets many devices transfer at once.
func (f *fileBench) many() error {
	blob := make([]byte, smallFileSize)
	if _, err := rand.Read(blob); err != nil {
		return err
	}
	target, hash, err := f.store(blob)
	if err != nil {
		return err
	}
	if err := register(f.device, target, hash, smallFileSize); err != nil {
		return err
	}
	link, err := presign(f.device, "download", hash, smallFileSize)
	if err != nil {
		return err
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	want := crc32.Checksum(blob, table)
	gain, took, failed := f.together(downloads, []*client.Device{f.device}, func(c *client.Client, _ int) error {
		h := crc32.New(table)
		if _, err := get(c, link.URL, make([]byte, 64<<10), h); err != nil {
			return err
		}
		if h.Sum32() != want {
			return errors.New("other bytes")
		}
		return nil
	})
	f.Report.Figure(fmt.Sprintf("%d downloads of %d MiB at once", downloads, smallFileSize>>20), fmt.Sprintf("%.0f MB/s", downloads*smallFileSize/took.Seconds()/1e6),
		fmt.Sprintf("%d errors, %.1f MB more memory at most", len(failed), gain))

	type part struct {
		blob   []byte
		target presigned
	}
	uploaders := []*client.Device{f.device}
	for i := 1; i*userUploads < uploads; i++ {
		d, err := client.SignUp(f.server.Addr, f.Corpus, fmt.Sprintf("files%d@example.test", i))
		if err != nil {
			return err
		}
		uploaders = append(uploaders, d)
	}
	parts := make([]part, uploads)
	for i := range parts {
		parts[i].blob = slices.Concat(fmt.Appendf(nil, "%08d", i), blob[8:])
		hash := hashOf(parts[i].blob)
		if parts[i].target, err = presign(uploaders[i%len(uploaders)], "upload", hash, smallFileSize); err != nil {
			return err
		}
	}
	upGain, upTook, upFailed := f.together(uploads, uploaders, func(c *client.Client, i int) error {
		return put(c, parts[i].target.URL, parts[i].blob, bytes.NewReader(nil), smallFileSize)
	})
	f.Report.Figure(fmt.Sprintf("%d uploads of %d MiB at once", uploads, smallFileSize>>20), fmt.Sprintf("%.0f MB/s", uploads*smallFileSize/upTook.Seconds()/1e6),
		fmt.Sprintf("%d errors, %.1f MB more memory at most", len(upFailed), upGain))
	errs := slices.Concat(failed, upFailed)
	f.Report.Target(fmt.Sprintf("%d downloads at once, then %d uploads, without an error", downloads, uploads), "0", fmt.Sprint(len(errs)), len(errs) == 0)
	return errors.Join(errs[:min(len(errs), 3)]...)
}

func hashOf(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (f *fileBench) store(blob []byte) (presigned, string, error) {
	hash := hashOf(blob)
	target, err := presign(f.device, "upload", hash, int64(len(blob)))
	if err != nil {
		return target, hash, err
	}
	return target, hash, put(f.device.Client, target.URL, blob, bytes.NewReader(nil), int64(len(blob)))
}

// together lets n clients of devices do something at the same moment.
func (f *fileBench) together(n int, of []*client.Device, do func(c *client.Client, i int) error) (gain float64, took time.Duration, failed []error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	begin := make(chan struct{})
	for i := range n {
		c := of[i%len(of)].At(f.server.Addr).Client
		wg.Go(func() {
			<-begin
			if err := do(c, i); err != nil {
				mu.Lock()
				failed = append(failed, fmt.Errorf("transfer %d: %w", i, err))
				mu.Unlock()
			}
		})
	}
	gain, err := f.server.Gain(func() error {
		start := time.Now()
		close(begin)
		wg.Wait()
		took = time.Since(start)
		return nil
	})
	if err != nil {
		failed = append(failed, err)
	}
	return gain, took, failed
}
