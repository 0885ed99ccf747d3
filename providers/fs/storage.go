package fs

import (
	"io"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/collection"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/health"
	"or3.chat/cloud/providers/fs/internal/pieces"
	"or3.chat/cloud/providers/fs/internal/readback"
	"or3.chat/cloud/providers/fs/internal/room"
	"or3.chat/cloud/providers/fs/internal/traffic"
	"or3.chat/cloud/providers/fs/internal/uploads"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Options are what a Storage is made of. A field is required unless its comment says otherwise.
type Options struct {
	Disk volume.Disk
	// Identity is the id that the disk's identity file must keep; empty means that it is not checked.
	Identity string
	Signer   *signed.Signer
	// TTL is how long a signed URL is valid.
	TTL time.Duration
	// Retention is the shortest time for which an unreferenced blob is kept; callers of GC can only lengthen it. 0
	// leaves it to them.
	Retention time.Duration
	// TrashGrace is how long retired bytes stay in the trash, served and ready to be taken back; 0 lets the next
	// collection unlink them.
	TrashGrace time.Duration
	Host       or3cloud.HostServices
	// References says which blobs are used; without it nothing is collected or deleted.
	References or3cloud.ReferenceClaimer
	// Quota is how many bytes the files of a workspace may take; 0 means no limit. Deleted ones may take as much again.
	Quota int64
	// Full reports whether the disk has no space for uploads; nil means never.
	Full func() bool
	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger
}

// Storage keeps blobs in files. It puts together the packages below internal: the gateway, collections, uploads in
// pieces, and reading back. Routes returns the endpoints behind its signed URLs.
type Storage struct {
	*gateway
	*collection.Collector
	*uploads.Partials
	*readback.Reader
	*readback.Scrub
	janitor *collection.Janitor
	doomed  *copies.Doomed
	health  *health.Health
	disk    volume.Disk
}

var (
	_ or3cloud.StorageGatewayAdapter = (*Storage)(nil)
	_ or3cloud.StorageCollector      = (*Storage)(nil)
	_ or3cloud.StorageInspector      = (*Storage)(nil)
	_ or3cloud.ObjectDeleter         = (*Storage)(nil)
	_ or3cloud.TransferReader        = (*Storage)(nil)
	_ or3cloud.PartialUploads        = (*Storage)(nil)
	_ or3cloud.BlobChecker           = (*Storage)(nil)
	_ or3cloud.IntegrityReporter     = (*Storage)(nil)
)

// New returns a Storage. It touches nothing; the disk must be open.
func New(o Options) *Storage {
	doomed, temps := copies.NewDoomed(o.References), copies.NewTemps(o.Disk, o.Rand)
	known, moving := health.New(o.Disk, o.Rand), &traffic.Traffic{}
	stored := copies.New(copies.Options{
		Disk: o.Disk, Identity: o.Identity, Doomed: doomed, Temps: temps, Health: known, Now: o.Now, Rand: o.Rand, Log: o.Log,
	})
	parts := pieces.New(pieces.Options{Disk: o.Disk, Now: o.Now, Rand: o.Rand})
	bounds := room.New(room.Options{Disk: o.Disk, Copies: stored, Temps: temps, Pieces: parts, Quota: o.Quota, Now: o.Now})
	whole := uploads.New(uploads.Options{Copies: stored, Doomed: doomed, Temps: temps, Room: bounds})
	partials := uploads.NewPartials(uploads.PartialOptions{
		Uploads: whole, Pieces: parts, Copies: stored, Room: bounds, Traffic: moving, Full: o.Full, Now: o.Now, Rand: o.Rand,
	})
	collector := collection.New(collection.Options{
		Disk: o.Disk, Copies: stored, Doomed: doomed, Temps: temps, Pieces: parts, References: o.References,
		Retention: o.Retention, TrashGrace: o.TrashGrace, Now: o.Now, Log: o.Log, Rand: o.Rand,
	})
	reader := readback.New(readback.Options{Disk: o.Disk, Copies: stored, Log: o.Log})
	return &Storage{
		gateway: &gateway{
			signer: o.Signer, ttl: o.TTL, host: o.Host, copies: stored, room: bounds, uploads: whole, traffic: moving,
			references: o.References, full: o.Full, now: o.Now, log: o.Log,
		},
		Collector: collector, Partials: partials, Reader: reader,
		Scrub: readback.NewScrub(readback.ScrubOptions{Reader: reader, Health: known, Traffic: moving, Now: o.Now, Log: o.Log}),
		janitor: collection.NewJanitor(collection.JanitorOptions{
			Collector: collector, Disk: o.Disk, Temps: temps, Pieces: parts, Rand: o.Rand, Log: o.Log,
		}),
		doomed: doomed, health: known, disk: o.Disk,
	}
}

// Close ends the background work and releases the disk.
func (s *Storage) Close() error {
	s.janitor.Close()
	s.Scrub.Close()
	return s.disk.Close()
}
