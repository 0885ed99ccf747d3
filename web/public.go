package web

import (
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/setting"
)

// public is what the client is told of this server, as it is merged into the public part of the client's own
// configuration (contract, host-integration §7). What the server decides is always said. What only the look of the
// client depends on is said if someone has set it here; otherwise what the client was built with stays. There is no
// secret in it, and nothing of a session.
func public(cfg or3cloud.Config, plan instance.Plan) map[string]any {
	models, _ := completions.Configured(cfg) // what is wrong was said at the start
	served := plan.Auth.On && models.Served()
	values := object{
		"ssrAuthEnabled":     plan.Auth.On,
		"authProvider":       plan.Auth.ID,
		"guestAccessEnabled": cfg.Bool(setting.GuestAccess),
		"registrationMode":   setting.Registration(cfg),
		"lockPage":           object{"enabled": cfg.Bool(setting.LockPage)},
		"sync":               object{"enabled": plan.SyncServed, "provider": plan.Sync.ID},
		"storage":            object{"enabled": plan.Storage.On, "provider": plan.Storage.ID, "allowAnyFileType": cfg.Bool(setting.AllowAnyFileType)},
		"limits": object{
			"enabled":           cfg.Bool(setting.LimitsEnabled),
			"requestsPerMinute": cfg.Int(setting.RequestsPerMinute),
			"maxConversations":  cfg.Int(setting.MaxConversations),
			"maxMessagesPerDay": cfg.Int(setting.MaxMessagesPerDay),
		},
		// Where chats do not go through this server, they go from the browser to OpenRouter with the user's own key.
		"openRouter": object{
			"hasInstanceKey":    served && models.Offered(),
			"allowUserOverride": !served || cfg.Bool(setting.OpenRouterOverride),
			"requireUserKey":    served && cfg.Bool(setting.OpenRouterUserKey),
		},
		"backgroundStreaming": object{"enabled": served && plan.SyncServed && cfg.Bool(setting.BackgroundEnabled)},
		"connect":             object{"enabled": false},
		"webhooks":            object{"enabled": plan.SyncServed && cfg.Bool(setting.WebhooksEnabled)},
		"admin":               object{"basePath": cfg.String(setting.AdminBasePath), "disableNonCorePlugins": true},
		"or3":                 object{"limits": object{"maxCloudFileSizeBytes": cfg.Int(setting.MaxFileSize)}},
	}
	set := func(name string, path ...string) {
		if text := cfg.String(name); text != "" {
			put(values, text, path...)
		}
	}
	set(setting.LockPageAdapter, "lockPage", "adapter")
	set(setting.OpenRouterURL, "openRouter", "baseUrl")
	set(setting.SiteName, "branding", "appName")
	set(setting.LogoURL, "branding", "logoUrl")
	set(setting.DefaultTheme, "branding", "defaultTheme")
	set(setting.SiteName, "or3", "site", "name")
	set(setting.LogoURL, "or3", "site", "logoUrl")
	set(setting.DefaultTheme, "or3", "site", "defaultTheme")
	for _, parent := range [][]string{{"legal"}, {"or3", "legal"}} {
		set(setting.TermsURL, slices.Concat(parent, []string{"termsUrl"})...)
		set(setting.PrivacyURL, slices.Concat(parent, []string{"privacyUrl"})...)
	}
	return values
}

// object is one of the configuration.
type object = map[string]any

// put puts a value at a path, and makes the objects on the way.
func put(into object, value any, path ...string) {
	for _, key := range path[:len(path)-1] {
		next, ok := into[key].(object)
		if !ok {
			next = object{}
			into[key] = next
		}
		into = next
	}
	into[path[len(path)-1]] = value
}
