// Package or3cloud holds the contracts of OR3 Cloud, the self-hosted cloud for OR3 Chat: the interfaces that
// providers implement, the values that travel through them, the one authorization gate and the typed errors.
// It imports the standard library only and knows neither HTTP routes nor SQL nor files.
//
// How the packages relate, each knowing only what is to its right:
//
//	cmd/or3-cloud → program → host → or3cloud ← providers/{basicauth,sqlite,fs}
//
// A provider package exports Register(*Registry) error. The host looks the configured ids up in the Registry,
// opens the providers that they name and serves the endpoints of the wire contract on top of them. Abilities
// beyond the minimum are small extra interfaces (Snapshotter, SyncCollector, ReferenceClaimer, …) that the host
// finds by type assertion; there is no method that answers "not supported".
//
// Package providertest has the conformance suites that every implementation must pass.
package or3cloud
