// Package fs is the storage provider "fs": it keeps blobs in files below one directory and serves the signed URLs
// through which browsers transfer them (requirements 4.1–4.3; contract, storage §7).
//
// The package owns the layout of the storage directory:
//
//	.or3-storage-id                                     identity: tells a store from an empty mount point
//	workspaces/<workspace>/<alg>_<hex>.<generation>     content, never changed under its name
//	workspaces/<workspace>/<alg>_<hex>.<generation>.sums  a digest for each block of it
//	workspaces/<workspace>/<alg>_<hex>.meta.json        sidecar: which generation is current, and since when
//	workspaces/<workspace>/<alg>_<hex>.tmp-<random>     unfinished
//	trash/<workspace>/<alg>_<hex>.<generation>          retired, still served, destroyed after a grace period
//	trash/<workspace>/<alg>_<hex>.<generation>.sums     its digests
//	quarantine/<workspace>/<alg>_<hex>.<generation>     damaged, moved aside by "or3-cloud fsck --quarantine"
//	partial/<id>.json, partial/<id>.<offset>            uploads that come in pieces
//	.or3-scrub.json                                     how far the files have been read back
//
// A blob file without a generation in its name was left by the npm package; it is used where it is.
//
// This package wires the parts together and has the HTTP side of transfers. The packages below internal know the store;
// docs/architecture.md says what each of them knows.
package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/setting"
)

// ID is the id under which the provider is registered.
const ID = "fs"

// The settings (contract, env §9).
const (
	settingRoot           = "OR3_STORAGE_FS_ROOT"
	settingSecret         = "OR3_STORAGE_FS_TOKEN_SECRET"
	settingPreviousSecret = "OR3_STORAGE_FS_TOKEN_SECRET_PREVIOUS"
	settingTTL            = "OR3_STORAGE_FS_URL_TTL_SECONDS"
	settingGC             = "OR3_STORAGE_FS_GC_SECONDS"
)

const (
	defaultTTL = 900
	maxTTL     = 3600
	// trashGrace gives a device a day in which showing a file again saves it.
	trashGrace = 24 * time.Hour
	// tokenPurpose separates these tokens from others made with the same secret.
	tokenPurpose = "storage.fs.transfer"
)

// group is the title of the settings.
const group = "Stored files"

// Register adds the provider to a registry.
func Register(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{
		Serves: []or3cloud.ProviderKind{or3cloud.ProviderStorage},
		ID:     ID, Package: "or3.chat/cloud/providers/fs",
		Settings: []or3cloud.Setting{
			{
				Name: settingRoot, Settable: true, Group: group, Label: "File directory", Example: "/srv/or3-cloud/blobs",
				Help: "Absolute path of the directory for uploaded files. The default is the folder " + storeName + " in the data directory.",
			},
			{
				Name: settingSecret, Settable: true, Group: group, Label: "File URL key", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
				Demanded: true, Help: "Key that signs upload and download URLs. Generated if not set, except in strict mode.",
			},
			{
				Name: settingPreviousSecret, Settable: true, Group: group, Label: "Previous file URL key", Secret: true,
				Help: "The key before the last change. URLs signed with it are still accepted.",
			},
			{
				Name: settingTTL, Settable: true, Group: group, Label: "File URL lifetime", Default: fmt.Sprint(defaultTTL), Kind: or3cloud.KindPositive, Min: 1, Max: maxTTL,
				Help: "Seconds for which an upload or download URL is valid, 1 to 3600.",
			},
			{
				Name: settingGC, Settable: true, Group: group, Label: "Collection interval", Default: "86400", Kind: or3cloud.KindInt, Min: 0, Max: 30 * 86400,
				Help: "Seconds between two background collections of unused files. 0 turns them off.",
			},
		},
		Check:   check,
		Examine: examine,
		Places: func(cfg or3cloud.Config, dataDir string) map[string]string {
			return map[string]string{settingRoot: directory(cfg, dataDir)}
		},
		Open: open,
	})
}

func check(cfg or3cloud.Config, _ bool) []or3cloud.Problem {
	var problems []or3cloud.Problem
	if root := cfg.String(settingRoot); root != "" && !filepath.IsAbs(root) {
		problems = append(problems, or3cloud.Problem{
			Variable: settingRoot,
			Fault:    fmt.Sprintf("%q is a relative path, which would depend on where the server is started", root),
			Fix:      "give the full path, such as " + settingRoot + "=/var/lib/or3-cloud/blobs",
		})
	}
	return problems
}

// examine implements or3cloud.Provider.Examine.
func examine(_ context.Context, e or3cloud.Examination) (problems, warnings []or3cloud.Problem) {
	if root := e.Config.String(settingRoot); filepath.IsAbs(root) { // the default one is in the data directory
		return e.Room(settingRoot, root)
	}
	return nil, nil
}

// directory returns where the files are.
func directory(cfg or3cloud.Config, dataDir string) string {
	if root := cfg.String(settingRoot); root != "" {
		return root
	}
	return filepath.Join(dataDir, storeName)
}

// open opens the storage directory, creates it if it is the default one or new, and checks that it belongs to this
// instance.
func open(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
	secret, err := env.Secret(settingSecret)
	if err != nil {
		return nil, err
	}
	signer, err := signed.New(tokenPurpose, env.Now, maxTTL*time.Second, secret, env.Config.String(settingPreviousSecret))
	if err != nil {
		return nil, err
	}
	root := directory(env.Config, env.DataDir)
	disk, identity, err := openStore(root, env)
	if err != nil {
		return nil, fmt.Errorf("the storage directory %s: %w", root, oserror.Within(root, err))
	}
	var full func() bool
	if env.DiskFull != nil {
		full = env.DiskFull(root)
	}
	retention := time.Duration(env.Config.Int(setting.StorageGCRetention)) * time.Second
	storage := New(Options{
		Disk: volume.Guard(disk, env.Log, refuse.Unavailable, env.Fatal), Identity: identity, Signer: signer, TTL: validity(ctx, env),
		Retention: retention, TrashGrace: trashGrace, Host: env.Host, References: env.References,
		Quota: quota(env.Config), Full: full, Now: env.Now, Rand: env.Rand, Log: env.Log,
	})
	storage.janitor.Start(time.Duration(env.Config.Int(settingGC)) * time.Second)
	storage.Scrub.Start()
	adapter := &admin{collector: storage.Collector, copies: storage.copies, references: env.References != nil, details: map[string]any{
		"root": root, "urlTtlSeconds": int64(storage.ttl / time.Second),
		"retentionSeconds": int64(retention / time.Second), "tokenSecretConfigured": env.Config.String(settingSecret) != "",
	}}
	if len(secret) < or3cloud.MinKeyLength {
		adapter.warnings = append(adapter.warnings, or3cloud.AdminWarning{
			Level: "warning", Message: fmt.Sprintf("%s is shorter than %d characters.", settingSecret, or3cloud.MinKeyLength),
		})
	}
	return &or3cloud.Instance{
		Storage: storage, Routes: storage.Routes(), Close: storage.Close,
		Admin: map[or3cloud.ProviderKind]or3cloud.ProviderAdminAdapter{or3cloud.ProviderStorage: adapter},
	}, nil
}

// quota is how many bytes a workspace may take, 0 if nothing is set. It is at most what a user may take in all their
// workspaces.
func quota(cfg or3cloud.Config) (bytes int64) {
	for _, name := range []string{setting.StorageQuotaBytes, setting.StorageUserQuota} {
		if cfg.String(name) != "" && (bytes == 0 || cfg.Int(name) < bytes) {
			bytes = cfg.Int(name)
		}
	}
	return bytes
}

// openStore opens root as a Disk, creates the top directories and returns its identity.
func openStore(root string, env or3cloud.Env) (volume.Disk, string, error) {
	if !filepath.IsAbs(root) {
		return nil, "", errors.New("the path is not absolute")
	}
	// The identity comes first: nothing may be created on a mount point whose mount is missing.
	found, err := find(root, env)
	if err != nil {
		return nil, "", err
	}
	admission, err := admit(found, env)
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(root, volume.DirMode); err != nil {
		return nil, "", err
	}
	disk, err := volume.Open(root)
	if err != nil {
		return nil, "", err
	}
	identity, err := identify(disk, found, admission, env)
	for _, dir := range []string{layout.Workspaces, layout.Trash} {
		if err == nil {
			err = disk.Mkdir(dir)
		}
		if err == nil {
			err = tryWriting(disk, dir)
		}
	}
	if err == nil {
		err = disk.SyncDir(".")
	}
	if err != nil {
		disk.Close()
		return nil, "", err
	}
	return disk, identity, nil
}

// tryWriting checks that files can be created in a directory, so that a server that cannot store any does not seem to
// run. What a killed process leaves of it is removed like any other unfinished file.
func tryWriting(disk volume.Disk, dir string) error {
	name := path.Join(dir, layout.TempMark+"start")
	f, err := disk.Create(name)
	switch {
	case err == nil:
		err = f.Close()
	case errors.Is(err, iofs.ErrExist):
		err = nil
	default:
		return err
	}
	return errors.Join(err, disk.Remove(name))
}

// validity returns the configured validity of URLs; a value out of range is replaced by the default with a warning
// (contract, storage §7.1).
func validity(ctx context.Context, env or3cloud.Env) time.Duration {
	seconds := env.Config.Int(settingTTL)
	if seconds < 1 || seconds > maxTTL {
		env.Log.WarnContext(ctx, "setting out of range, default used",
			"setting", settingTTL, "value", seconds, "default", defaultTTL)
		seconds = defaultTTL
	}
	return time.Duration(seconds) * time.Second
}
