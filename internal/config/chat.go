package config

import (
	"math"
	"slices"

	or3cloud "or3.chat/cloud"
)

// The groups of ChatSettings.
const (
	GroupChatFeatures   = "Features of OR3 Chat"
	GroupChatLooks      = "Looks of OR3 Chat"
	GroupChatLimits     = "Limits of OR3 Chat"
	GroupChatBackground = "Background work of OR3 Chat"
	GroupChatAdmin      = "Administration of OR3 Chat"
)

// ChatSettings returns the settings that OR3 Chat's own host reads from the same .env file and that administrators may
// change in the admin pages (contract, env, the marks W), although this program does not use them. A setting of the
// same name that this program declares stands for both.
func ChatSettings() []or3cloud.Setting {
	return []or3cloud.Setting{
		{
			Name: "OR3_LIMITS_STORAGE_PROVIDER", Settable: true, Group: GroupChatLimits, Label: "Store of rate limits",
			Help: "Where the server of OR3 Chat counts requests: convex, or memory.",
		},
		{
			Name: "OR3_MAX_FILE_SIZE_BYTES", Settable: true, Group: GroupChatLimits, Label: "Largest local file", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "20971520",
			Help: "Bytes of the largest file that the client takes.",
		},
		{
			Name: "OR3_MAX_FILES_PER_MESSAGE", Settable: true, Group: GroupChatLimits, Label: "Files per message", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "10",
			Help: "How many files the client takes with a message.",
		},
		{
			Name: "OR3_LOCAL_STORAGE_QUOTA_MB", Settable: true, Group: GroupChatLimits, Label: "Local storage", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64,
			Help: "Megabytes that the client keeps in the browser at most.",
		},

		{
			Name: "OR3_BACKGROUND_STREAMING_PROVIDER", Settable: true, Group: GroupChatBackground, Label: "Store of background answers",
			Help: "Where background answers are kept.",
		},

		{
			Name: "OR3_ADMIN_ALLOW_REBUILD", Settable: true, Group: GroupChatAdmin, Label: "Rebuild from the admin pages", Kind: or3cloud.KindBool, Default: "false",
			Help: "Let administrators have OR3 Chat built again. This server has nothing to build.",
		},
		{
			Name: "OR3_ADMIN_REBUILD_COMMAND", Settable: true, Group: GroupChatAdmin, Label: "Command that rebuilds", Default: "bun run build",
			Help: "What builds OR3 Chat. This server never runs it.",
		},
		{
			Name: "OR3_ADMIN_EXTENSION_MAX_ZIP_BYTES", Settable: true, Group: GroupChatAdmin, Label: "Largest extension", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "26214400",
			Help: "Bytes of the largest archive that can be installed.",
		},
		{
			Name: "OR3_ADMIN_EXTENSION_MAX_FILES", Settable: true, Group: GroupChatAdmin, Label: "Files of an extension", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "2000",
			Help: "How many files an extension may have.",
		},
		{
			Name: "OR3_ADMIN_EXTENSION_MAX_TOTAL_BYTES", Settable: true, Group: GroupChatAdmin, Label: "Largest unpacked extension", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "209715200",
			Help: "Bytes of all files of an extension together.",
		},
		{
			Name: "OR3_ADMIN_EXTENSION_ALLOWED_EXTENSIONS", Settable: true, Group: GroupChatAdmin, Label: "File names of an extension",
			Help: "Suffixes that files of an extension may have, separated by commas.",
		},

		{
			Name: "OR3_SITE_DESCRIPTION", Settable: true, Group: GroupChatLooks, Label: "Description",
			Help: "What the client says of itself to search engines.",
		},
		{
			Name: "OR3_FAVICON_URL", Settable: true, Group: GroupChatLooks, Label: "Small icon",
			Help: "Address of the icon that browsers show in tabs.",
		},
		{
			Name: "OR3_WORKFLOWS_ENABLED", Settable: true, Group: GroupChatFeatures, Label: "Workflows", Kind: or3cloud.KindBool, Default: "true",
			Help: "Offer workflows.",
		},
		{
			Name: "OR3_WORKFLOWS_EDITOR", Settable: true, Group: GroupChatFeatures, Label: "Editor of workflows", Kind: or3cloud.KindBool, Default: "true",
			Help: "Offer the editor of workflows.",
		},
		{
			Name: "OR3_WORKFLOWS_SLASH_COMMANDS", Settable: true, Group: GroupChatFeatures, Label: "Workflows by commands", Kind: or3cloud.KindBool, Default: "true",
			Help: "Let workflows be started by commands in a message.",
		},
		{
			Name: "OR3_WORKFLOWS_EXECUTION", Settable: true, Group: GroupChatFeatures, Label: "Execution of workflows", Kind: or3cloud.KindBool, Default: "true",
			Help: "Let workflows run.",
		},
		{
			Name: "OR3_DOCUMENTS_ENABLED", Settable: true, Group: GroupChatFeatures, Label: "Documents", Kind: or3cloud.KindBool, Default: "true",
			Help: "Offer documents.",
		},
		{
			Name: "OR3_BACKUP_ENABLED", Settable: true, Group: GroupChatFeatures, Label: "Export of data", Kind: or3cloud.KindBool, Default: "true",
			Help: "Let users export and import their data.",
		},
		{
			Name: "OR3_MENTIONS_ENABLED", Settable: true, Group: GroupChatFeatures, Label: "Mentions", Kind: or3cloud.KindBool, Default: "true",
			Help: "Offer mentions in messages.",
		},
		{
			Name: "OR3_MENTIONS_DOCUMENTS", Settable: true, Group: GroupChatFeatures, Label: "Mentions of documents", Kind: or3cloud.KindBool, Default: "true",
			Help: "Let messages mention documents.",
		},
		{
			Name: "OR3_MENTIONS_CONVERSATIONS", Settable: true, Group: GroupChatFeatures, Label: "Mentions of conversations", Kind: or3cloud.KindBool, Default: "true",
			Help: "Let messages mention conversations.",
		},
		{
			Name: "OR3_DASHBOARD_ENABLED", Settable: true, Group: GroupChatFeatures, Label: "Dashboard", Kind: or3cloud.KindBool, Default: "true",
			Help: "Offer the dashboard.",
		},
		{
			Name: "OR3_DEFAULT_PANE_COUNT", Settable: true, Group: GroupChatLooks, Label: "Panes at the start", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "1",
			Help: "How many panes the client begins with.",
		},
		{
			Name: "OR3_MAX_PANES", Settable: true, Group: GroupChatLooks, Label: "Panes", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "4",
			Help: "How many panes the client shows at most.",
		},
		{
			Name: "OR3_SIDEBAR_COLLAPSED", Settable: true, Group: GroupChatLooks, Label: "Collapsed sidebar", Kind: or3cloud.KindBool, Default: "false",
			Help: "Begin with the sidebar collapsed.",
		},
	}
}

func isChatSetting(name string) bool {
	return slices.ContainsFunc(ChatSettings(), func(s or3cloud.Setting) bool { return s.Name == name })
}
