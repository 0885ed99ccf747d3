// Package owner makes a command that root runs work on a data directory as its owner, who could not open what
// root has created there.
package owner

import (
	"fmt"
	"os"

	"or3.chat/cloud/internal/datadir"
)

// Home is the data directory of a command. Its path may lead through an open descriptor, which lives as long as the
// Home.
type Home struct {
	Path string
	open interface{ Close() error }
}

// RefuseRoot is the error of a server that root starts on the data of another user. An empty directory has no data yet:
// in a container it may belong to a user of the machine, and what the first start creates there decides. On a shared
// volume it is not known whose data it is.
func RefuseRoot(path string, shared bool) error {
	owner, foreign, err := foreignOwner(path)
	if !foreign || shared {
		return err
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) == 0 {
		return nil
	}
	return fmt.Errorf("the data directory %s belongs to the user with id %d and the server was started by root: that user cannot open what root creates there. "+
		"Start it as that user: with systemctl start, in a container with --user %d:%d, or with: %s or3-cloud serve; "+
		"for a port below 1024 give setpriv %s as well. If it should be root, give it the directory: chown -R 0:0 %s",
		path, owner.UID, owner.UID, owner.GID, setpriv(owner), LowPorts, path)
}

// setpriv is the util-linux command with which root runs another command as the owner of a data directory. It needs
// neither a name nor a login of the user.
func setpriv(o datadir.Owner) string {
	return fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups", o.UID, o.GID)
}

// LowPorts are the arguments of setpriv that let the program listen on ports below 1024.
const LowPorts = "--inh-caps=+net_bind_service --ambient-caps=+net_bind_service"
