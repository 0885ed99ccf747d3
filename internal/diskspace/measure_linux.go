package diskspace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Measure asks the operating system about the file system under a directory.
func Measure(dir string) (Usage, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Usage{}, fmt.Errorf("statfs %s: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return Usage{}, fmt.Errorf("stat %s: %w", dir, err)
	}
	block := uint64(fs.Frsize)
	if block == 0 {
		block = uint64(fs.Bsize)
	}
	return Usage{
		Device: uint64(st.Dev), Free: fs.Bavail * block, Total: fs.Blocks * block,
		Network: networkType(uint32(fs.Type), uint64(st.Dev), mountInfo),
	}, nil
}

// networkTypes maps Linux's numbers for network file systems to their names (statfs(2), linux/magic.h).
var networkTypes = map[uint32]string{
	unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb",
	unix.V9FS_MAGIC: "9p", unix.AFS_SUPER_MAGIC: "afs", unix.AFS_FS_MAGIC: "afs", unix.CEPH_SUPER_MAGIC: "ceph",
	unix.CODA_SUPER_MAGIC: "coda", unix.NCP_SUPER_MAGIC: "ncp",
	0x0BD00BD0: "lustre", 0x47504653: "gpfs", 0x19830326: "beegfs", 0xAAD7AAEA: "panfs", 0x20030528: "orangefs",
}

// remoteFuse are the FUSE programs that are known to use the network. FUSE alone says nothing: encrypted or merged
// disks look the same.
var remoteFuse = []string{
	"sshfs", "s3fs", "rclone", "glusterfs", "ceph", "davfs", "curlftpfs", "gcsfuse", "blobfuse", "blobfuse2", "juicefs",
	"mount-s3", "seaweedfs", "mfs", "lizardfs", "cvmfs2", "smbnetfs", "fuse_dfs",
}

// networkType names a file system by its number. For FUSE, it looks up the program in the table of mounts.
func networkType(magic uint32, device uint64, mounts func() (io.ReadCloser, error)) string {
	if magic != unix.FUSE_SUPER_MAGIC {
		return networkTypes[magic]
	}
	table, err := mounts()
	if err != nil {
		return ""
	}
	defer table.Close()
	kind := mountType(table, device)
	if program, ok := strings.CutPrefix(kind, "fuse."); ok && slices.Contains(remoteFuse, program) {
		return kind
	}
	return ""
}

func mountInfo() (io.ReadCloser, error) { return os.Open("/proc/self/mountinfo") }

// mountType finds the type of the file system on a device in a table of mounts (proc_pid_mountinfo(5)). The third field
// is the device, and the type follows a lone hyphen.
func mountType(table io.Reader, device uint64) string {
	want := fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if i := slices.Index(fields, "-"); len(fields) > 2 && fields[2] == want && i > 0 && i+1 < len(fields) {
			return fields[i+1]
		}
	}
	return ""
}

// allocate makes the kernel reserve the blocks, without writing them if the file system supports that.
func allocate(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fill(f, size)
	}
	return err
}
