package doctor

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/setting"
)

// combination is a combination of settings that are fine on their own, but not together.
type combination struct {
	// holds reports whether a configuration has it.
	holds    func(c situation) bool
	severity Severity
	where    where
	or3cloud.Problem
}

// where says in which hosts a combination matters.
type where int

const (
	everywhere where = iota
	// here is for settings of this program's listener, which a Nuxt host configures differently.
	here
)

// situation is a configuration with what the rules need to know about it.
type situation struct {
	*config.Config
	// local says that the server listens on this machine only; socket, that it does so on a Unix socket.
	local, socket bool
	public        *url.URL // empty where there is none
}

// accounts reports whether there are any, strangers whether anyone can create one.
func (c situation) accounts() bool  { return len(c.Roles()) > 0 }
func (c situation) strangers() bool { return setting.Registration(c) == setting.RegistrationOpen }

// https reports whether people open the server over HTTPS.
func (c situation) https() bool { return c.public.Scheme == "https" }

// remote reports whether people open it from other machines.
func (c situation) remote() bool { return c.public.Host != "" && !isLocal(c.public.Hostname()) }

// combinations are the rules, in the order of the reference.
var combinations = []combination{
	{
		func(c situation) bool {
			return c.socket && c.SocketMode()&0o002 != 0 && (len(c.List(setting.TrustedProxies)) > 0 || c.Bool(setting.TrustProxy))
		}, Warning, here, or3cloud.Problem{
			Variable: setting.SocketMode, Fault: "lets every user of this machine connect, and anyone who does counts as a trusted proxy",
			Why: "each of them can claim to come from any address and escape rate limits",
			Fix: "Set " + setting.SocketMode + "=0660 and " + setting.SocketGroup + " to the proxy's group.",
		},
	},
	{
		func(c situation) bool { return c.accounts() && !c.local && !c.socket && c.public.Host == "" }, Warning, here, or3cloud.Problem{
			Variable: setting.Addr, Fault: "is open to other machines, but there is no public address",
			Why: "anyone who opens the server from there sends passwords unencrypted",
			Fix: "Listen on loopback behind a proxy with HTTPS (" + setting.Addr + "=127.0.0.1:3000), and set " + setting.PublicURL + ".",
		},
	},
	{
		func(c situation) bool { return c.accounts() && c.remote() && !c.https() }, Error, everywhere, or3cloud.Problem{
			Variable: setting.PublicURL, Fault: "is not https, and is not an address of this machine",
			Why: "passwords and everything else cross the network unencrypted",
			Fix: "Put a reverse proxy with HTTPS in front, and set " + setting.PublicURL + "=https://…",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && !c.Strict() && c.remote() && c.https()
		}, Warning, here, or3cloud.Problem{
			Variable: setting.NodeEnv, Fault: "is not production, although people come from other machines",
			Why: "conveniences stay on, and mistakes in the configuration do not stop the start", Fix: "Set " + setting.NodeEnv + "=production.",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && c.Production() && c.public.Scheme == "http" && !c.remote()
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.PublicURL, Fault: "is not https, and in production cookies are Secure",
			Why: "browsers keep Secure cookies over plain HTTP only on localhost",
			Fix: "Open it as http://localhost, or leave " + setting.NodeEnv + " out and set " + setting.StrictConfig + "=true.",
		},
	},
	{
		func(c situation) bool { return c.accounts() && c.Strict() && c.remote() && c.strangers() }, Warning, everywhere, or3cloud.Problem{
			Variable: setting.RegistrationMode, Fault: "is open", Why: "anyone who finds the server can create an account and store files on it",
			Fix: "Set " + setting.RegistrationMode + "=" + setting.RegistrationInviteOnly + ", or " + setting.RegistrationDisabled + " when all accounts exist.",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && c.String(setting.ProvisioningFailure) == "unauthenticated"
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.ProvisioningFailure, Fault: "is unauthenticated",
			Why: "an error of the store looks like a sign-out, and clients delete what they hold",
			Fix: "Set " + setting.ProvisioningFailure + "=service-unavailable.",
		},
	},
	{
		func(c situation) bool { return c.accounts() && c.remote() && !c.Bool(setting.LimitsEnabled) }, Warning, everywhere, or3cloud.Problem{
			Variable: setting.LimitsEnabled, Fault: "is false",
			Why: "one client can keep the server busy for all others",
			Fix: "Set " + setting.LimitsEnabled + "=true.",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && c.remote() && !c.Production() && c.String(setting.DisableRateLimit) == "1"
		}, Warning, here, or3cloud.Problem{
			Variable: setting.DisableRateLimit, Fault: "is 1",
			Why: "sync and storage have no limits while this is not production",
			Fix: "Leave it out.",
		},
	},
	{
		func(c situation) bool {
			return c.https() && slices.ContainsFunc(c.List(setting.AllowedOrigins), func(o string) bool {
				u, err := url.Parse(o)
				return err == nil && u.Scheme == "http" && !isLocal(u.Hostname())
			})
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.AllowedOrigins, Fault: "has an origin of plain HTTP",
			Why: "an attacker on the network can put a script into its pages, which acts here as the person who opens them",
			Fix: "List only https origins.",
		},
	},
	{
		func(c situation) bool {
			return c.Production() && c.https() && c.remote() && !c.Bool(setting.ForceHTTPS)
		}, Warning, here, or3cloud.Problem{
			Variable: setting.ForceHTTPS, Fault: "is false, although people should use HTTPS",
			Why: "someone who types the address without https:// sends everything unencrypted, unless the proxy redirects",
			Fix: "Leave it out, or let the proxy redirect.",
		},
	},
	{
		func(c situation) bool {
			return c.Bool(setting.TrustProxy) && len(c.List(setting.TrustedProxies)) == 0 && !c.local && !c.socket
		}, Error, here, or3cloud.Problem{
			Variable: setting.TrustProxy, Fault: "is true, but the server also listens for other machines",
			Why: "anyone who bypasses the proxy can choose an address and a host: rate limits and sign-in guards are useless",
			Fix: "Listen on loopback or a socket (" + setting.Addr + "=127.0.0.1:3000), or name the proxies in " + setting.TrustedProxies + ".",
		},
	},
	{
		func(c situation) bool {
			return c.https() && c.remote() && !c.socket && len(c.List(setting.TrustedProxies)) == 0 && !c.Bool(setting.TrustProxy)
		}, Error, here, or3cloud.Problem{
			Variable: setting.TrustedProxies, Fault: "is not set, although HTTPS needs a reverse proxy in front of the server",
			Why: "all people behind it count as one client, and one of them who guesses passwords locks all of them out",
			Fix: "Set it to the proxy's address; on the same machine " + setting.TrustedProxies + "=loopback.",
		},
	},
	{
		func(c situation) bool { return c.accounts() && c.remote() && !c.Bool(setting.CSP) }, Warning, here, or3cloud.Problem{
			Variable: setting.CSP, Fault: "is false",
			Why: "a script that gets into a page may load and send anything",
			Fix: "Leave it out, and add what the client needs to " + setting.CSPSources + ".",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && c.strangers() && c.Bool(setting.AllowAnyFileType) && c.remote() && c.String(setting.StorageQuotaBytes) == "" && c.String(setting.StorageUserQuota) == ""
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.AllowAnyFileType, Fault: "is true where anyone may register, and there is no quota",
			Why: "strangers can use the server as their file store until the disk is full",
			Fix: "Set " + setting.StorageQuotaBytes + ", for example 10737418240.",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && c.remote() && c.strangers() && (c.String(setting.OpenRouterKey) != "" || len(c.List(setting.ModelUpstreams)) > 0)
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.RegistrationMode, Fault: "is open although chats are answered with the server's keys",
			Why: "anyone who finds the server can create accounts and chat at your expense, whatever the limit of each account",
			Fix: "Set " + setting.RegistrationMode + "=" + setting.RegistrationInviteOnly + ".",
		},
	},
	{
		func(c situation) bool {
			return c.Bool(setting.BackgroundEnabled) && (!c.accounts() || !c.Bool(setting.SyncEnabled))
		}, Warning, here, or3cloud.Problem{
			Variable: setting.BackgroundEnabled, Fault: "has no effect without accounts and sync",
			Why: "answers that are made without a browser reach people only through sync",
			Fix: "Leave it out, or let the server sync.",
		},
	},
	{
		func(c situation) bool {
			upstreams, problems := completions.Configured(c.Config)
			return c.accounts() && c.Bool(setting.BackgroundEnabled) && len(problems) == 0 && !upstreams.Offered()
		}, Warning, here, or3cloud.Problem{
			Variable: setting.BackgroundEnabled, Fault: "is true, but there is neither a key for everyone nor another model server",
			Why: "only people with their own OpenRouter key get background answers",
			Fix: "Set " + setting.OpenRouterKey + " or " + setting.ModelUpstreams + ", if others should get them, too.",
		},
	},
	{
		func(c situation) bool {
			return c.Bool(setting.BackgroundEnabled) && c.Int(setting.BackgroundPerUser) > c.Int(setting.BackgroundJobs)
		}, Warning, here, or3cloud.Problem{
			Variable: setting.BackgroundPerUser, Fault: "is more than all users together may have",
			Why: "one user can take the space of everyone else",
			Fix: "Set it below " + setting.BackgroundJobs + ".",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && c.Bool(setting.WebhooksEnabled) && !c.Bool(setting.WebhooksBlockPrivateIPs) && c.strangers()
		}, Error, everywhere, or3cloud.Problem{
			Variable: setting.WebhooksBlockPrivateIPs, Fault: "is false where anyone may register",
			Why: "strangers can make the server send requests to machines of your network",
			Fix: "Leave it out, or set " + setting.RegistrationMode + "=" + setting.RegistrationInviteOnly + ".",
		},
	},
	{
		func(c situation) bool {
			return c.String(setting.AdminUsername) != "" && c.String(setting.AdminPassword) == ""
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.AdminUsername, Fault: "has no effect without " + setting.AdminPassword,
			Why: "there is no super administrator, and OR3 Chat's pages for administrators are not shown",
			Fix: "Set " + setting.AdminPassword + ", too, or leave both out.",
		},
	},
	{
		func(c situation) bool {
			return c.accounts() && len(c.List(setting.AdminAllowedNetworks)) > 0 && c.Bool(setting.TrustProxy) && len(c.List(setting.TrustedProxies)) == 0
		}, Warning, everywhere, or3cloud.Problem{
			Variable: setting.AdminAllowedNetworks, Fault: "depends on what every sender says about its address, because " + setting.TrustProxy + " is true",
			Why: "anyone who reaches the server without the proxy can claim to come from an allowed network",
			Fix: "Name the proxies in " + setting.TrustedProxies + " instead.",
		},
	},
}

// combinations checks the configuration against the rules.
func (e *examination) combinations() {
	e.look(AreaCombination)
	c := situation{Config: e.Config, public: &url.URL{}}
	if u, err := url.Parse(e.Config.String(setting.PublicURL)); err == nil {
		c.public = u
	}
	addr := e.Config.String(setting.Addr)
	c.socket = strings.HasPrefix(addr, "unix:")
	if host, _, err := net.SplitHostPort(addr); err == nil {
		c.local = isLocal(host)
	}
	for _, rule := range combinations {
		if (rule.where == everywhere || e.Nuxt == "") && rule.holds(c) {
			e.find(rule.severity, AreaCombination, rule.Problem)
		}
	}
}

// isLocal reports whether a host is a name that means this machine on this machine only.
func isLocal(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}
