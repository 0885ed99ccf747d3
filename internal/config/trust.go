package config

import (
	"fmt"
	"io"
	"os"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// untrusted is the reason why a file is not trusted. Anyone who can write a configuration file controls the server, and
// anyone who can write a secret knows it.
type untrusted struct{ fault, fix string }

func (u untrusted) Error() string { return u.fault }

// otherwise is the alternative if fix changes nothing. The file itself cannot grant it.
const otherwise = "; if the volume decides modes and owners itself (Kubernetes' fsGroup, SMB, NFS) and no one else reaches it, set " +
	setting.SharedVolume + "=true in the environment"

// Replaceable returns why a start would not trust a file at a path, whatever its content, or nil if it would.
func Replaceable(path string) *or3cloud.Problem {
	if u, ok := replaceable(path).(untrusted); ok {
		return &or3cloud.Problem{Variable: path, Fault: u.fault, Fix: u.fix + otherwise}
	}
	return nil
}

// readTrusted reads a file of at most limit bytes that no other user can change. Strict or not, it refuses files that
// others can change, because such a file could also disable strict mode. On a shared volume, modes and owners mean
// nothing; doubt is the fault that they would be.
func readTrusted(path string, limit int64, shared bool) (text []byte, doubt *or3cloud.Problem, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, fmt.Errorf("it is a directory")
	case info.Size() > limit:
		return nil, nil, fmt.Errorf("it has %d bytes, more than the %d that are read", info.Size(), limit)
	}
	if err := distrust(f, info, path); err != nil {
		if !shared {
			return nil, nil, err
		}
		doubt = &or3cloud.Problem{Variable: path, Fault: fmt.Sprintf("%v; it is believed because %s is true", err, setting.SharedVolume)}
	}
	text, err = io.ReadAll(io.LimitReader(f, limit))
	return text, doubt, err
}
