package web

import (
	"fmt"
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/csp"
	"or3.chat/cloud/internal/origin"
	"or3.chat/cloud/setting"
)

// openRouter is where people sign in with OpenRouter and where their keys are good.
const openRouter = "https://openrouter.ai"

// policies makes the Content-Security-Policy of a client's pages. A nil one makes none.
type policies struct {
	further csp.Policy
}

// newPolicies returns what the configuration says of policies, nil if they are switched off.
func newPolicies(cfg or3cloud.Config) (*policies, error) {
	if !cfg.Bool(setting.CSP) {
		return nil, nil
	}
	further, err := csp.Parse(cfg.String(setting.CSPSources))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting.CSPSources, err)
	}
	return &policies{further}, nil
}

// of returns the policy of a page: it may run the scripts with the hashes that stand in it and those that are files of
// this server, and talk to this server and to where its user's own key is good. Images of answers come from anywhere by
// HTTPS. Styles are written into elements by the client; wasm says that it brings programs in WebAssembly.
func (p *policies) of(hashes []string, wasm bool, openRouterURL string) string {
	if p == nil {
		return ""
	}
	scripts := slices.Concat([]string{"'self'"}, hashes)
	if wasm {
		scripts = append(scripts, "'wasm-unsafe-eval'")
	}
	connect := []string{"'self'", "data:", "blob:", openRouter}
	if o, ok := origin.Parse(openRouterURL); ok && o.String() != openRouter {
		connect = append(connect, o.String())
	}
	policy := csp.Policy{
		{Name: "default-src", Sources: []string{"'self'"}},
		{Name: "script-src", Sources: scripts},
		{Name: "style-src", Sources: []string{"'self'", "'unsafe-inline'"}},
		{Name: "img-src", Sources: []string{"'self'", "data:", "blob:", "https:"}},
		{Name: "media-src", Sources: []string{"'self'", "data:", "blob:"}},
		{Name: "font-src", Sources: []string{"'self'", "data:"}},
		{Name: "connect-src", Sources: connect},
		{Name: "worker-src", Sources: []string{"'self'", "blob:"}},
		{Name: "frame-src", Sources: []string{"'self'", "blob:"}},
		{Name: "object-src", Sources: []string{"'none'"}},
		{Name: "base-uri", Sources: []string{"'self'"}},
		{Name: "form-action", Sources: []string{"'self'"}},
		{Name: "frame-ancestors", Sources: []string{"'self'"}},
	}
	return policy.With(p.further).String()
}
