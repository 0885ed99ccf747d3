package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"or3.chat/cloud/bench/internal/process"
)

// debian returns the path of a file of one of Debian's packages, which need not be installed.
func (b *bench) debian(ctx context.Context, pkg, file string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.Root, "scripts/debian"), pkg, file)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("scripts/debian %s: %w", pkg, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// nginx is one with the settings that Debian's package comes with, but one process and no log.
type nginx struct {
	bin     string
	modules []string // files
	http    string   // configuration beside the server
	server  string   // and in it
}

// start runs it in a directory of its own.
func (n nginx) start(dir string) (*process.Server, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var load string
	for _, file := range n.modules {
		load += "load_module " + file + ";\n"
	}
	conf := fmt.Sprintf(`%[3]sdaemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 768; }
http {
  sendfile on; tcp_nopush on; access_log off; default_type application/octet-stream;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  %[4]s
  server { listen %[2]s; %[5]s location = /ready { return 200; } }
}
`, dir, addr, load, n.http, n.server)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	s := &process.Server{Addr: addr, Data: dir, Cmd: exec.Command(n.bin, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))}
	return s, s.Start("/ready")
}
