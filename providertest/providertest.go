// Package providertest holds the conformance suites of the provider contracts. Each takes a constructor of new, empty
// providers and is called in three lines from a provider's own tests; the host can trust a provider that passes. A bug
// found in one provider becomes a case here before it is fixed.
package providertest
