package program

import "syscall"

func mountMemory(dir, options string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, options) }

func remountReadOnly(dir string) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
