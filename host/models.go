package host

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/host/internal/lineage"
	"or3.chat/cloud/host/streamapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/setting"
)

// models returns the endpoint that asks model servers; nil where browsers ask OpenRouter themselves (6.1).
func (h *Host) models(run *running, p *instance.Providers) (_ api, err error) {
	cfg := h.config
	upstreams, _ := completions.Configured(cfg) // problems were reported at the start
	if !upstreams.Served() {
		return nil, nil
	}
	run.models = completions.NewClient(completions.Options{
		Header: httpapi.Duration(cfg.Int(setting.ModelPatience), time.Millisecond),
		Idle:   httpapi.Duration(cfg.Int(setting.ModelIdle), time.Millisecond),
	})
	o := streamapi.Options{
		Host: h, Limits: h.limits, Upstreams: upstreams, Client: run.models, Total: h.answers,
		OwnKeys: cfg.Bool(setting.OpenRouterOverride), OwnKeysOnly: cfg.Bool(setting.OpenRouterUserKey), Log: h.log,
	}
	if run.webhooks != nil {
		o.Completions = instance.Ability[or3cloud.WebhookQueue](p, or3cloud.ProviderSync)
	}
	if cfg.Bool(setting.LimitsEnabled) {
		o.PerMinute, o.PerDay = int(cfg.Int(setting.RequestsPerMinute)), int(cfg.Int(setting.MaxMessagesPerDay))
	}
	if run.answers, run.lineage, err = h.makeAnswers(run, p, upstreams); err != nil {
		return nil, err
	}
	o.Answers = run.answers
	return streamapi.New(o), nil
}

// makeAnswers returns the engine of background answers, and the tools that it calls; nil if that is switched off, or if
// the sync provider cannot keep the jobs.
func (h *Host) makeAnswers(run *running, p *instance.Providers, upstreams *completions.Upstreams) (*answers.Engine, *lineage.Tools, error) {
	cfg, made := h.config, h.instance.Options()
	store := instance.Ability[answers.Store](p, or3cloud.ProviderSync)
	history := instance.Ability[or3cloud.GenerationHistory](p, or3cloud.ProviderSync)
	if p.Sync == nil || !cfg.Bool(setting.BackgroundEnabled) {
		return nil, nil, nil
	}
	if store == nil || history == nil {
		h.log.Warn("the sync provider does not keep background answers", "setting", setting.BackgroundEnabled)
		return nil, nil, nil
	}
	key, err := made.Secret(setting.BackgroundKey)
	if err != nil {
		return nil, nil, err
	}
	most := min(cfg.Int(setting.BackgroundJobs), int64(h.inBackground))
	if wanted := cfg.Int(setting.BackgroundJobs); most < wanted {
		h.log.Warn("the memory limit has room for fewer background answers than are allowed", "setting", setting.BackgroundJobs, "allowed", wanted, "held", most)
	}
	reader := instance.Ability[or3cloud.ChatHistoryReader](p, or3cloud.ProviderSync)
	var read *lineage.Tools
	var tools answers.Tools
	if reader != nil {
		if read, err = lineage.New(reader, made.Rand, h.now); err != nil {
			return nil, nil, err
		}
		tools = read
	}
	engine, err := answers.New(answers.Options{
		Store: store, History: history, Reader: reader, Tools: tools,
		Notifier: instance.Ability[or3cloud.Notifier](p, or3cloud.ProviderSync), Upstreams: upstreams, Client: run.models, Key: key,
		MayWrite: func(ctx context.Context, userID, workspaceID string) (bool, error) {
			return h.may(ctx, run, p, or3cloud.PermWorkspaceWrite, userID, workspaceID)
		},
		Most: int(most), MostOfUser: int(min(cfg.Int(setting.BackgroundPerUser), most)),
		Timeout: httpapi.Duration(cfg.Int(setting.BackgroundTimeout), time.Second),
		Log:     h.log, Now: h.now, Rand: made.Rand,
	})
	return engine, read, err
}
