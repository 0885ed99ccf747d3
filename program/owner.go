package program

import "or3.chat/cloud/program/owner"

// loadData is load for commands that work on the data directory. They do so as its owner, even if root runs them: the
// server could not open what root has created there.
func (a app) loadData(f settingFlags) (settings, error) {
	s, err := a.load(f)
	if err != nil {
		return s, err
	}
	path, err := s.Config.DataPath()
	if err != nil {
		return s, err
	}
	s.home, err = owner.Become(path)
	return s, err
}

// DataPath returns the absolute path of the data directory.
func (s settings) DataPath() (string, error) {
	if s.home.Path != "" {
		return s.home.Path, nil
	}
	return s.Config.DataPath()
}
