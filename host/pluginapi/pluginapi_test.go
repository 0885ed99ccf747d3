package pluginapi_test

import (
	"testing"

	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/pluginapi"
)

// The revision never changes while nothing else does: clients reload plugins when it does.
func TestTheManifestIsTheEmptyOne(t *testing.T) {
	const want = `{"workspaceId":null,"enabledPluginIds":[],"installedPluginIds":[],"runtime":{},"revision":"12abba9d6e36b9a0bcd54bc62181f76c548ad5d0"}`
	for range 2 {
		w := hosttest.Do(t, pluginapi.New(pluginapi.Options{}).Routes(), "GET", "/api/plugins/runtime-manifest", "")
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
}

func TestPluginsOfTheClientAreAllowed(t *testing.T) {
	for target, want := range map[string]string{
		"/api/plugins/access?pluginId=core:tasks": `{"allowed":true,"reasons":[],"effectivePolicy":{"authRequired":false,"requiredEntitlements":[],"requiredWorkspaceRoles":[],"mode":"all"}}`,
		"/api/plugins/access":                     "", "/api/plugins/access?pluginId=": "",
	} {
		w := hosttest.Do(t, pluginapi.New(pluginapi.Options{}).Routes(), "GET", target, "")
		if want == "" && w.Code != 400 || want != "" && (w.Code != 200 || w.Body.String() != want) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}
