package fs

import (
	"io"

	"github.com/gabriel-vasile/mimetype"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// sniffed is how many bytes of a blob are examined to tell its type.
const sniffed = 3 << 10

// narrowed is servedAs for a blob that can be examined. Content that does not look like its type is served as bytes to
// save, whatever the upload and the row say: a page that claims to be an image is never shown. Examining never widens
// anything, so it does not matter that the head is read without its digest.
func narrowed(f volume.File, claimed string, wanted or3cloud.Disposition) (string, or3cloud.Disposition, error) {
	contentType, disposition := servedAs(claimed, wanted)
	if contentType == neutral {
		return contentType, disposition, nil
	}
	raw := f
	if v, ok := f.(*digest.File); ok {
		raw = v.File // rewound by the time v reads, as v expects
	}
	head := make([]byte, sniffed)
	n, err := io.ReadFull(raw, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", "", err
	}
	if _, err := raw.Seek(0, io.SeekStart); err != nil {
		return "", "", err
	}
	// A type is also each type it is built on, as an animated PNG is a PNG.
	for found := mimetype.Detect(head[:n]); found != nil; found = found.Parent() {
		if found.Is(contentType) {
			return contentType, disposition, nil
		}
	}
	return neutral, or3cloud.DispositionAttachment, nil
}
