//go:build otlp

package otlp

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// options say where metrics go.
type options struct {
	endpoint string // the base URL of the collector; empty sends nothing
	headers  map[string]string
	interval time.Duration // between two requests
	version  string        // of the program
}

// configured are the options of a configuration, whose headers were checked when it was read.
func configured(cfg or3cloud.Config, version string) options {
	headers, _ := setting.OTLPHeaderMap(cfg.String(setting.OTLPHeaders))
	return options{
		endpoint: cfg.String(setting.OTLPEndpoint), headers: headers, version: version,
		interval: time.Duration(cfg.Int(setting.OTLPInterval)) * time.Millisecond,
	}
}
