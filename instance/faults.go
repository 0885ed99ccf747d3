package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
)

// faultFile records in the data directory that a store could not be written any more, until administrators are told.
// The store itself cannot record it, and the program restarts.
const faultFile = "fault.json"

// The states of a fault.
const (
	damaged = "damaged"
	failed  = "failed"
)

// Faults returns the currently known faults of the stores, and the one that made the program restart.
func (i *Instance) Faults() (out []adminevent.Fault) {
	for _, kind := range []or3cloud.ProviderKind{or3cloud.ProviderSync, or3cloud.ProviderAuth} {
		if d := i.Database(kind); d != nil {
			faults := d.Faults
			if d.State == or3cloud.DatabaseDamaged {
				faults = max(faults, 1)
			}
			out = append(out, adminevent.Fault{
				ID: string(kind), State: damaged, Faults: faults, Message: "The database is damaged; the log of the server says where",
			})
		}
	}
	if state := i.Integrity(); state != nil {
		out = append(out, adminevent.Fault{
			ID: string(or3cloud.ProviderStorage), State: damaged, Faults: state.Damaged,
			Message: "Stored files are damaged; the log of the server says which, and or3-cloud fsck",
		})
	}
	if f := i.past.Load(); f != nil {
		out = append(out, *f)
	}
	return out
}

// Told records that administrators are certain to be told of a fault.
func (i *Instance) Told(f adminevent.Fault) {
	if f.State != failed || i.opt.DataDir == "" {
		return
	}
	i.past.Store(nil)
	if err := os.Remove(filepath.Join(i.opt.DataDir, faultFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		i.opt.Log.Warn("the record of an error could not be removed; administrators will be told about it again", "error", err)
	}
}

// readFault reads the fault that an earlier process recorded.
func (i *Instance) readFault() {
	if i.opt.DataDir == "" {
		return
	}
	text, err := os.ReadFile(filepath.Join(i.opt.DataDir, faultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	f := &adminevent.Fault{}
	if err == nil {
		err = json.Unmarshal(text, f)
	}
	if err != nil {
		i.opt.Log.Warn("the record of an error could not be read", "error", err)
		return
	}
	i.past.Store(f)
}

// writeFault records which store has failed, if one has. It is the last thing that happens before the program restarts.
func (i *Instance) writeFault() {
	kind := i.failedKind.Swap(nil)
	if kind == nil || i.opt.DataDir == "" {
		return
	}
	text, err := json.Marshal(adminevent.Fault{
		ID: string(*kind), State: failed, Faults: 1,
		Message: fmt.Sprintf("The disk did not confirm a write of the store on %s, so the server restarted; its log has the error",
			i.opt.Now().UTC().Format(time.RFC3339)),
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(i.opt.DataDir, faultFile), text, 0o600)
	}
	if err != nil {
		i.opt.Log.Warn("administrators will not be told about the error", "error", err)
	}
}
