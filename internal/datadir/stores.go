package datadir

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/dirsync"
	"or3.chat/cloud/internal/oserror"
)

// marksDir holds what is known about the stores outside of them: one file each, and the witness of the directory.
const marksDir = "marks"

// EveryStore in Options.Adopt means all stores.
const EveryStore = "all"

// adoptCommand is how an operator confirms that what is there is intended.
const adoptCommand = "or3-cloud adopt"

// Dir uses three things to decide whether a store is the one that was left here: the names of created stores in
// identity.json, the stamp in the store, and the store's mark in marks/, which records how far it had come. A name is
// recorded only after the store and its mark are on the disk, so an interrupted first start can be repeated.
var _ or3cloud.Stores = (*Dir)(nil)

// Admit implements or3cloud.Stores.
func (d *Dir) Admit(name string, found or3cloud.StoreFound) (_ or3cloud.StoreAdmission, err error) {
	defer func() { err = oserror.Within(d.path, err) }()
	d.mu.Lock()
	defer d.mu.Unlock()
	none := or3cloud.StoreAdmission{}
	mark, err := d.readMark(name)
	if err != nil {
		return none, err
	}
	run, err := randomID(d.opts.Rand)
	if err != nil {
		return none, err
	}
	a := or3cloud.StoreAdmission{Mark: mark, Stamp: or3cloud.StoreStamp{
		Store: name, Instance: d.identity.ID, Run: run, Previous: mark.Run,
		Step: max(mark.Step, found.Stamp.Step) + 1, High: max(mark.High, found.Stamp.High), At: d.opts.Now().UnixMilli(),
	}}
	if d.adopts(name) {
		switch found.Condition {
		case or3cloud.StoreUnstamped, or3cloud.StoreStamped:
			a.Age, a.Why = or3cloud.StoreOlder, "it was adopted with "+adoptCommand
		}
		return a, nil
	}
	if fault := d.fault(name, found); fault != "" {
		return none, fmt.Errorf("%s is %s. Restore it from a backup; or, if what is there now is intended, confirm it with: %s %s --data %s",
			found.Place, fault, adoptCommand, name, d.path)
	}
	if found.Condition == or3cloud.StoreStamped && slices.Contains(d.identity.Stores, name) {
		a.Age, a.Why = age(found.Stamp, mark)
	}
	if d.copied && a.Age == or3cloud.StoreCurrent {
		a.Age, a.Why = or3cloud.StoreCopied, "the data directory is a copy, which may be older than the original"
	}
	return a, nil
}

// fault returns why a store cannot be the one that belongs here, or "". A store that is absent and was never created is
// created now. One that has content although it was never recorded is from before stamps existed, or from an
// interrupted start.
func (d *Dir) fault(name string, found or3cloud.StoreFound) string {
	used := slices.Contains(d.identity.Stores, name)
	switch found.Condition {
	case or3cloud.StoreAbsent, or3cloud.StoreBlank:
		if used || found.Essential && d.unrecorded {
			return fmt.Sprintf("%s, and the data directory %s was in use: a volume may not be mounted, or a copy has failed", found.Condition, d.path)
		}
	case or3cloud.StoreUnstamped:
		if used {
			return fmt.Sprintf("not known to be the store %q of this instance: it carries no identity", name)
		}
	case or3cloud.StoreStamped:
		switch stamp := found.Stamp; {
		case stamp.Instance != d.identity.ID:
			return fmt.Sprintf("a store of another instance: it carries the identity %s, and the data directory %s is %s", stamp.Instance, d.path, d.identity.ID)
		case stamp.Store != name:
			return fmt.Sprintf("the store %q of this instance and not %q", stamp.Store, name)
		}
	}
	return ""
}

// age compares a store's stamp with its mark. The mark follows the store, so a store that is behind its mark is an
// older copy. A run stamps the store first and then the mark, and may be killed between the two.
func age(found, mark or3cloud.StoreStamp) (or3cloud.StoreAge, string) {
	const older = or3cloud.StoreOlder
	switch {
	case mark.Store == "":
		return older, "its mark in the data directory is gone"
	case found.Run == mark.Run && found.Step >= mark.Step:
		return or3cloud.StoreCurrent, ""
	case found.Run == mark.Run:
		return older, "it was written " + day(found.At) + ", and the last state known is of " + day(mark.At)
	case found.Previous == mark.Run:
		return or3cloud.StoreCurrent, ""
	default:
		return older, "it is of a former run of the server, written " + day(found.At) + "; the last one known wrote " + day(mark.At)
	}
}

func day(milliseconds int64) string { return time.UnixMilli(milliseconds).UTC().Format(time.RFC3339) }

// Confirm implements or3cloud.Stores.
func (d *Dir) Confirm(stamp or3cloud.StoreStamp) (err error) {
	defer func() { err = oserror.Within(d.path, err) }()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.makeMarks(); err != nil {
		return err
	}
	if err := d.writeJSON(markFile(stamp.Store), stamp); err != nil {
		return fmt.Errorf("write the mark of the store %s: %w", stamp.Store, err)
	}
	id := d.identity
	if slices.Contains(id.Stores, stamp.Store) && !d.adopts(stamp.Store) {
		return nil
	}
	if !slices.Contains(id.Stores, stamp.Store) {
		id.Stores = append(slices.Clone(id.Stores), stamp.Store)
		slices.Sort(id.Stores)
	}
	id.Adopt = slices.DeleteFunc(slices.Clone(id.Adopt), func(name string) bool { return name == stamp.Store })
	return d.writeIdentity(id)
}

// Opened is called when all stores are open and confirmed. Only then does the directory count as the original and no
// longer as a copy.
func (d *Dir) Opened() (err error) {
	defer func() { err = oserror.Within(d.path, err) }()
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.identity.Adopt, EveryStore) {
		id := d.identity
		id.Adopt = nil
		if err := d.writeIdentity(id); err != nil {
			return err
		}
	}
	if err := d.makeMarks(); err != nil {
		return err
	}
	d.copied = false
	return d.renewWitness()
}

// adopts reports whether the operator wants a store accepted as it is.
func (d *Dir) adopts(name string) bool {
	return slices.Contains(d.identity.Adopt, name) || slices.Contains(d.identity.Adopt, EveryStore)
}

func (d *Dir) makeMarks() error {
	if d.root == nil {
		return fs.ErrClosed
	}
	if err := d.root.Mkdir(marksDir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create the directory of marks: %w", err)
	}
	return nil
}

func markFile(store string) string { return marksDir + "/" + store + ".json" }

// readMark returns the mark of a store. It is zero if there is none or it cannot be read: in both cases, nothing is
// known.
func (d *Dir) readMark(name string) (or3cloud.StoreStamp, error) {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return or3cloud.StoreStamp{}, fmt.Errorf("%q cannot be the name of a store", name)
	}
	var mark or3cloud.StoreStamp
	err := d.readJSON(markFile(name), &mark)
	unreadable := errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError))
	if unreadable || err == nil && mark.Store != name {
		return or3cloud.StoreStamp{}, nil
	}
	return mark, err
}

func (d *Dir) readJSON(name string, into any) error {
	data, err := d.root.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func (d *Dir) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return dirsync.Replace(d.root, name, append(data, '\n'))
}

// The witness is a file that each start replaces. Its file-system identity is recorded beside it. A copy of the
// directory has both files, but the file system identifies the copied witness differently. While the witness is being
// replaced, nothing is recorded: a process killed between the two files must not leave a directory that looks like a
// copy of itself.
const (
	witnessFile   = "witness"
	directoryFile = "directory.json"
)

// directory is the content of directoryFile.
type directory struct {
	Witness string `json:"witness"`
}

// isCopy reports whether the directory was copied or restored since the last start. A snapshot of a whole file system
// keeps its identities and cannot be recognized.
func (d *Dir) isCopy() bool {
	var known directory
	if err := d.readJSON(marksDir+"/"+directoryFile, &known); err != nil || known.Witness == "" {
		return false
	}
	return witness(filepath.Join(d.path, marksDir, witnessFile)) != known.Witness
}

func (d *Dir) renewWitness() error {
	if err := d.root.Remove(marksDir + "/" + directoryFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("renew the witness of the data directory: %w", err)
	}
	name := marksDir + "/" + witnessFile
	if err := dirsync.Replace(d.root, name, []byte("This file shows whether the data directory was copied; see directory.json.\n")); err != nil {
		return fmt.Errorf("write the witness of the data directory: %w", err)
	}
	known := directory{Witness: witness(filepath.Join(d.path, name))}
	if err := d.writeJSON(marksDir+"/"+directoryFile, known); err != nil {
		return fmt.Errorf("write the witness of the data directory: %w", err)
	}
	return nil
}

func randomID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("random id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// ours are the entries that datadir itself, or the program around it, keeps in a data directory.
var ours = []string{identityFile, identityFile + ".new", lockFile, secretsDir, marksDir, "lost+found", "reserve", "control.sock", "fsck.json", "fault.json"}

// inUse reports whether a directory contains more than the program puts there before it creates the first store.
func inUse(path string) (bool, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !slices.Contains(ours, e.Name()) }), nil
}
