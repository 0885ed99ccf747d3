// Package settable is the configuration as administrators see and change it in the admin pages: which settings these
// are (contract, workspaces-and-admin §9), what the .env file contains of them, and how it is changed without ever
// leaving a file that a server cannot start with.
package settable

import (
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/setting"
)

// Group is a chapter of the admin pages.
type Group string

// The groups, as named on the wire.
const (
	GroupAuth       Group = "Auth"
	GroupSync       Group = "Sync"
	GroupStorage    Group = "Storage"
	GroupUI         Group = "UI & Branding"
	GroupFeatures   Group = "Features"
	GroupLimits     Group = "Limits & Security"
	GroupBackground Group = "Background Processing"
	GroupAdmin      Group = "Admin"
	GroupServices   Group = "External Services"
)

// ValueType is the kind of input field for a value.
type ValueType string

// The types.
const (
	TypeString  ValueType = "string"
	TypeBoolean ValueType = "boolean"
	TypeNumber  ValueType = "number"
)

// Key is a variable that administrators may see and change.
type Key struct {
	// Name is the name of the setting, or its alias.
	Name    string
	Setting or3cloud.Setting
	Group   Group
	// Order is the position among all keys, from 1.
	Order int
	// Here reports that this program reads it. Others are OR3 Chat's own.
	Here bool
}

// groups maps the host's settings to their groups, by setting group or, where that is too coarse, by name.
var groups = map[string]Group{
	setting.GroupLimits: GroupLimits, setting.GroupNetwork: GroupLimits, setting.GroupStart: GroupLimits, setting.GroupClient: GroupUI,
	setting.GroupFiles: GroupStorage, setting.GroupWebhooks: GroupFeatures, setting.GroupMail: GroupServices, setting.GroupAdmin: GroupAdmin,
	setting.GroupFeatures: GroupAuth,
	setting.SyncEnabled:   GroupSync, setting.SyncProvider: GroupSync, setting.StorageEnabled: GroupStorage, setting.StorageProvider: GroupStorage,
	setting.GuestAccess: GroupAuth, setting.AdminBasePath: GroupAdmin, setting.GroupModels: GroupServices, setting.GroupAnswers: GroupBackground,

	config.GroupChatFeatures: GroupFeatures, config.GroupChatLooks: GroupUI, config.GroupChatLimits: GroupLimits,
	config.GroupChatBackground: GroupBackground, config.GroupChatAdmin: GroupAdmin,
}

// groupOf returns the group of one of the host's settings.
func groupOf(s or3cloud.Setting) Group {
	for _, by := range []string{s.Name, s.Group} {
		if g, ok := groups[by]; ok {
			return g
		}
	}
	return GroupServices
}

// groupOfProvider returns the group of a provider's settings: that of the first kind that it serves.
func groupOfProvider(p or3cloud.Provider) Group {
	if len(p.Serves) == 0 {
		return GroupServices
	}
	return map[or3cloud.ProviderKind]Group{
		or3cloud.ProviderAuth: GroupAuth, or3cloud.ProviderSync: GroupSync, or3cloud.ProviderStorage: GroupStorage,
	}[p.Serves[0]]
}

// keys returns all keys: the host's, those of the providers that are compiled in, and those of OR3 Chat's own host.
func keys(registry *or3cloud.Registry) (all []Key, err error) {
	withChat, err := setup.WithChat(registry)
	if err != nil {
		return nil, err
	}
	add := func(s or3cloud.Setting, g Group, here bool) {
		if !s.Settable {
			return
		}
		for _, name := range []string{s.Name, s.Alias} {
			if name != "" && !slices.ContainsFunc(all, func(k Key) bool { return k.Name == name }) {
				all = append(all, Key{Name: name, Setting: s, Group: g, Order: len(all) + 1, Here: here})
			}
		}
	}
	for _, s := range setting.Host() {
		add(s, groupOf(s), true)
	}
	for _, p := range withChat.Providers() {
		_, here := registry.Lookup(p.ID)
		for _, s := range p.Settings {
			add(s, groupOfProvider(p), here)
		}
	}
	for _, s := range config.ChatSettings() {
		add(s, groupOf(s), false)
	}
	return all, nil
}

// Label returns the key's name for people.
func (k Key) Label() string {
	if k.Name != k.Setting.Name {
		return k.Setting.Label + " (other name)"
	}
	return k.Setting.Label
}

// Description returns a sentence or two about the key.
func (k Key) Description() string {
	switch {
	case k.Name != k.Setting.Name:
		return "Another name of " + k.Setting.Name + ", which wins where both are set."
	case !k.Here:
		return k.Setting.Help + " Read by OR3 Chat's own host, not by this server."
	}
	return k.Setting.Help
}

// Type returns the kind of input field for its values.
func (k Key) Type() ValueType {
	switch k.Setting.Kind {
	case or3cloud.KindBool, or3cloud.KindFlag:
		return TypeBoolean
	case or3cloud.KindInt, or3cloud.KindPositive:
		return TypeNumber
	}
	return TypeString
}

// masks reports whether values are never shown: those of secrets, and of names that sound like secrets (contract,
// workspaces-and-admin §9).
func (k Key) masks() bool { return k.Setting.Secret || soundsSecret(k.Name) }

func soundsSecret(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"SECRET", "KEY", "TOKEN", "PASSWORD"}, func(word string) bool { return strings.Contains(name, word) })
}
