// Package providertest holds the conformance suites of the provider contracts. Each takes a constructor of fresh,
// empty providers and is called in three lines from a provider's own tests; a provider that passes can be trusted by
// the host. A bug found in one provider becomes a case here before it is mended.
package providertest
