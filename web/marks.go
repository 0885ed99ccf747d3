//go:build !noweb

package web

import (
	"bytes"
	"errors"
	"html"
	"io/fs"
	"time"
)

// marks are what the built-in page is told of the server by attributes of its root.
type marks struct {
	// accounts says whether the server has any. The page asks for none where there are none, and no refusal stands in
	// the browser's log.
	accounts bool
	// client is the address of the client that the page is beside; empty if there is none.
	client string
	// superAdmin says that the environment names an administrator, who signs in with a name and a password.
	superAdmin bool
}

// marked returns the files of the built-in page with its marks.
func marked(files fs.FS, m marks) (fs.FS, error) {
	return markedPage(files, "index.html", m)
}

// markedPage returns the files with another page of them as their index.
func markedPage(files fs.FS, name string, m marks) (fs.FS, error) {
	attributes := ""
	if !m.accounts {
		attributes += `data-accounts="off" `
	}
	if m.client != "" {
		attributes += `data-client="` + html.EscapeString(m.client) + `" `
	}
	if m.superAdmin {
		attributes += `data-super-admin="on" `
	}
	if attributes == "" && name == "index.html" {
		return files, nil
	}
	index, err := fs.ReadFile(files, name)
	if err != nil || attributes == "" {
		return retold{files, index}, err
	}
	told := bytes.Replace(index, []byte("<html "), []byte("<html "+attributes), 1)
	if bytes.Equal(told, index) {
		return nil, errors.New("the page has no <html> element to mark")
	}
	return retold{files, told}, nil
}

// retold are files with another index.html.
type retold struct {
	fs.FS
	index []byte
}

// Open implements fs.FS.
func (r retold) Open(name string) (fs.File, error) {
	if name == "index.html" {
		return &memoryFile{bytes.NewReader(r.index), name}, nil
	}
	return r.FS.Open(name)
}

// memoryFile is a file in memory. It is its own fs.FileInfo.
type memoryFile struct {
	*bytes.Reader
	name string
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *memoryFile) Close() error               { return nil }
func (f *memoryFile) Name() string               { return f.name }
func (f *memoryFile) Mode() fs.FileMode          { return 0o444 }
func (f *memoryFile) ModTime() time.Time         { return time.Time{} }
func (f *memoryFile) IsDir() bool                { return false }
func (f *memoryFile) Sys() any                   { return nil }
