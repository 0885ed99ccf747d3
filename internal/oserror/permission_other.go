//go:build !unix

package oserror

// permits would report whether this process may use a file. Here that cannot be told without trying.
func permits(string) bool { return false }

func remedy(path, _ string) string {
	return "Allow the user of this process to read and write " + path + ", or name another path"
}
