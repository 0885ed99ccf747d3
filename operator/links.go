package operator

import (
	"fmt"
	"net"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// Links is where links lead that are handed to people.
type Links struct {
	// PublicURL is OR3_PUBLIC_URL; empty if it is not set, which strict mode does not take for links.
	PublicURL string
	// BasePath is OR3_BASE_PATH, the path below which browsers see the server; mostly empty.
	BasePath string
	Strict   bool
	// Addr is where the server listens; nil if only a running one knows.
	Addr net.Addr
	// OwnPage says that the server is running and shows the built-in page.
	OwnPage bool
}

// Origin is what links begin with that lead people to this instance. A local instance without a public address is reached as its
// setup link says. The error is CodeConflict and names the setting.
func (l Links) Origin() (string, error) {
	if l.PublicURL == "" && (l.Strict || l.Addr == nil) {
		return "", or3cloud.Errorf(or3cloud.CodeConflict,
			"links need to know where people reach this server: set %s, for example %s=https://cloud.example.org", setting.PublicURL, setting.PublicURL)
	}
	return BaseURL(l.PublicURL, l.Addr) + l.BasePath, nil
}

// BaseURL is where a browser finds a server that listens on addr, without a slash at the end.
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

// inviteLead is what stands between an address and the token of an invite. A fragment reaches no server and so no log of a
// proxy, but OR3 Chat looks for the token in the query alone. So the fragment is for where the built-in page is known to
// be served, which understands both.
func (l Links) inviteLead() string {
	if l.OwnPage {
		return "/#invite="
	}
	return "/?invite="
}
