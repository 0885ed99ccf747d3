package host

import (
	"time"

	"or3.chat/cloud/host/streamapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/setting"
)

// models returns the endpoint that asks servers of models; nil if there is none that can be asked without a key of the user's. Browsers
// with one then go on asking OpenRouter themselves (6.1).
func (h *Host) models(run *running) api {
	cfg := h.config
	upstreams, _ := completions.Configured(cfg) // what is wrong was said at the start
	if !upstreams.Offered() {
		return nil
	}
	run.models = completions.NewClient(completions.Options{
		Header: httpapi.Duration(cfg.Int(setting.ModelPatience), time.Millisecond),
		Idle:   httpapi.Duration(cfg.Int(setting.ModelIdle), time.Millisecond),
	})
	o := streamapi.Options{
		Host: h, Limits: h.limits, Upstreams: upstreams, Client: run.models, Total: h.answers,
		OwnKeys: cfg.Bool(setting.OpenRouterOverride), OwnKeysOnly: cfg.Bool(setting.OpenRouterUserKey),
	}
	if cfg.Bool(setting.LimitsEnabled) {
		o.PerMinute, o.PerDay = int(cfg.Int(setting.RequestsPerMinute)), int(cfg.Int(setting.MaxMessagesPerDay))
	}
	return streamapi.New(o)
}
