package host

import (
	"fmt"
	"slices"
	"strings"

	"or3.chat/cloud/host/adminapi"
)

// adminStall is a request for an endpoint of the administration that changes something, below both of its prefixes.
type adminStall struct {
	// route is its method and path below the prefixes.
	route string
	// needs is super for those of the super administrator, adminOwner for those that owners of the addressed workspace
	// may call as well, and no one for those that nothing depends on.
	needs needs
	// credentials says that deployment administrators are not super administrators there, on our own pages either.
	credentials bool
	// ours says that it is below the prefix of our own pages alone.
	ours bool
	want int
	// path replaces what stands for ids in the route.
	path func(*scene) string
	body func(*scene) string
}

// adminStalls has a row for every one.
var adminStalls = []adminStall{
	{route: "POST auth/login"}, {route: "POST auth/logout"},
	{route: "POST auth/change-password", needs: super, credentials: true, want: 400, body: func(*scene) string {
		return fmt.Sprintf(`{"currentPassword":%q,"newPassword":"weak"}`, adminPassword)
	}},

	{route: "POST workspaces", needs: super, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"name":"a stalled one","ownerUserId":%q}`, s.owner.user)
	}},
	{route: "POST workspaces/:id/soft-delete", needs: super, want: 200, path: func(s *scene) string { return "workspaces/" + s.spare + "/soft-delete" }},
	{route: "POST workspaces/:id/restore", needs: super, want: 200, path: func(s *scene) string { return "workspaces/" + s.spare + "/restore" }},
	{route: "POST workspaces/soft-delete", needs: super, want: 400},
	{route: "POST workspaces/restore", needs: super, want: 400},
	{route: "POST workspace/guest-access/set", needs: adminOwner, want: 200, body: about(func(*scene) string { return `"enabled":true` })},
	{route: "POST workspace/members/upsert", needs: adminOwner, want: 200, body: about(func(s *scene) string {
		return fmt.Sprintf(`"emailOrProviderId":%q,"role":"owner"`, s.owner.user)
	})},
	{route: "POST workspace/members/set-role", needs: adminOwner, want: 200, body: about(func(s *scene) string {
		return fmt.Sprintf(`"userId":%q,"role":"owner"`, s.owner.user)
	})},
	{route: "POST workspace/members/remove", needs: adminOwner, want: 404, body: about(func(*scene) string { return `"userId":"none"` })},
	{route: "POST workspace/invites/create", needs: adminOwner, want: 409, // registration is open
		body: about(func(*scene) string { return `"email":"guest@example.test"` })},
	{route: "POST workspace/invites/revoke", needs: adminOwner, want: 404, body: about(func(*scene) string { return `"inviteId":"none"` })},
	{route: "POST admin-users/grant", needs: super, want: 200, body: func(s *scene) string { return fmt.Sprintf(`{"userId":%q}`, s.owner.user) }},
	{route: "POST admin-users/revoke", needs: super, want: 200, body: func(s *scene) string { return fmt.Sprintf(`{"userId":%q}`, s.owner.user) }},
	{route: "POST plugins/workspace-enable", needs: adminOwner, want: 200, body: about(func(*scene) string { return `"pluginId":"a","enabled":true` })},
	{route: "POST plugins/workspace-settings", needs: adminOwner, want: 200, body: about(func(*scene) string { return `"pluginId":"a","settings":{}` })},
	{route: "POST extensions/install", needs: super, want: 501},
	{route: "POST extensions/uninstall", needs: super, want: 501},
	{route: "POST system/config/write", needs: super, want: 501, body: func(*scene) string {
		return `{"entries":[{"key":"OR3_SITE_NAME","value":"stalled"}]}`
	}},
	{route: "POST system/provider-action", needs: super, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"kind":"sync","actionId":"sync.gc-tombstones","workspaceId":%q}`, s.shared)
	}},
	{route: "POST system/restart", needs: super, want: 501},
	{route: "POST system/rebuild-restart", needs: super, want: 501},
	{route: "POST update/check", needs: super, want: 200},
	{route: "POST update/preview", needs: super, want: 501},
	{route: "POST update/start", needs: super, want: 400},
	{route: "POST webhooks", needs: super, want: 200, body: func(*scene) string {
		return `{"url":"http://127.0.0.1:1/","events":["admin.plugin.enabled"]}`
	}},
	{route: "PATCH webhooks/:id", needs: super, want: 200, path: adminHook(""), body: func(*scene) string { return `{"label":"a stalled name"}` }},
	{route: "POST webhooks/:id/toggle", needs: super, want: 200, path: adminHook("/toggle")},
	{route: "POST webhooks/:id/test", needs: super, want: 200, path: adminHook("/test")},
	{route: "PUT log/level", ours: true, needs: super, want: 501, body: func(*scene) string { return `{"level":"info"}` }},
	{route: "POST accounts", ours: true, needs: super, want: 409, body: func(*scene) string { return `{"email":"none"}` }}, // links need an address
	{route: "POST accounts/:id/disable", ours: true, needs: super, want: 404, path: noAccount("disable")},
	{route: "POST accounts/:id/enable", ours: true, needs: super, want: 404, path: noAccount("enable")},
	{route: "POST accounts/:id/reset-link", ours: true, needs: super, want: 409, path: noAccount("reset-link")},
	{route: "POST accounts/:id/reset-factors", ours: true, needs: super, want: 404, path: noAccount("reset-factors")},
	{route: "POST accounts/:id/excuse-factor", ours: true, needs: super, want: 404, path: noAccount("excuse-factor"),
		body: func(*scene) string { return `{"seconds":60}` }},
	{route: "POST accounts/:id/revoke-sessions", ours: true, needs: super, want: 404, path: noAccount("revoke-sessions"),
		body: func(*scene) string { return `{"session":""}` }},
	{route: "POST accounts/:id/delete", ours: true, needs: super, want: 404, path: noAccount("delete")},
	{route: "POST jobs/:id/abort", ours: true, needs: super, want: 404, path: func(*scene) string { return "jobs/none/abort" }},
	{route: "DELETE webhooks/:id", needs: super, want: 404, path: func(*scene) string { return "webhooks/unknown" }},
}

// noAccount is the path of what is done to an account that is not there.
func noAccount(what string) func(*scene) string {
	return func(*scene) string { return "accounts/none/" + what }
}

// adminHook is the path of what the administrators' webhook of a scene has.
func adminHook(rest string) func(*scene) string {
	return func(s *scene) string { return "webhooks/" + s.adminHook + rest }
}

// about is a body about the shared workspace.
func about(members func(*scene) string) func(*scene) string {
	return func(s *scene) string { return fmt.Sprintf(`{"workspaceId":%q,%s}`, s.shared, members(s)) }
}

// allStalls are those of the administration, by everyone who may send them, and all others. Those come last, because
// they end the account.
func allStalls() (all []stall) {
	for _, row := range adminStalls {
		method, path, _ := strings.Cut(row.route, " ")
		one := func(prefix string, needs needs) {
			c := stall{route: method + " " + prefix + path, needs: needs, want: row.want, body: row.body, more: fromOurPage}
			if row.path != nil {
				c.path = func(s *scene) string { return prefix + row.path(s) }
			}
			if needs == super {
				c.as = func(s *scene) *person { return s.super }
			}
			all = append(all, c)
		}
		if !row.ours {
			one(adminapi.Prefix, row.needs)
		}
		if row.needs == adminOwner {
			one(adminapi.Prefix, super)
		}
		if row.needs == anyone {
			one(adminapi.OwnPrefix, anyone)
			continue
		}
		if one(adminapi.OwnPrefix, super); !row.credentials {
			one(adminapi.OwnPrefix, admin)
		}
	}
	return slices.Concat(all, stalls)
}

// fromOurPage are the headers of a page of ours for administrators.
func fromOurPage(s *scene) string {
	return "Origin: http://" + s.host + "\r\nX-Or3-Admin-Intent: admin\r\n"
}
