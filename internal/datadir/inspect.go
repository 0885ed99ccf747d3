package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/setting"
)

// Inspect returns what the next start would find wrong with the directory at an absolute path, and what it would fix or
// warn of. It does not include what Check finds. It changes nothing, takes no lock, and may run beside a server.
func Inspect(path string, opts Options) (problems, warnings []or3cloud.Problem) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &Dir{path: filepath.Clean(path), opts: opts}
	problem := func(err error, why, fix string) {
		text := oserror.Explain(oserror.Within(d.path, err)).Error()
		at, end := len(text), ""
		for _, advice := range []string{": run ", "; ", ". "} { // the errors of a start contain their fix
			if i := strings.Index(text, advice); i >= 0 && i < at {
				at, end = i, advice
			}
		}
		if end == "" && strings.Contains(text, ": ") {
			at, end = strings.Index(text, ": "), ": "
		}
		if end != "" {
			text, fix = text[:at], strings.TrimLeft(end, ":;. ")+text[at+len(end):]
		}
		problems = append(problems, or3cloud.Problem{Variable: setting.DataDir, Fault: text, Why: why, Fix: fix})
	}
	const refused = "the server does not start with it"
	if _, err := os.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a first start creates it, if Check allows that
	}
	if err := d.checkForeign(); err != nil {
		problem(err, refused, "Name the directory of this instance with "+setting.DataDir+" or --data.")
		return problems, warnings
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		problem(fmt.Errorf("open the data directory: %w", err), refused, "Let the server's user read and change it.")
		return problems, warnings
	}
	defer root.Close()
	d.root = root
	for _, name := range []string{".", secretsDir} {
		info, err := root.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			problem(err, refused, "Let the server's user read and change it.")
			continue
		}
		if p, severe := judge(info, filepath.Join(d.path, name), opts.Shared); severe {
			problems = append(problems, p)
		} else if p.Fault != "" {
			warnings = append(warnings, p)
		}
	}
	entries, _ := fs.ReadDir(root.FS(), secretsDir)
	for _, e := range entries {
		if _, err := d.readSecret(secretsDir + "/" + e.Name()); err != nil {
			problem(err, "anyone who reads a key can sign in as any user", "Keep other users out of it.")
		}
	}
	if _, err := readIdentity(root, d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		problem(err, refused, "Restore it from a backup.")
	}
	return problems, warnings
}

// judge reports who can access a directory according to its mode. There is no fault if only the server can. If others
// can even change it, severe is true.
func judge(info fs.FileInfo, path string, shared bool) (p or3cloud.Problem, severe bool) {
	p = or3cloud.Problem{Variable: setting.DataDir, Fix: fmt.Sprintf("Run: chmod %04o %s", dirMode, path)}
	mode := info.Mode().Perm()
	switch {
	case reachOf(info) == reachNone:
	case reachOf(info) == reachGroup:
		p.Fault = fmt.Sprintf("%s is open to the group %s (mode %04o)", path, groupOf(info), mode)
		p.Why = "everyone in the group can read all accounts and files"
		p.Fix = "Let no one but the server be in that group, or run: chmod go= " + path
	case shared:
		p.Fault = fmt.Sprintf("%s is open to other users by its mode (%04o), and %s vouches for the volume", path, mode, setting.SharedVolume)
		p.Why = "nothing but that promise keeps them out"
		p.Fix = "Mount the volume with file_mode=0600,dir_mode=0700, and leave " + setting.SharedVolume + " out."
	default:
		p.Fault = fmt.Sprintf("%s is open to other users (mode %04o)", path, mode)
		p.Why = "they reach accounts and files until the next start, which makes it private or refuses it"
		severe = mode&0o002 != 0
	}
	return p, severe
}

// Newest returns the latest known time of a write to the directory at a path or to one of its stores, or zero if
// unknown.
func Newest(path string) time.Time {
	var newest time.Time
	if data, err := os.ReadFile(filepath.Join(path, identityFile)); err == nil {
		var id identity
		if json.Unmarshal(data, &id) == nil {
			newest = id.CreatedAt
		}
	}
	marks, _ := filepath.Glob(filepath.Join(path, marksDir, "*.json"))
	for _, file := range marks {
		var mark or3cloud.StoreStamp
		if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &mark) == nil {
			if at := time.UnixMilli(mark.At); at.After(newest) {
				newest = at
			}
		}
	}
	return newest
}
