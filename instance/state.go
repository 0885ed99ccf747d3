package instance

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/diskspace"
)

// pause is how long clients wait after they find the instance closed.
const pause = time.Second

// Enter lets a request in until Leave is called. Once a shutdown has begun it returns false, and Leave must not be
// called.
func (i *Instance) Enter() bool { return i.gate.enter() }

// Leave ends the request that Enter let in.
func (i *Instance) Leave() { i.gate.leave() }

// Drain begins a shutdown: no more requests enter. The channel closes when the last one has left.
func (i *Instance) Drain() <-chan struct{} { return i.gate.close() }

// Closing returns a channel that closes when a shutdown begins. Anything without an end of its own, such as a stream,
// must end then.
func (i *Instance) Closing() <-chan struct{} { return i.gate.closing }

// ShuttingDown reports whether a shutdown has begun.
func (i *Instance) ShuttingDown() bool { return i.gate.isClosed() }

// Ready reports whether all providers are open and able to continue.
func (i *Instance) Ready() bool {
	return i.providers.Load() != nil && !i.gate.isClosed() && !i.failed.Load()
}

// Unavailable returns the error that explains why the instance is not ready.
func (i *Instance) Unavailable() error {
	why := "The server is starting"
	switch {
	case i.gate.isClosed():
		why = "The server is shutting down"
	case i.failed.Load():
		why = "The server is about to restart"
	}
	return or3cloud.Unavailable(nil, why, pause)
}

// Disk returns how much space the providers' disks have, or nil if none is watched.
func (i *Instance) Disk() *diskspace.Report { return i.space.Report() }

// Maintenance returns what the sync provider's background maintenance is doing, or nil if unknown.
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

// Integrity returns the integrity of the stored files, or nil if unknown.
func (i *Instance) Integrity() *or3cloud.IntegrityState {
	reporter := Ability[or3cloud.IntegrityReporter](i.Providers(), or3cloud.ProviderStorage)
	if reporter == nil {
		return nil
	}
	state := reporter.IntegrityState()
	return &state
}

// Database returns the integrity of the database of the provider in a role, or nil if unknown.
func (i *Instance) Database(kind or3cloud.ProviderKind) *or3cloud.DatabaseState {
	d := Ability[or3cloud.DatabaseIntegrity](i.Providers(), kind)
	if d == nil {
		return nil
	}
	state := d.DatabaseState()
	return &state
}
