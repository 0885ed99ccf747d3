package host

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/host/webhookapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/webhook"
	"or3.chat/cloud/setting"
)

// webhooks makes the engine of the webhooks and returns the endpoints of members and of administrators; nil if webhooks
// are off, or if the sync provider keeps none.
func (h *Host) webhooks(run *running, p *instance.Providers) (ofMembers, ofAdmins *webhookapi.API, err error) {
	cfg, made := h.config, h.instance.Options()
	store := instance.Ability[or3cloud.WebhookStore](p, or3cloud.ProviderSync)
	queue := instance.Ability[or3cloud.WebhookQueue](p, or3cloud.ProviderSync)
	if p.Sync == nil || !cfg.Bool(setting.WebhooksEnabled) || store == nil || queue == nil {
		return nil, nil, nil
	}
	key, err := made.Secret(setting.WebhooksKey)
	if err != nil {
		return nil, nil, err
	}
	admins := instance.Ability[adminevent.Queue](p, or3cloud.ProviderSync)
	allow := webhook.Anywhere
	if cfg.Bool(setting.WebhooksBlockPrivateIPs) {
		allow = webhook.Public
	}
	retention := httpapi.Duration(cfg.Int(setting.WebhooksLogHours), time.Hour)
	run.webhooks, err = webhook.New(webhook.Options{
		Queue: queue, Admins: admins, Faults: h.instance, Key: key, Allow: allow, HTTPS: made.Production,
		MayRead: func(ctx context.Context, userID, workspaceID string) (bool, error) {
			return h.may(ctx, run, p, or3cloud.PermWorkspaceRead, userID, workspaceID)
		},
		PerMinute: int(cfg.Int(setting.WebhooksPerMinute)), Timeout: httpapi.Duration(cfg.Int(setting.WebhooksTimeout), time.Millisecond),
		RetryWindow: httpapi.Duration(cfg.Int(setting.WebhooksRetryHours), time.Hour), Retention: retention,
		Log: h.log, Now: h.now, Rand: made.Rand,
	})
	if err != nil {
		return nil, nil, err
	}
	o := webhookapi.Options{
		Host: h, Store: store, Engine: run.webhooks, Most: int(cfg.Int(setting.WebhooksPerUser)), Retention: retention,
		Limits: h.limits, Now: h.now,
	}
	ofMembers = webhookapi.New(o)
	if admins != nil {
		o.Most = int(cfg.Int(setting.WebhooksOfAdmins))
		ofAdmins = webhookapi.NewAdmin(o)
	}
	return ofMembers, ofAdmins, nil
}

// may asks Can whether a user may do something in a workspace now, without a request: the membership is read again, and
// no account of the user may be switched off.
func (h *Host) may(ctx context.Context, run *running, p *instance.Providers, permission or3cloud.Permission, userID, workspaceID string) (bool, error) {
	role, err := run.role(ctx, userID, workspaceID)
	if err != nil {
		return false, err
	}
	s := or3cloud.SessionContext{
		Authenticated: true, User: or3cloud.SessionUser{ID: userID}, Workspace: or3cloud.SessionWorkspace{ID: workspaceID}, Role: role,
	}
	if !or3cloud.Can(&s, permission, or3cloud.WorkspaceResource(workspaceID), h.opt.Filters...).Allowed {
		return false, nil
	}
	accounts := instance.Ability[or3cloud.AccountAdmin](p, or3cloud.ProviderAuth)
	lister := instance.Ability[or3cloud.IdentityLister](p, or3cloud.ProviderSync)
	if accounts == nil || lister == nil {
		return true, nil
	}
	identities, err := lister.IdentitiesOf(ctx, userID)
	if err != nil {
		return false, err
	}
	for _, id := range identities {
		if id.Provider != h.instance.Plan().Auth.ID {
			continue // of a provider that was configured before
		}
		switch a, err := accounts.Account(ctx, id.ProviderUserID); {
		case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
			return false, nil
		case err != nil, a.Disabled:
			return false, err
		}
	}
	return true, nil
}
