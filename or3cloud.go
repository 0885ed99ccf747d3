// Package or3cloud holds the contracts of OR3 Cloud, the self-hosted cloud for OR3 Chat: the interfaces that providers
// implement, the values that they exchange, the only authorization gate, and the typed errors. It imports only the
// standard library and knows nothing about HTTP routes, SQL or files.
//
// The packages depend on each other like this, each importing only what is to its right:
//
//	cmd/or3-cloud → program → host → or3cloud ← providers/{basicauth,sqlite,fs}
//
// A provider package exports Register(*Registry) error. The host looks up the configured ids in the Registry, opens the
// providers that they name, and serves the endpoints of the wire contract on top of them. Abilities beyond the minimum
// are small extra interfaces (Snapshotter, SyncCollector, ReferenceClaimer, …) that the host finds by type assertion.
// No method answers "not supported".
//
// Package providertest holds the conformance suites that every implementation must pass.
package or3cloud
