package program

import (
	"fmt"
	"os"

	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/setting"
)

// loadData is load for commands that work on the data directory. They do so as its owner, even if root runs them: the server
// could not open what root has made there.
func (a app) loadData(f settingFlags) (settings, error) {
	s, err := a.load(f)
	if err != nil {
		return s, err
	}
	path, err := s.Config.DataPath()
	if err != nil {
		return s, err
	}
	s.home, err = workAsOwner(path)
	return s, err
}

// DataPath returns the absolute path of the data directory.
func (s settings) DataPath() (string, error) {
	if s.home.path != "" {
		return s.home.path, nil
	}
	return s.Config.DataPath()
}

// refuseForeignRoot is the error of a server that root starts on the data of another user. An empty directory has no data yet: in
// a container it may be one of the machine's user, and what the first start makes there decides.
func (s settings) refuseForeignRoot(path string) error {
	owner, foreign, err := foreignOwner(path)
	if !foreign || s.Bool(setting.SharedVolume) {
		return err
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) == 0 {
		return nil
	}
	return fmt.Errorf("the data directory %s belongs to the user with id %d and the server was started by root: what root makes there, that user cannot open. "+
		"Start it as that user: with systemctl start, in a container with --user %d:%d, or with: %s or3-cloud serve; "+
		"for a port below 1024 give setpriv %s as well. If root is meant, give it the directory: chown -R 0:0 %s",
		path, owner.UID, owner.UID, owner.GID, setpriv(owner), lowPorts, path)
}

// setpriv is the command, of util-linux, with which root runs another one as the owner of a data directory. It needs no name of
// the user and no login.
func setpriv(o datadir.Owner) string {
	return fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups", o.UID, o.GID)
}

const lowPorts = "--inh-caps=+net_bind_service --ambient-caps=+net_bind_service"

// home is the data directory of a command. Its path may lead through an open descriptor, which lives as long as it.
type home struct {
	path string
	open interface{ Close() error }
}
