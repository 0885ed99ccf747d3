package fs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	iofs "io/fs"
	"log/slog"
	"path"
	"sync"
	"syscall"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Options are what a Storage is made of. A field is required unless its comment says what it means to leave it out.
type Options struct {
	Disk volume.Disk
	// Identity is the id that the disk's identity file must keep having; empty means that it is not looked at.
	Identity string
	Signer   *signed.Signer
	// TTL is how long a signed URL is valid.
	TTL time.Duration
	// Retention is the shortest time for which an unreferenced blob is kept; callers of GC can only lengthen it. 0 leaves it to them.
	Retention time.Duration
	// TrashGrace is how long retired bytes stay in the trash, served and ready to be taken back; 0 lets the next collection unlink them.
	TrashGrace time.Duration
	Host       or3cloud.HostServices
	// References says which blobs are used; without it nothing is collected or deleted.
	References or3cloud.ReferenceClaimer
	// Quota is how many bytes the files of a workspace may take; 0 is no bound. Deleted ones may take as much again.
	Quota int64
	// Full reports whether the disk has no room for uploads; nil means never.
	Full func() bool
	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger
}

// Storage keeps blobs in files. It implements or3cloud.StorageGatewayAdapter, StorageCollector, StorageInspector and
// ObjectDeleter, and Routes returns the endpoints that its signed URLs lead to.
//
// Every key (workspace and hash) has one sidecar, which points to the current generation of the blob. Changes of a key
// are made under the key's lock; reads take no lock, because a generation never changes once it has its name.
type Storage struct {
	Options
	locks     keyLocks
	rooms     rooms
	transfers transfers

	mu sync.Mutex
	// doomed has the paths of the generations that must not be relied on any more: they were offered for deletion, or
	// their directory entry may not be durable. An upload or commit that meets one makes a new generation.
	doomed map[string]bool
	// knowsRetired has the workspaces whose retired generations were read into doomed since the start.
	knowsRetired map[string]bool
	// unfinished has the temporary files that are being written.
	unfinished map[string]bool

	janitor *background.Loop // nil until it is started
	scrub   scrub
}

var (
	_ or3cloud.StorageGatewayAdapter = (*Storage)(nil)
	_ or3cloud.StorageCollector      = (*Storage)(nil)
	_ or3cloud.StorageInspector      = (*Storage)(nil)
	_ or3cloud.ObjectDeleter         = (*Storage)(nil)
)

// New returns a Storage. It touches nothing; the disk must be open.
func New(o Options) *Storage {
	return &Storage{
		Options: o, doomed: map[string]bool{}, knowsRetired: map[string]bool{}, unfinished: map[string]bool{},
	}
}

// Close ends the collections and releases the disk.
func (s *Storage) Close() error {
	s.janitor.Close()
	s.stopScrub()
	return s.Disk.Close()
}

// errAbsent is the real absence of a blob: the store is the right one and has no bytes for the key.
var errAbsent = errors.New("fs: no such blob")

// find opens the bytes of a key wherever they are: in use, or in the trash and not yet destroyed.
func (s *Storage) find(k blobKey) (volume.File, record, error) { return s.lookup(k, s.openGeneration) }

// lookup is find with the way in which a generation is opened.
func (s *Storage) lookup(k blobKey, open func(blobKey, string) (volume.File, error)) (volume.File, record, error) {
	rec, err := readRecord(s.Disk, k)
	for err == nil {
		var f volume.File
		if f, err = open(k, rec.Generation); err == nil {
			return f, rec, nil
		}
		if !errors.Is(err, iofs.ErrNotExist) {
			break
		}
		// A newer generation may have come between the sidecar and the blob; look again as long as that is so.
		was := rec.Generation
		if rec, err = readRecord(s.Disk, k); err == nil && rec.Generation == was {
			err = iofs.ErrNotExist
		}
	}
	if errors.Is(err, iofs.ErrNotExist) {
		if err = s.checkStore(); err == nil {
			err = s.absence(k, rec)
		}
	}
	return nil, record{}, err
}

// openGeneration opens one generation. It looks in use first and then in the trash, the way in which files move; a
// rescue makes a new name and therefore never hides the old one.
func (s *Storage) openGeneration(k blobKey, generation string) (volume.File, error) {
	f, err := s.Disk.Open(k.live(generation))
	if errors.Is(err, iofs.ErrNotExist) {
		return s.Disk.Open(k.trash(generation))
	}
	return f, err
}

// checkStore fails when the storage directory is not what it was at the start. It is asked before anything is called
// absent.
func (s *Storage) checkStore() error {
	if s.Identity == "" {
		return nil
	}
	return checkIdentity(s.Disk, s.Identity)
}

// settle makes verified content the current blob of a key and returns when that is durable.
func (s *Storage) settle(ctx context.Context, k blobKey, in received) error {
	if err := s.loadRetired(ctx, k.workspace); err != nil {
		return err
	}
	defer s.locks.lock(k)()
	rec, err := readRecord(s.Disk, k)
	if err == nil && s.intact(k, rec) {
		rec.UploadedAt = s.Now().UTC()
		return s.writeRecord(k, rec)
	}
	// A sidecar that cannot be understood is replaced: the content is here, verified.
	if err != nil && !errors.Is(err, iofs.ErrNotExist) && !(errors.Is(err, volume.ErrCorrupt) && in.blob != "") {
		return err
	}
	if in.blob == "" {
		if err != nil {
			return err
		}
		if rec.DamagedAt != nil {
			return unavailable(errDamaged) // The next attempt replaces it.
		}
		return s.rescue(k, rec)
	}
	generation, err := randomName(s.Rand)
	if err != nil {
		return err
	}
	next := record{SizeBytes: in.size, MIMEType: in.mime, UploadedAt: s.Now().UTC(), CommittedAt: rec.CommittedAt}
	return s.install(k, generation, next, func(live string) error {
		if err := s.Disk.Rename(in.sums, live+sumsSuffix); err != nil {
			return err
		}
		return s.Disk.Rename(in.blob, live)
	})
}

// rescue gives the bytes of a doomed or trashed generation a name that nobody may retire yet. The link keeps the bytes
// whatever happens to the old name afterwards. The caller holds the key's lock.
func (s *Storage) rescue(k blobKey, rec record) error {
	generation, err := randomName(s.Rand)
	if err != nil {
		return err
	}
	next := rec
	next.UploadedAt = s.Now().UTC()
	return s.install(k, generation, next, func(live string) error {
		// A blob that was stored before there were digests has none.
		if err := ignoreAbsence(s.linkGeneration(k, rec.Generation, sumsSuffix, live)); err != nil {
			return err
		}
		return s.linkGeneration(k, rec.Generation, "", live)
	})
}

// linkGeneration gives a generation, or with a suffix what belongs to it, the name live as well. Where the file system
// has no hard links it gets a copy.
func (s *Storage) linkGeneration(k blobKey, generation, suffix, live string) error {
	err := s.linkOrCopy(k, k.live(generation)+suffix, live+suffix)
	if errors.Is(err, iofs.ErrNotExist) {
		err = s.linkOrCopy(k, k.trash(generation)+suffix, live+suffix)
	}
	return err
}

func (s *Storage) linkOrCopy(k blobKey, oldname, newname string) error {
	err := s.Disk.Link(oldname, newname)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, iofs.ErrPermission) || errors.Is(err, syscall.EMLINK) {
		return s.copyFile(k, oldname, newname)
	}
	return err
}

// copyFile makes a durable copy under a new name.
func (s *Storage) copyFile(k blobKey, oldname, newname string) error {
	from, err := s.Disk.Open(oldname)
	if err != nil {
		return err
	}
	defer from.Close()
	to, tmp, err := s.createTemp(k)
	if err != nil {
		return err
	}
	defer s.removeTemp(tmp)
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	// Both are wrapped so that the copy uses the buffer.
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buf[:])
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return s.Disk.Rename(tmp, newname)
}

// install puts a new generation in place and points the sidecar to it. The caller holds the key's lock.
func (s *Storage) install(k blobKey, generation string, rec record, place func(live string) error) error {
	live := k.live(generation)
	err := place(live)
	if err == nil {
		err = s.Disk.SyncDir(k.dir())
	}
	if err != nil {
		s.Disk.Remove(live)
		s.Disk.Remove(live + sumsSuffix)
		return err
	}
	rec.Generation, rec.TrashedAt, rec.DeletedAt = generation, nil, nil
	if err := s.writeRecord(k, rec); err != nil {
		// The sidecar may or may not be there after a crash. The next upload must not build on it.
		s.doom(live)
		return err
	}
	if rec.DamagedAt == nil {
		s.scrub.mended(k)
	}
	return nil
}

// reliable reports whether an upload or commit may build on the current generation: it is in use, all there and not
// doomed.
func (s *Storage) reliable(k blobKey, rec record) bool {
	live := k.live(rec.Generation)
	if rec.TrashedAt != nil || s.isDoomed(live) {
		return false
	}
	info, err := s.Disk.Lstat(live)
	return err == nil && info.Mode().IsRegular() && info.Size() == rec.SizeBytes
}

// intact reports whether an upload of the same content would be a repetition: the current generation is reliable, and
// nobody has found it damaged.
func (s *Storage) intact(k blobKey, rec record) bool {
	return rec.DamagedAt == nil && s.reliable(k, rec)
}

// present reports whether a blob seems to be there, so that an upload need not be written. settle decides.
func (s *Storage) present(k blobKey) bool {
	rec, err := readRecord(s.Disk, k)
	return err == nil && s.intact(k, rec)
}

func (s *Storage) writeRecord(k blobKey, rec record) error {
	rec.WorkspaceID, rec.Hash = k.workspace, string(k.hash)
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return s.writeAtomic(k, k.sidecar(), b)
}

// writeAtomic replaces a small file of a key. The caller holds the key's lock.
func (s *Storage) writeAtomic(k blobKey, name string, content []byte) error {
	random, err := randomName(s.Rand)
	if err != nil {
		return err
	}
	tmp := k.temp(random)
	s.set(s.unfinished, tmp, true)
	defer s.set(s.unfinished, tmp, false)
	return volume.WriteAtomic(s.Disk, name, tmp, content)
}

// makeDir makes a directory for a workspace below parent durable before something is put into it.
func (s *Storage) makeDir(parent, workspace string) error {
	dir := path.Join(parent, workspace)
	if _, err := s.Disk.Lstat(dir); err == nil {
		return nil
	}
	if err := s.Disk.Mkdir(dir); err != nil {
		return err
	}
	return errors.Join(s.Disk.SyncDir(parent), s.Disk.SyncDir("."))
}

// loadRetired learns once per workspace which generations were retired before the start and are still to be deleted.
func (s *Storage) loadRetired(ctx context.Context, workspace string) error {
	if s.References == nil {
		return nil
	}
	s.mu.Lock()
	known := s.knowsRetired[workspace]
	s.mu.Unlock()
	if known {
		return nil
	}
	retired, err := s.References.RetiredGenerations(ctx, workspace)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range retired {
		if k, ok := newKey(workspace, string(r.Hash)); ok && validGeneration(r.Generation) {
			s.doomed[k.live(r.Generation)] = true
		}
	}
	s.knowsRetired[workspace] = true
	return nil
}

func (s *Storage) doom(live string)   { s.set(s.doomed, live, true) }
func (s *Storage) pardon(live string) { s.set(s.doomed, live, false) }
func (s *Storage) isDoomed(live string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doomed[live]
}

func (s *Storage) set(m map[string]bool, name string, value bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value {
		m[name] = true
	} else {
		delete(m, name)
	}
}

// keyLocks is a lock per key that takes memory only while it is held or waited for.
type keyLocks struct {
	mu   sync.Mutex
	held map[blobKey]*keyLock
}

// keyLock is held by whoever has put a value into sem.
type keyLock struct {
	sem   chan struct{}
	users int
}

// lock locks k and returns the function that unlocks it.
func (l *keyLocks) lock(k blobKey) (unlock func()) {
	unlock, _ = l.lockWithin(context.Background(), k)
	return unlock
}

// lockWithin is lock that gives up when ctx ends.
func (l *keyLocks) lockWithin(ctx context.Context, k blobKey) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[blobKey]*keyLock{}
	}
	kl := l.held[k]
	if kl == nil {
		kl = &keyLock{sem: make(chan struct{}, 1)}
		l.held[k] = kl
	}
	kl.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if kl.users--; kl.users == 0 {
			delete(l.held, k)
		}
	}
	select {
	case kl.sem <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
	return func() {
		<-kl.sem
		leave()
	}, nil
}
