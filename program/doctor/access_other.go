//go:build !unix

package doctor

// denied would say why this process cannot create files in a directory; on this system only trying shows it.
func denied(string) error { return nil }
