package handover

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"

	"or3.chat/cloud/setting"
)

// privilegedPorts is the first port that processes without a privilege may listen on.
const privilegedPorts = 1024

// chooseAddress says how the address is chosen; every refusal to listen ends with it.
const chooseAddress = "--addr or " + setting.Addr

// cannotListen says why a TCP address is not available and what to do.
func cannotListen(addr, choose string, err error) error {
	host, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return inUse(addr, "address", choose, portHolder(number))
	case errors.Is(err, fs.ErrPermission) && number > 0 && number < privilegedPorts:
		program, _ := os.Executable()
		return fmt.Errorf("%s: permission denied: ports below %d are for privileged processes. Choose a higher port with %s, such as 127.0.0.1:3000 behind a reverse proxy; "+
			"or give the privilege: setcap cap_net_bind_service=+ep %s, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit; or let systemd listen, with a socket unit",
			addr, privilegedPorts, choose, program)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied: the system does not let this process listen; check the rules of its container, SELinux or systemd unit, "+
			"or choose another address with %s", addr, choose)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: this machine has no address %s; choose one that it has with %s: 127.0.0.1 for this machine only, 0.0.0.0 for all networks",
			addr, host, choose)
	case errors.As(err, &unknown):
		return fmt.Errorf("%s: the host name %s is not known here; choose an address with %s: 127.0.0.1 for this machine only, 0.0.0.0 for all networks",
			addr, host, choose)
	}
	return fmt.Errorf("%s cannot be listened on: %w; choose another address with %s", addr, err, choose)
}

// inUse says who has an address, if that is known.
func inUse(addr, noun, choose, holder string) error {
	if holder != "" {
		holder = "; it is " + holder
	}
	return fmt.Errorf("%s is in use by another program; stop it, or choose another %s with %s%s", addr, noun, choose, holder)
}

// describeProcess names a process as operators look for it.
func describeProcess(pid int, name string) string {
	if name == "" {
		return fmt.Sprintf("the process with pid %d", pid)
	}
	return fmt.Sprintf("the process with pid %d, %s", pid, name)
}
