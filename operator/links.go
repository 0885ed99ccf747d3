package operator

import (
	"fmt"
	"net"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// Links says where links for people lead.
type Links struct {
	// PublicURL is OR3_PUBLIC_URL; empty if it is not set, in which case strict mode makes no links.
	PublicURL string
	// BasePath is OR3_BASE_PATH, the path below which browsers see the server; usually empty.
	BasePath string
	Strict   bool
	// Addr is where the server listens; nil if only a running one knows.
	Addr net.Addr
	// AccountPage is the path of the built-in page for links; empty if there is none (or3cloud.Entrance).
	AccountPage string
}

// Entrance is where links lead people to this instance. A local instance without a public address uses the address of
// its setup link. The error is CodeConflict and names the setting.
func (l Links) Entrance() (or3cloud.Entrance, error) {
	if l.PublicURL == "" && (l.Strict || l.Addr == nil) {
		return or3cloud.Entrance{}, or3cloud.Errorf(or3cloud.CodeConflict,
			"links need to know the address at which people reach this server: set %s, for example %s=https://cloud.example.org", setting.PublicURL, setting.PublicURL)
	}
	return or3cloud.Entrance{Base: BaseURL(l.PublicURL, l.Addr) + l.BasePath, Page: l.AccountPage}, nil
}

// BaseURL is where a browser finds a server that listens on addr, without a trailing slash.
func BaseURL(public string, addr net.Addr) string {
	if public != "" {
		return public
	}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://localhost"
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}
