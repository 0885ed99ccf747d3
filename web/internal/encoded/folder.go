package encoded

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"
)

// Folder serves the files of a folder. Files may change while it is in use; each is looked at again when its time or
// size has changed.
type Folder struct {
	files fs.FS
	cache *Cache

	mu   sync.Mutex
	seen map[looked]knowledge
	// turns are the files that are being read. A request for the same file waits, instead of reading it as well.
	turns map[looked]*turn
}

// turn is the reading of a file.
type turn struct {
	done chan struct{}
	// Once it is done:
	knowledge
	err error
}

// looked is a file, and as a sibling of which coding it was looked at; nil for the file itself.
type looked struct {
	name string
	by   *coding
}

// knowledge is what was found out about a file by reading it.
type knowledge struct {
	info fs.FileInfo
	hash hash
	// content is the hash of the size bytes that a sibling unpacks to; zero if it does not.
	content hash
	size    int64
}

// Folder returns a folder whose files are kept in a cache where they are compressed here. Folders may share a cache.
func (c *Cache) Folder(files fs.FS) *Folder {
	return &Folder{files: files, cache: c, seen: map[looked]knowledge{}, turns: map[looked]*turn{}}
}

// Serve answers a request with a file of the folder. The header must have the type of the file if it should be
// compressed. After an error nothing has been sent: there is no such file, or it cannot be read.
func (f *Folder) Serve(w http.ResponseWriter, r *http.Request, name string) error {
	file, err := f.open(name)
	if err != nil {
		return err
	}
	defer file.close()
	size := file.info.Size()
	plain := form{body: file, size: size}
	k, err := f.look(file, nil, 0)
	switch {
	case errors.Is(err, errLarge):
		plain.tag = fmt.Sprintf(`"%x-%x"`, file.info.ModTime().UnixNano(), size)
		plain.send(w, r, name)
		return nil
	case errors.Is(err, errChanging):
		plain.send(w, r, name)
		return nil
	case err != nil:
		return err
	}
	plain.tag = k.hash.tag()
	var sibling *opened
	defer func() { sibling.close() }()
	f.cache.serve(w, r, source{
		name: name, hash: k.hash, size: size, plain: plain, read: file.content,
		sibling: func(by *coding) (form, bool) {
			sibling.close()
			if sibling, err = f.open(name + by.extension); err != nil {
				return form{}, false
			}
			packed, err := f.look(sibling, by, size)
			if err != nil || packed.content != k.hash {
				return form{}, false
			}
			return form{coding: by, body: sibling, size: sibling.info.Size(), tag: packed.hash.tag()}, true
		},
	})
	return nil
}

// opened is a file that is open, as it was when it was opened.
type opened struct {
	io.ReadSeeker
	file fs.File
	info fs.FileInfo
	name string
}

func (f *Folder) open(name string) (*opened, error) {
	file, err := f.files.Open(name)
	if err != nil {
		return nil, err
	}
	o := &opened{file: file, name: name}
	seeker, ok := file.(io.ReadSeeker)
	if o.info, err = file.Stat(); err == nil && (!ok || !o.info.Mode().IsRegular()) {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	o.ReadSeeker = seeker
	return o, nil
}

func (o *opened) close() {
	if o != nil {
		o.file.Close()
	}
}

// content returns all of a file, to compress it.
func (o *opened) content() ([]byte, error) {
	if _, err := o.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(o, largest+1))
}

// known is the most that is read of a file to know its content, in bytes. Films are not read twice.
const known = 64 << 20

// settled is how long ago the last change of a file must be, so that the next one has another time. File systems count
// it in steps.
const settled = 2 * time.Second

var (
	errLarge    = errors.New("the file is too large to be read for its tag")
	errChanging = errors.New("the file changes while it is read")
)

// look returns what reading a file tells, and reads it only when it is not the one that was read before. With a coding
// the file should unpack to size bytes; what comes of more is not looked at.
func (f *Folder) look(o *opened, by *coding, size int64) (knowledge, error) {
	if o.info.Size() > known {
		return knowledge{}, errLarge
	}
	which := looked{o.name, by}
	for {
		f.mu.Lock()
		k, ok := f.seen[which]
		if ok && same(k.info, o.info) && k.size == size {
			f.mu.Unlock()
			return k, nil
		}
		t, ours := f.turns[which], false
		if t == nil {
			t, ours = &turn{done: make(chan struct{}), knowledge: knowledge{info: o.info, size: size}}, true
			f.turns[which] = t
		}
		f.mu.Unlock()
		if ours {
			f.take(t, o, by)
		}
		<-t.done
		if ours || same(t.info, o.info) && t.size == size {
			return t.knowledge, t.err
		}
	}
}

// take reads a file for all who wait for it.
func (f *Folder) take(t *turn, o *opened, by *coding) {
	t.err = errChanging // unless it ends otherwise
	defer func() {
		which := looked{o.name, by}
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.turns, which)
		if age := f.cache.now().Sub(o.info.ModTime()); t.err == nil && (age < 0 || age > settled) {
			f.seen[which] = t.knowledge
		}
		close(t.done)
	}()
	t.hash, t.content, t.err = o.read(by, t.size)
}

// read returns the hash of a file, and with a coding that of the size bytes that it unpacks to.
func (o *opened) read(by *coding, size int64) (file, content hash, err error) {
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(o, known))
	if err != nil {
		return hash{}, hash{}, err
	}
	sum.Sum(file[:0])
	if now, err := o.file.Stat(); err != nil || n != o.info.Size() || !same(now, o.info) {
		return hash{}, hash{}, errChanging
	}
	if by != nil {
		if _, err := o.Seek(0, io.SeekStart); err != nil {
			return hash{}, hash{}, err
		}
		content = by.contentOf(o, size)
	}
	_, err = o.Seek(0, io.SeekStart)
	return file, content, err
}

// same reports whether a file is the one that it was. Files that are embedded in the program do not change.
func same(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && (a.Sys() == nil && b.Sys() == nil || os.SameFile(a, b))
}
