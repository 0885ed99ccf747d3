// Package datadir owns the data directory of an instance: which instance it belongs to, that it is as private as its
// volume allows, that it is the right one, that only one process uses it, and the secrets generated in it. What
// providers keep there is theirs.
//
//	identity.json    identifies the data directory
//	lock             held by the running process; contains its pid
//	secrets/<NAME>   generated secrets, one file each
//	marks/<store>    how far each store has come, as seen from outside of it
package datadir

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"or3.chat/cloud/internal/dirsync"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/superadmin"
)

const (
	identityFile = "identity.json"
	lockFile     = "lock"
	secretsDir   = "secrets"

	// dirMode and fileMode keep other users of the machine out.
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600

	// format is the layout that this version reads and writes.
	format = 1

	// secretBytes is the entropy of a generated secret.
	secretBytes = 32
)

// Options are the dependencies of a data directory. The zero value uses the real ones.
type Options struct {
	Now  func() time.Time
	Rand io.Reader
	// Strict refuses what Check reports.
	Strict bool
	// Shared accepts modes that let others in (OR3_SHARED_VOLUME), because the volume itself decides modes.
	Shared bool
	// Log is told about modes that are open but accepted. It may be nil.
	Log *slog.Logger
	// Adopt names stores that the next start accepts as they are, or is EveryStore. With EveryStore, a directory whose
	// identity is missing or damaged gets a new one.
	Adopt []string
}

// Dir is an open data directory. The process holds its lock until Close.
type Dir struct {
	path    string
	created bool
	opts    Options
	lock    *os.File
	root    *os.Root
	told    bool // that others have access

	mu       sync.Mutex // guards the following fields and serialises the generation of secrets
	identity identity
	// unrecorded means that the directory was in use before the names of stores were recorded.
	unrecorded bool
	// copied means that the directory is a copy.
	copied bool
}

// identity is the content of identity.json.
type identity struct {
	ID        string    `json:"id"`
	Format    int       `json:"format"`
	CreatedAt time.Time `json:"createdAt"`
	// Stores are the stores created so far. It is nil in a directory from before they were recorded.
	Stores []string `json:"stores"`
	// Adopt are the stores that the operator wants accepted as they are.
	Adopt []string `json:"adopt,omitempty"`
}

// Open opens the data directory at an absolute path. It creates it if the path does not exist or is an empty directory;
// in strict mode, only if it is an empty directory. It refuses a directory with other content, and one that another
// process has open.
func Open(path string, opts Options) (_ *Dir, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Rand == nil {
		opts.Rand = rand.Reader
	}
	d := &Dir{path: filepath.Clean(path), opts: opts}
	defer func() { err = oserror.Within(d.path, err) }()
	if opts.Strict {
		for _, p := range Check(d.path) {
			return nil, fmt.Errorf("%s: %s: %s", p.Variable, p.Fault, p.Fix)
		}
	}
	if err := d.checkForeign(); err != nil && !d.adoptsAll() {
		return nil, err
	}
	if err := os.MkdirAll(d.path, dirMode); err != nil {
		return nil, fmt.Errorf("create the data directory: %w", err)
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.root, err = os.OpenRoot(d.path); err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	if err = d.acquire(); err != nil {
		return nil, err
	}
	if err = d.makePrivate(); err != nil {
		return nil, err
	}
	if err = d.tryWriting(); err != nil {
		return nil, err
	}
	if err = d.identify(); err != nil {
		return nil, err
	}
	return d, nil
}

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// ID returns the random id that the directory got at its creation.
func (d *Dir) ID() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.identity.ID
}

// Created reports whether Open found nothing and created a new directory. After the first start that should never
// happen: it means that a volume is missing.
func (d *Dir) Created() bool { return d.created }

// Close releases the directory for other processes.
func (d *Dir) Close() error {
	var errs []error
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
		d.lock = nil
	}
	if d.root != nil {
		errs = append(errs, d.root.Close())
		d.root = nil
	}
	return errors.Join(errs...)
}

// checkForeign refuses a directory with content that is not ours, before anything in it is touched. A mistyped --data
// must not lock other users out of /srv or a home directory by making it private.
func (d *Dir) checkForeign() error {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the data directory: %w", err)
	}
	other := ""
	for _, e := range entries {
		switch e.Name() {
		case identityFile:
			return nil
		case lockFile, identityFile + ".new": // left by an interrupted first start
		case "lost+found": // a fresh volume
		case superadmin.File: // brought over from a host of OR3 Chat
		default:
			other = e.Name()
		}
	}
	if other != "" {
		return fmt.Errorf("%s is not a data directory of OR3 Cloud: it has no %s but contains %q; name another directory with --data or OR3_DATA_DIR. "+
			"If it was one, restore the file from a backup, or give the directory a new identity and accept its stores as they are with: %s %s --data %s",
			d.path, identityFile, other, adoptCommand, EveryStore, d.path)
	}
	return nil
}

// ErrInUse means that another process has the directory open.
var ErrInUse = errors.New("in use by the process")

// acquire takes the lock, which ends with the process however it ends.
func (d *Dir) acquire() error {
	f, err := d.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := tryLock(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		if errors.Is(err, errLocked) {
			return fmt.Errorf("the data directory %s is %w with pid %s; stop it, or name another directory with --data",
				d.path, ErrInUse, strings.TrimSpace(string(holder)))
		}
		return fmt.Errorf("lock the data directory %s: %w", d.path, err)
	}
	d.lock = f
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write the lock of the data directory: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return fmt.Errorf("write the lock of the data directory: %w", err)
	}
	return nil
}

// tryWriting checks whether files can be created here at all, so that a server that cannot store anything does not
// appear to run. It uses a name that an interrupted first start may also leave.
func (d *Dir) tryWriting() error {
	const name = identityFile + ".new"
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("write in the data directory: %w", err)
	}
	return errors.Join(f.Close(), d.root.Remove(name))
}

// identify reads the identity, or writes one into a new directory.
func (d *Dir) identify() error {
	id, err := readIdentity(d.root, d.path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) && d.adoptsAll() {
		return d.create()
	}
	if err != nil {
		return err
	}
	d.identity = id
	if id.Stores == nil {
		if d.unrecorded, err = inUse(d.path); err != nil {
			return fmt.Errorf("read the data directory: %w", err)
		}
	}
	d.copied = d.isCopy()
	for _, name := range d.opts.Adopt {
		if name != EveryStore && len(id.Stores) > 0 && !slices.Contains(id.Stores, name) {
			return fmt.Errorf("the data directory %s has no store %q, but %s", d.path, name, strings.Join(id.Stores, ", "))
		}
		if !slices.Contains(id.Adopt, name) {
			id.Adopt = append(id.Adopt, name)
		}
	}
	if len(d.opts.Adopt) > 0 {
		return d.writeIdentity(id)
	}
	return nil
}

// errDamaged means that the identity cannot be parsed.
var errDamaged = errors.New("is damaged")

// readIdentity reads the identity of the data directory at a path.
func readIdentity(root *os.Root, path string) (id identity, err error) {
	data, err := root.ReadFile(identityFile)
	if err != nil {
		return id, fmt.Errorf("read the identity of the data directory: %w", err)
	}
	if err := json.Unmarshal(data, &id); err != nil || id.ID == "" {
		return id, fmt.Errorf("%s %w; restore it from a backup, or give the directory a new identity and accept its stores as they are with: %s %s --data %s",
			filepath.Join(path, identityFile), errDamaged, adoptCommand, EveryStore, path)
	}
	if id.Format != format {
		return id, fmt.Errorf("the data directory %s has format %d and this version of the program knows format %d; start the version that wrote it", path, id.Format, format)
	}
	return id, nil
}

// adoptsAll reports whether the operator wants everything accepted as it is.
func (d *Dir) adoptsAll() bool { return slices.Contains(d.opts.Adopt, EveryStore) }

func (d *Dir) create() error {
	id, err := uuid.NewRandomFromReader(d.opts.Rand)
	if err != nil {
		return fmt.Errorf("make an identity for the data directory: %w", err)
	}
	err = d.writeIdentity(identity{
		ID: id.String(), Format: format, CreatedAt: d.opts.Now().UTC().Truncate(time.Second), Stores: []string{}, Adopt: d.opts.Adopt,
	})
	d.created = err == nil
	return err
}

func (d *Dir) writeIdentity(id identity) error {
	if err := d.writeJSON(identityFile, id); err != nil {
		return fmt.Errorf("write the identity of the data directory: %w", err)
	}
	d.identity = id
	return nil
}

// Secret returns the secret stored under the name of a variable, and generates it if there is none.
func (d *Dir) Secret(name string) (secret string, err error) {
	defer func() { err = oserror.Within(d.path, err) }()
	if !validName(name) {
		return "", fmt.Errorf("%q cannot be the name of a secret", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	file := secretsDir + "/" + name
	secret, err = d.readSecret(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	random := make([]byte, secretBytes)
	if _, err := io.ReadFull(d.opts.Rand, random); err != nil {
		return "", fmt.Errorf("generate %s: %w", name, err)
	}
	secret = base64.RawURLEncoding.EncodeToString(random)
	if err := d.root.Mkdir(secretsDir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("create the directory of secrets: %w", err)
	}
	if err := dirsync.Replace(d.root, file, []byte(secret+"\n")); err != nil {
		return "", fmt.Errorf("write the secret %s: %w", name, err)
	}
	// Refuse now what the next start would refuse.
	if secret, err = d.readSecret(file); err != nil {
		return "", errors.Join(err, d.root.Remove(file))
	}
	return secret, nil
}

// Generated returns the secret that a server has generated under the name of a variable in the data directory at a
// path, and its file, or "" if there is none. It changes nothing, and the server may be running.
func Generated(path, name string) (secret, file string, err error) {
	if !validName(name) {
		return "", "", fmt.Errorf("%q cannot be the name of a secret", name)
	}
	file = filepath.Join(path, secretsDir, name)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	return strings.TrimSpace(string(data)), file, err
}

func (d *Dir) readSecret(file string) (string, error) {
	path := filepath.Join(d.path, file)
	info, err := d.root.Stat(file)
	if err != nil {
		return "", err
	}
	if reachOf(info) == reachOthers {
		if err := d.refuse(info, path, "the secret %s can be read by other users", path); err != nil {
			return "", err
		}
	}
	d.tell(info, path)
	data, err := d.root.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("the secret %s is empty: restore it from a backup, or remove the file to get a new one, which signs everyone out", path)
	}
	return secret, nil
}

func validName(name string) bool {
	for _, c := range []byte(name) {
		if !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return name != ""
}
