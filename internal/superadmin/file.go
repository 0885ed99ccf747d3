package superadmin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"or3.chat/cloud/internal/dirsync"
)

// File is the name of the credentials file in the data directory. It is the name that OR3 Chat's own host uses, so that
// a file of such an installation remains valid here, and one of ours there.
const File = "admin-credentials.json"

// maxFile is the size of the largest file that is read, in bytes.
const maxFile = 64 << 10

// credentials are the content of the file, in the contract's fields.
type credentials struct {
	Username string `json:"username"`
	// Hash is a bcrypt hash, so that OR3 Chat's own host can check it, too.
	Hash      string    `json:"password_hash_bcrypt"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// read returns the credentials in a directory, or nil if there are none yet.
func read(dir string) (*credentials, error) {
	c, err := load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials of the super administrator: %w", err)
	}
	return c, nil
}

func load(dir string) (*credentials, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(File)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a file of at most %d KiB", File, maxFile>>10)
	}
	f, err := root.Open(File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	// Only people read these times, so a value that another host wrote must not lock the administrator out.
	var stored struct {
		credentials
		CreatedAt json.RawMessage `json:"created_at"`
		UpdatedAt json.RawMessage `json:"updated_at"`
	}
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", File, err)
	}
	c := stored.credentials
	if c.Username == "" || c.Hash == "" {
		return nil, fmt.Errorf("%s names no user or has no password", File)
	}
	_, _ = json.Unmarshal(stored.CreatedAt, &c.CreatedAt), json.Unmarshal(stored.UpdatedAt, &c.UpdatedAt)
	return &c, nil
}

// write replaces the credentials completely or not at all. Only the owner can read them.
func write(dir string, c credentials) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the credentials of the super administrator: %w", err)
		}
	}()
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return dirsync.Replace(root, File, append(data, '\n'))
}
