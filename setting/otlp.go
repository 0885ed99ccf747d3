package setting

import (
	"net/url"
	"strings"
)

// OTLPHeaderMap reads the list of OTLPHeaders, such as "authorization=Bearer%20abc,x-scope=1", with values encoded as
// in a URL (OpenTelemetry, OTLP exporter configuration). ok is false if it is not such a list.
func OTLPHeaderMap(list string) (headers map[string]string, ok bool) {
	headers = map[string]string{}
	for one := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		name, value, found := strings.Cut(one, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return nil, false
		}
		headers[name] = value
	}
	return headers, true
}
