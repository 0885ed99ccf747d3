package diskspace

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// allocated returns how many bytes of the disk a file takes.
func allocated(t *testing.T, path string) (int64, bool) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512, true
}

func TestNetworkType(t *testing.T) {
	const table = `22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
98 22 0:45 / /mnt/a rw,nosuid - fuse.sshfs host:/ rw,user_id=0
99 22 0:46 / /mnt/b rw shared:3 master:1 - fuse.gocryptfs /x rw
100 22 0:47 / /mnt/c rw - virtiofs share rw
`
	for _, c := range []struct {
		magic  uint32
		device uint64
		want   string
	}{
		{0xEF53, unix.Mkdev(254, 1), ""},          // ext4
		{0x01021994, unix.Mkdev(0, 30), ""},       // tmpfs
		{0x6969, unix.Mkdev(0, 40), "nfs"},        //
		{0xFF534D42, unix.Mkdev(0, 40), "cifs"},   //
		{0xFE534D42, unix.Mkdev(0, 40), "smb"},    //
		{0x01021997, unix.Mkdev(0, 40), "9p"},     //
		{0x00C36400, unix.Mkdev(0, 40), "ceph"},   //
		{0x0BD00BD0, unix.Mkdev(0, 40), "lustre"}, //
		{0x65735546, unix.Mkdev(0, 45), "fuse.sshfs"},
		{0x65735546, unix.Mkdev(0, 46), ""},
		{0x65735546, unix.Mkdev(0, 47), ""},
		{0x65735546, unix.Mkdev(0, 99), ""},
	} {
		mounts := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(table)), nil }
		if got := networkType(c.magic, c.device, mounts); got != c.want {
			t.Errorf("%#x on %d: %q, want %q", c.magic, c.device, got, c.want)
		}
	}
	none := func() (io.ReadCloser, error) { return nil, errors.New("no /proc") }
	if got := networkType(unix.FUSE_SUPER_MAGIC, 0, none); got != "" {
		t.Error(got)
	}
	if kind := mountType(strings.NewReader("1 2 0:9 / /\n\n1 2 0:9 / / rw -\n"), unix.Mkdev(0, 9)); kind != "" {
		t.Error(kind)
	}
}
