package instance

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/diskspace"
)

// pause is how long whoever finds the instance closed stays away.
const pause = time.Second

// Enter lets a request in, until Leave is called. It returns false, and Leave must not be called, from the beginning of a
// shutdown on.
func (i *Instance) Enter() bool { return i.gate.enter() }

// Leave ends what Enter has let in.
func (i *Instance) Leave() { i.gate.leave() }

// Drain begins a shutdown: nobody is let in any more. The channel is closed when everybody has left.
func (i *Instance) Drain() <-chan struct{} { return i.gate.close() }

// Closing is closed when a shutdown begins: what is open without end, such as a stream, has to end then.
func (i *Instance) Closing() <-chan struct{} { return i.gate.closing }

// ShuttingDown reports whether a shutdown has begun.
func (i *Instance) ShuttingDown() bool { return i.gate.isClosed() }

// Ready reports whether the providers are open and all of them can go on.
func (i *Instance) Ready() bool {
	return i.providers.Load() != nil && !i.gate.isClosed() && !i.failed.Load()
}

// Unavailable is the error for whoever finds the instance not ready. It says why.
func (i *Instance) Unavailable() error {
	why := "The server is starting"
	switch {
	case i.gate.isClosed():
		why = "The server is shutting down"
	case i.failed.Load():
		why = "The server is about to start again"
	}
	return or3cloud.Unavailable(nil, why, pause)
}

// Disk returns how much room there is on the disks of the providers; nil if nothing is watched.
func (i *Instance) Disk() *diskspace.Report { return i.space.Report() }

// Maintenance returns what the sync provider's background maintenance is doing; nil when it is not known.
func (i *Instance) Maintenance() *or3cloud.MaintenanceState {
	if !i.plan.SyncServed {
		return nil
	}
	upkeep := Ability[or3cloud.MaintenanceReporter](i.Providers(), or3cloud.ProviderSync)
	if upkeep == nil {
		return nil
	}
	state := upkeep.MaintenanceState()
	return &state
}

// Integrity returns how sound the stored files are; nil when it is not known.
func (i *Instance) Integrity() *or3cloud.IntegrityState {
	reporter := Ability[or3cloud.IntegrityReporter](i.Providers(), or3cloud.ProviderStorage)
	if reporter == nil {
		return nil
	}
	state := reporter.IntegrityState()
	return &state
}

// Database returns how sound the database of the provider in a role is; nil where it is not known.
func (i *Instance) Database(kind or3cloud.ProviderKind) *or3cloud.DatabaseState {
	d := Ability[or3cloud.DatabaseIntegrity](i.Providers(), kind)
	if d == nil {
		return nil
	}
	state := d.DatabaseState()
	return &state
}
