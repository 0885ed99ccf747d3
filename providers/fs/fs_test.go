package fs

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providertest"
	"or3.chat/cloud/setting"
)

// settings is a configuration with text values.
type settings map[string]string

func (s settings) String(name string) string { return s[name] }

func (s settings) Int(name string) int64 {
	n, err := strconv.ParseInt(s[name], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("setting %s: %v", name, err))
	}
	return n
}

func (s settings) Bool(name string) bool     { return s[name] == "true" }
func (s settings) List(name string) []string { return strings.Split(s[name], ",") }

func defaults() settings {
	return settings{
		settingTTL: "900", settingGC: "86400", setting.StorageGCRetention: fmt.Sprint(int64(providertest.StorageRetention / time.Second)),
	}
}

func provider(t *testing.T) or3cloud.Provider {
	t.Helper()
	var registry or3cloud.Registry
	if err := Register(&registry); err != nil {
		t.Fatal(err)
	}
	p, _ := registry.Lookup(ID)
	return p
}

func TestConformance(t *testing.T) {
	providertest.TestStorage(t, func(t *testing.T, env or3cloud.Env) *or3cloud.Instance {
		env.Config = defaults()
		inst, err := provider(t).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { inst.Close() })
		return inst
	})
}
