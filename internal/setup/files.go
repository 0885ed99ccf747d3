package setup

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/linked"
	"or3.chat/cloud/setting"
)

// GoFile is the file of a Go program that lists its providers.
const GoFile = "providers.go"

// Extra is something that runs the server or stands in front of it. Its files are written on request.
type Extra struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	// paths are the names of the files. Their templates have the same names.
	paths []string
	// elsewhere means that it runs the server on a data directory other than that of the .env file.
	elsewhere bool
	// proxy means that it needs a public address.
	proxy bool
	next  func(*Setup) []string
}

// Extras are all of them.
var Extras = []Extra{
	{
		Name: "systemd", Label: "systemd: a hardened service", paths: []string{"or3-cloud.service"}, elsewhere: true,
		next: func(s *Setup) []string {
			return []string{
				"sudo install -m 0755 " + quoted(s.opts.Executable) + " /usr/local/bin/or3-cloud",
				"sudo install -m 0600 " + quoted(s.path(EnvFile)) + " /etc/or3-cloud.env",
				"sudo install -m 0644 " + quoted(s.path("or3-cloud.service")) + " /etc/systemd/system/",
				"sudo systemctl daemon-reload && sudo systemctl enable --now or3-cloud",
			}
		},
	},
	{
		Name: "docker", Label: "Docker: an image and a compose file", paths: []string{"Dockerfile", "compose.yaml", ".dockerignore"}, elsewhere: true,
		next: func(s *Setup) []string {
			return []string{"cp " + quoted(s.opts.Executable) + " " + quoted(s.path("or3-cloud")), "cd " + quoted(s.opts.Dir) + " && docker compose up --build --detach"}
		},
	},
	{
		Name: "caddy", Label: "Caddy: a reverse proxy that fetches certificates", paths: []string{"Caddyfile"}, proxy: true,
		next: func(s *Setup) []string { return []string{"caddy run --config " + quoted(s.path("Caddyfile"))} },
	},
	{
		Name: "nginx", Label: "nginx: a reverse proxy with your own certificates", paths: []string{"or3-cloud.nginx.conf"}, proxy: true,
		next: func(s *Setup) []string {
			return []string{"sudo install -m 0644 " + quoted(s.path("or3-cloud.nginx.conf")) + " /etc/nginx/conf.d/or3-cloud.conf && sudo nginx -s reload"}
		},
	},
}

func extra(name string) Extra {
	for _, e := range Extras {
		if e.Name == name {
			return e
		}
	}
	return Extra{}
}

func extraNames() (names []string) {
	for _, e := range Extras {
		names = append(names, e.Name)
	}
	return names
}

// docs/operations.md prints the same templates (TestOperationsPrintTheseFiles), so they contain its examples, which
// render replaces.
//
//go:embed templates
var templates embed.FS

const (
	exampleDomain = "cloud.example.org"
	exampleListen = "listen 443 "
	bodySize      = "client_max_body_size %dm"
)

// mark is in the first line of written files, so that they may be overwritten.
const mark = "Written by or3-cloud init"

// Sizes of bodies in MiB. That of an upload is larger than its file because of the encoding around it, which a tenth
// covers. A request to a model can have 128 (host/streamapi).
const (
	megabyte  = 1 << 20
	modelBody = 128
)

// render returns a file of an extra.
func render(name string, cfg *config.Config) ([]byte, error) {
	text, err := templates.ReadFile("templates/" + templateOf(name))
	if err != nil {
		return nil, err
	}
	listen, _ := cfg.Lookup(setting.Addr)
	upstream := listen.Text
	_, port, err := net.SplitHostPort(upstream)
	if err != nil {
		return nil, fmt.Errorf("%s is not an address with a port: %w", upstream, err)
	}
	if ip, err := netip.ParseAddrPort(upstream); strings.HasPrefix(upstream, ":") || err == nil && ip.Addr().IsUnspecified() {
		upstream = net.JoinHostPort("127.0.0.1", port)
	}
	replace := []string{
		listen.Setting.Default, upstream,
		fmt.Sprintf(bodySize, modelBody), fmt.Sprintf(bodySize, max((cfg.Int(setting.MaxFileSize)+megabyte-1)/megabyte*11/10, modelBody)),
	}
	if u, err := url.Parse(cfg.String(setting.PublicURL)); err == nil && u.Host != "" {
		replace = append(replace, exampleListen, "listen "+cmp.Or(u.Port(), "443")+" ")
		domain := u.Hostname()
		if name == "Caddyfile" {
			domain = u.Host
		}
		replace = append(replace, exampleDomain, domain)
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(text))), nil
}

// templateOf returns the name of a file's template. go:embed leaves out names that begin with a dot.
func templateOf(name string) string { return strings.TrimPrefix(name, ".") }

// files lists the files, the .env file first, because nothing starts without it.
func (p *planner) files(env string) error {
	add := func(name string, text []byte, secret bool, ours func([]byte) bool) error {
		f := File{Path: name, Action: ActionAdd, mode: publicFile, after: text}
		if secret {
			f.mode = secretFile
		}
		f.Mode = fmt.Sprintf("%04o", f.mode)
		var err error
		if f.before, err = p.read(name); err != nil {
			return err
		}
		switch {
		case f.before == nil:
		case bytes.Equal(f.before, f.after) && (!secret || p.private(name)):
			f.Action = ActionKeep
		case !ours(f.before):
			return fmt.Errorf("%s %w", p.path(name), linked.ErrForeign)
		default:
			f.Action = ActionChange
		}
		p.plan.Files = append(p.plan.Files, f)
		return nil
	}
	yes := func([]byte) bool { return true }
	if err := add(EnvFile, []byte(env), true, yes); err != nil {
		return err
	}
	switch p.opts.Host {
	case HostNuxt:
		name, text := p.nuxtList(p.cfg)
		if name == nuxtJSON && p.exists(nuxtTS) {
			p.plan.Warnings = append(p.plan.Warnings, nuxtTS+" is not read beside "+nuxtJSON+"; remove it.")
		}
		if err := add(name, text, false, yes); err != nil {
			return err
		}
	case HostGo:
		program := linked.Program{}
		for _, chosen := range p.selected(p.cfg) {
			program.Packages = append(program.Packages, chosen.Package)
		}
		text, err := program.Source()
		if err != nil {
			return err
		}
		if err := add(GoFile, text, false, linked.Generated); err != nil {
			return err
		}
	}
	marked := func(text []byte) bool { return bytes.Contains(text, []byte(mark)) }
	for _, e := range Extras {
		if !slices.Contains(p.answers.Files, e.Name) {
			continue
		}
		if err := p.fits(e); err != nil {
			return err
		}
		for _, name := range e.paths {
			text, err := render(name, p.cfg)
			if err != nil {
				return err
			}
			if err := add(name, text, false, marked); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits returns why an extra cannot be written for a configuration.
func (p *planner) fits(e Extra) error {
	unix := strings.HasPrefix(p.cfg.String(setting.Addr), "unix:")
	switch {
	case p.opts.Host == HostNuxt:
		return fmt.Errorf("%s: files that run or publish the server are for the program, and a Nuxt host runs it itself", e.Name)
	case e.proxy && !strings.HasPrefix(p.cfg.String(setting.PublicURL), "https://"):
		return fmt.Errorf("%s: a reverse proxy needs the address that people use; set %s to one with https://", e.Name, setting.PublicURL)
	case (e.proxy || e.elsewhere) && unix:
		return fmt.Errorf("%s: these files are for a port; docs/operations.md has what a Unix socket needs", e.Name)
	case e.elsewhere && p.cfg.String(setting.DataDir) != p.settings[setting.DataDir].Default:
		return fmt.Errorf("%s: the data is in a directory that it provides; leave %s out", e.Name, setting.DataDir)
	}
	return nil
}
