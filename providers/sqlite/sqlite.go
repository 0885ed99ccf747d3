// Package sqlite keeps the change log of every workspace, and the users, workspaces and memberships, in one SQLite
// file (requirements 3.1 to 3.3). It owns the storage layout (migrations/), the single writer with its group commit,
// and everything that is derived from the log in the same transaction: winners, kv names, file references.
package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/census"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/collection"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/files"
	"or3.chat/cloud/providers/sqlite/internal/history"
	"or3.chat/cloud/providers/sqlite/internal/inspect"
	jobroom "or3.chat/cloud/providers/sqlite/internal/jobs"
	"or3.chat/cloud/providers/sqlite/internal/members"
	"or3.chat/cloud/providers/sqlite/internal/ratewindows"
	"or3.chat/cloud/providers/sqlite/internal/trail"
	"or3.chat/cloud/providers/sqlite/internal/webhooks"
	"or3.chat/cloud/setting"
)

// ID is the provider id.
const ID = "sqlite"

//go:embed migrations/*.sql
var migrationFiles embed.FS

// The variables that the provider reads (contract, env §8, §14).
const (
	varPath          = "OR3_SQLITE_DB_PATH"
	varJournalMode   = "OR3_SQLITE_PRAGMA_JOURNAL_MODE"
	varSynchronous   = "OR3_SQLITE_PRAGMA_SYNCHRONOUS"
	varAllowInMemory = "OR3_SQLITE_ALLOW_IN_MEMORY"
	varStrict        = "OR3_SQLITE_STRICT"
	varRetention     = "OR3_SYNC_RETENTION_SECONDS"
	varDeviceStale   = "OR3_SYNC_DEVICE_STALE_SECONDS"
	varMaintenance   = "OR3_SYNC_MAINTENANCE_SECONDS"
	varQuota         = "OR3_SYNC_WORKSPACE_QUOTA_BYTES"
	varWorkspaces    = "OR3_WORKSPACES_PER_USER"
)

// The groups of the settings.
const (
	groupDatabase = "Sync database"
	groupLog      = "Sync log"
)

// defaultDB is the name of the database in the data directory.
const defaultDB = "or3-sync.sqlite"

// The defaults of settings that are also those of Options.
const (
	defaultRetention   = 30 * 24 * time.Hour
	defaultDeviceStale = 90 * 24 * time.Hour
)

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// Register adds the provider to a registry.
func Register(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{
		Serves:  []or3cloud.ProviderKind{or3cloud.ProviderSync},
		ID:      ID,
		Package: "or3.chat/cloud/providers/sqlite",
		Settings: []or3cloud.Setting{
			{Name: varPath, Settable: true, Group: groupDatabase, Label: "Sync database", Check: or3cloud.CheckPath, Example: "/var/lib/or3-cloud/" + defaultDB,
				Help: "Path of the sync database. The default is " + defaultDB + " in the data directory."},
			{Name: varJournalMode, Settable: true, Group: groupDatabase, Label: "Journal", Default: "WAL", Options: []string{"WAL", "DELETE", "TRUNCATE", "PERSIST"}, Help: "SQLite's journal_mode."},
			{
				Name: varSynchronous, Settable: true, Group: groupDatabase, Label: "Durability of writes", Default: "FULL", Options: []string{"FULL", "NORMAL", "EXTRA", "OFF"},
				Help: "SQLite's synchronous. With FULL, acknowledged pushes survive a power failure; with NORMAL, only a killed process.",
			},
			{Name: varAllowInMemory, Settable: true, Group: groupDatabase, Label: "Allow a database in memory", Default: "false", Kind: or3cloud.KindFlag, Help: "Allow the path :memory:, which loses everything at a restart."},
			{Name: varStrict, Settable: true, Group: groupDatabase, Label: "Forbid a database in memory", Default: "false", Kind: or3cloud.KindFlag, Help: "Forbid the path :memory:, whatever else is set."},
			{
				Name: varRetention, Settable: true, Group: groupLog, Label: "Retention of replaced changes", Default: seconds(defaultRetention), Kind: or3cloud.KindInt, Min: 7200, Max: 10 * 365 * 86400,
				Help: "Seconds for which replaced changes and deletions are kept. A request can only ask for longer.",
			},
			{
				Name: varDeviceStale, Settable: true, Group: groupLog, Label: "Forget silent devices", Default: seconds(defaultDeviceStale), Kind: or3cloud.KindInt, Min: 86400, Max: 10 * 365 * 86400,
				Help: "Seconds after which a silent device no longer holds back compaction.",
			},
			{
				Name: varMaintenance, Settable: true, Group: groupLog, Label: "Compaction interval", Default: "3600", Kind: or3cloud.KindInt, Min: 0, Max: 30 * 86400,
				Help: "Seconds between two background compactions of the log. 0 turns them off.",
			},
			{
				Name: varQuota, Settable: true, Group: groupLog, Label: "Bytes per workspace", Default: "10737418240", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64,
				Help: "Bytes that the changes of one workspace can take in the database, including replaced ones that are still kept. " +
					"Beyond that, pushes are 503 until there is space again. 0 means no limit.",
			},
			{
				Name: varWorkspaces, Settable: true, Group: groupLog, Label: "Workspaces per user", Default: "50", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt32,
				Help: "How many workspaces one user can create. A deleted one counts until its files are gone.",
			},
		},
		Check:   check,
		Warn:    warn,
		Examine: examine,
		Places:  places,
		Open: func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
			path := databasePath(env.Config, env.DataDir)
			s, err := Open(ctx, Options{
				Path:              path,
				JournalMode:       env.Config.String(varJournalMode),
				Synchronous:       env.Config.String(varSynchronous),
				Retention:         time.Duration(env.Config.Int(varRetention)) * time.Second,
				DeviceStale:       time.Duration(env.Config.Int(varDeviceStale)) * time.Second,
				Maintenance:       time.Duration(env.Config.Int(varMaintenance)) * time.Second,
				WorkspaceQuota:    env.Config.Int(varQuota),
				WorkspacesPerUser: int(env.Config.Int(varWorkspaces)),
				FileRetention:     time.Duration(min(env.Config.Int(setting.StorageGCRetention), maxFileRetention)) * time.Second,
				Log:               env.Log, Now: env.Now, Rand: env.Rand, Fatal: env.Fatal, Full: diskFull(env, path),
				Stores: env.Stores,
			})
			if err != nil {
				return nil, err
			}
			return &or3cloud.Instance{
				Workspaces: s,
				Sync:       s,
				Admin:      map[or3cloud.ProviderKind]or3cloud.ProviderAdminAdapter{or3cloud.ProviderSync: admin{s}},
				Close:      s.Close,
			}, nil
		},
	})
}

// databasePath returns where the database is.
func databasePath(cfg or3cloud.Config, dataDir string) string {
	if path := cfg.String(varPath); path != "" {
		return path
	}
	return filepath.Join(dataDir, defaultDB)
}

// places implements or3cloud.Provider.Places.
func places(cfg or3cloud.Config, dataDir string) map[string]string {
	path, err := filepath.Abs(databasePath(cfg, dataDir))
	if err != nil || cfg.String(varPath) == ":memory:" {
		return nil
	}
	return map[string]string{varPath: path}
}

// diskFull returns what tells whether the database's disk is full; nil if no one watches it, or there is none.
func diskFull(env or3cloud.Env, path string) func() bool {
	if env.DiskFull == nil || path == ":memory:" {
		return nil
	}
	return env.DiskFull(filepath.Dir(path))
}

func check(cfg or3cloud.Config, strict bool) []or3cloud.Problem {
	if cfg.String(varPath) == ":memory:" && (cfg.Bool(varStrict) || strict || !cfg.Bool(varAllowInMemory)) {
		return []or3cloud.Problem{{
			Variable: varPath,
			Fault:    "is :memory:, which loses everything at a restart",
			Fix:      "give it a file name, or set " + varAllowInMemory + "=true on a test instance that is not strict",
		}}
	}
	return nil
}

// warn implements or3cloud.Provider.Warn.
func warn(cfg or3cloud.Config, _ bool) []or3cloud.Problem {
	if mode := cfg.String(varSynchronous); mode == "OFF" {
		return []or3cloud.Problem{{
			Variable: varSynchronous, Fault: "is OFF", Why: "a power failure loses changes that devices hold for stored, and can damage the database",
			Fix: "Leave it out, or set " + varSynchronous + "=FULL.",
		}}
	}
	return nil
}

// examine implements or3cloud.Provider.Examine.
func examine(_ context.Context, e or3cloud.Examination) (problems, warnings []or3cloud.Problem) {
	switch path := e.Config.String(varPath); {
	case path == ":memory:", path == "" && e.DataDir == "":
		return nil, nil
	case path == "":
		return sqlitex.Examine(e, varPath, filepath.Join(e.DataDir, defaultDB), false)
	default:
		return sqlitex.Examine(e, varPath, path, true)
	}
}

// Options configure a Store.
type Options struct {
	// Path of the database file, or ":memory:".
	Path string
	// JournalMode and Synchronous are SQLite's pragmas; empty means WAL and FULL.
	JournalMode, Synchronous string
	// Retention is how long superseded entries and deletions are kept at least; 0 means 30 days, and never less than
	// two hours, so that a snapshot's pages stay readable.
	Retention time.Duration
	// DeviceStale is after which silence a device no longer holds compaction back; 0 means 90 days.
	DeviceStale time.Duration
	// Maintenance is how often the log is compacted in the background; 0 means never.
	Maintenance time.Duration
	// WorkspaceQuota bounds what one workspace keeps in the database, in bytes; 0 means no limit.
	WorkspaceQuota int64
	// WorkspacesPerUser is how many workspaces a user may make; 0 means no limit.
	WorkspacesPerUser int
	// FileRetention is how long the storage provider keeps files that nothing references: for so long a deleted
	// workspace takes room.
	FileRetention time.Duration
	Log           *slog.Logger
	Now           func() time.Time
	Rand          io.Reader
	// Full reports whether the disk has no room for writes that grow the database; nil means never.
	Full func() bool
	// Fatal, if set, is told once when nothing can be written until the process has started again. It returns at once.
	Fatal func(error)
	// VFS names the driver's file system; see sqlitex.Options.
	VFS string
	// recentKeys is after how many keys a run of the index is written; 0 is the index's own. Tests make runs of a few.
	recentKeys int
	// Stores decides whether the file is the one that belongs here; nil means that it is.
	Stores or3cloud.Stores
}

// layoutMigrations are those with which the index replaces tables (20, 22), and blocks the log (23). The file from
// before is kept until the new layout has stood the test for copyLife (see maintenance.go).
var layoutMigrations = [...]int64{20, 22, 23}

// maxFileRetention keeps a retention in the range of a time.Duration, in seconds.
const maxFileRetention = 100 * 365 * 86400

// Store is an open database: the contracts of its rooms, and what keeps the file in order.
type Store struct {
	*members.Workspaces
	*members.Invites
	*members.Directory
	*members.Settings
	*members.Admins
	*members.Census
	*changelog.Log
	*collection.Collector
	*inspect.Inspector
	*files.Files
	*history.History
	*ratewindows.Windows
	*webhooks.Webhooks
	*jobroom.Jobs
	*trail.Trail

	engine *engine.Engine
	opts   Options
	m      *maintenance
	host   hostMaintenance
	stock  stock
	watch  *sqlitex.Watch
	// clockWasAhead says that the log may hold times in the future, newest is the latest time that the maintenance has
	// seen.
	clockWasAhead atomic.Bool
	newest        atomic.Int64

	closing  sync.Once
	closeErr error
}

// Open opens or creates the database and brings its schema up to date.
func Open(ctx context.Context, opts Options) (_ *Store, err error) {
	if opts.Retention == 0 {
		opts.Retention = defaultRetention
	}
	opts.Retention = max(opts.Retention, changelog.MinRetention)
	if opts.DeviceStale == 0 {
		opts.DeviceStale = defaultDeviceStale
	}
	migrations, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts}
	s.engine, err = engine.Open(ctx, engine.Options{
		File: sqlitex.Options{
			Path: opts.Path, Migrations: migrations, KeepBefore: layoutMigrations[:], JournalMode: opts.JournalMode, Synchronous: opts.Synchronous, VFS: opts.VFS,
			Identity: &sqlitex.Identity{Stores: opts.Stores, Name: storeName, Restore: restore(opts.Now), Now: opts.Now, Log: opts.Log},
		},
		Log: opts.Log, Now: opts.Now, Rand: opts.Rand, Full: opts.Full, Fatal: opts.Fatal,
	})
	if err != nil {
		return nil, fmt.Errorf("sync database: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("sync database: %w", errors.Join(s.engine.DB.Refusal(ctx, err), s.Close()))
		}
	}()
	s.Workspaces = members.New(s.engine, members.Options{
		WorkspacesPerUser: opts.WorkspacesPerUser, Retention: opts.Retention, FileRetention: opts.FileRetention,
	})
	s.Invites = members.NewInvites(s.engine, s.Workspaces)
	s.Directory = members.NewDirectory(s.Workspaces)
	s.Settings = members.NewSettings(s.engine)
	s.Admins = members.NewAdmins(s.Workspaces)
	s.Census = members.NewCensus(s.Workspaces, members.CensusOptions{WorkspaceQuota: opts.WorkspaceQuota, DeviceStale: opts.DeviceStale})
	s.Log, err = changelog.New(ctx, s.engine, s.Workspaces, changelog.Options{
		WorkspaceQuota: opts.WorkspaceQuota, Noticed: s.noticed, RecentKeys: opts.recentKeys,
	})
	if err != nil {
		return nil, err
	}
	s.Collector = collection.New(s.engine, s.Workspaces, s.Log, collection.Options{Retention: opts.Retention, DeviceStale: opts.DeviceStale})
	s.Inspector = inspect.New(s.engine, s.Workspaces, s.noticed)
	s.Files = files.New(s.engine, s.Workspaces, s.Log, files.Options{Retention: opts.Retention, FileRetention: opts.FileRetention})
	s.History = history.New(s.engine, s.Workspaces, s.Log, s.noticed)
	s.Windows = ratewindows.New(s.engine)
	s.Webhooks = webhooks.New(s.engine, s.Workspaces)
	s.Jobs = jobroom.New(s.engine)
	s.Trail = trail.New(s.engine)
	s.clockWasAhead.Store(s.engine.DB.Behind)
	if err := s.settleTimes(ctx); err != nil {
		if !sqlitex.IsDamage(err) && or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			return nil, err
		}
		opts.Log.Warn("times in the sync database could not be looked at", "error", err)
	}
	s.watch = sqlitex.StartWatch(s.engine.DB, opts.Log, opts.Now, s.unreadable)
	if opts.Maintenance > 0 {
		s.m = startMaintenance(s, opts.Maintenance)
	}
	return s, nil
}

// Close waits for writes that were accepted and for reads under way, and closes the database. It may be called again.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	if s.m != nil {
		s.m.loop.Close()
	}
	if s.watch != nil {
		s.watch.Close()
	}
	if s.Jobs != nil {
		s.Jobs.Close()
	}
	if s.Log != nil {
		s.Log.Close()
	}
	return s.engine.Close()
}

// GCChangeLog implements or3cloud.SyncCollector, and forgets what is known of references that were lost long ago.
func (s *Store) GCChangeLog(ctx context.Context, in or3cloud.SyncGCRequest) error {
	if err := s.ForgetOrphans(ctx, in.Scope.WorkspaceID); err != nil {
		return err
	}
	return s.Collector.GCChangeLog(ctx, in)
}

// SyncCapabilities implements or3cloud.CapabilityReporter.
func (s *Store) SyncCapabilities() or3cloud.SyncCapabilities {
	return or3cloud.SyncCapabilities{
		SnapshotBootstrap: "snapshot-v1", HistoryRetention: "snapshot-v1", WorkspaceItems: "v1",
		CanonicalChatHistory: "v1", BackgroundGenerationHistory: "v1",
	}
}

// Interface guards.
var (
	_ or3cloud.AuthWorkspaceStore        = (*Store)(nil)
	_ or3cloud.WorkspaceAccessStore      = (*Store)(nil)
	_ or3cloud.RoleChanger               = (*Store)(nil)
	_ or3cloud.MemberManager             = (*Store)(nil)
	_ or3cloud.WorkspaceDirectory        = (*Store)(nil)
	_ or3cloud.UserDirectory             = (*Store)(nil)
	_ or3cloud.UserFinder                = (*Store)(nil)
	_ or3cloud.WorkspaceAdministrator    = (*Store)(nil)
	_ or3cloud.WorkspaceLister           = (*Store)(nil)
	_ census.Workspaces                  = (*Store)(nil)
	_ or3cloud.WorkspaceSettingsComparer = (*Store)(nil)
	_ or3cloud.DeploymentAdminStore      = (*Store)(nil)
	_ or3cloud.DeploymentAdminChecker    = (*Store)(nil)
	_ or3cloud.MaintenanceRecorder       = (*Store)(nil)
	_ or3cloud.UserRemover               = (*Store)(nil)
	_ or3cloud.IdentityLister            = (*Store)(nil)
	_ or3cloud.InviteStore               = (*Store)(nil)
	_ or3cloud.InviteDescriber           = (*Store)(nil)
	_ or3cloud.SyncGatewayAdapter        = (*Store)(nil)
	_ or3cloud.SyncCollector             = (*Store)(nil)
	_ or3cloud.Snapshotter               = (*Store)(nil)
	_ or3cloud.TextPuller                = (*Store)(nil)
	_ or3cloud.TextSnapshotter           = (*Store)(nil)
	_ or3cloud.LogReader                 = (*Store)(nil)
	_ or3cloud.ReferenceClaimer          = (*Store)(nil)
	_ or3cloud.StorageUsage              = (*Store)(nil)
	_ or3cloud.UploadIntents             = (*Store)(nil)
	_ or3cloud.Watcher                   = (*Store)(nil)
	_ or3cloud.CanonicalStorage          = (*Store)(nil)
	_ or3cloud.CapabilityReporter        = (*Store)(nil)
	_ or3cloud.MaintenanceReporter       = (*Store)(nil)
	_ or3cloud.DatabaseIntegrity         = (*Store)(nil)
	_ or3cloud.KVNameFreer               = (*Store)(nil)
	_ or3cloud.Notifier                  = (*Store)(nil)
	_ or3cloud.ChatHistoryReader         = (*Store)(nil)
	_ or3cloud.GenerationHistory         = (*Store)(nil)
	_ or3cloud.RateLimitStore            = (*Store)(nil)
	_ jobs.Store                         = (*Store)(nil)
	_ jobs.Queue                         = (*Store)(nil)
	_ jobs.Admissions                    = (*Store)(nil)
	_ jobs.History                       = (*Store)(nil)
	_ jobs.Notices                       = (*Store)(nil)
	_ jobs.Census                        = (*Store)(nil)
	_ or3cloud.WebhookStore              = (*Store)(nil)
	_ or3cloud.WebhookQueue              = (*Store)(nil)
	_ adminevent.Queue                   = (*Store)(nil)
	_ audit.Store                        = (*Store)(nil)
)
