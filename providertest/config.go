package providertest

import (
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
)

// Config returns the configuration that a program with a provider would read from an environment: with defaults, and
// parsed as its settings say. It fails the test if the provider cannot be registered.
func Config(t testing.TB, register func(*or3cloud.Registry) error, environ ...string) or3cloud.Config {
	t.Helper()
	var registry or3cloud.Registry
	if err := register(&registry); err != nil {
		t.Fatal(err)
	}
	catalogue, err := config.NewCatalogue(&registry)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, _ := config.Load(catalogue, config.Sources{Environ: environ})
	return cfg
}
