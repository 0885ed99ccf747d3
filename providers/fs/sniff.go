package fs

import (
	"io"

	"github.com/gabriel-vasile/mimetype"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// sniffed is how much of a blob is looked at to tell its type.
const sniffed = 3 << 10

// narrowed is servedAs for a blob that can be looked at. What does not look like its type is handed out as bytes to be
// saved, whatever the upload and the row say: a page that calls itself an image is never shown. Looking never widens
// anything, so it does not matter that the head is read without its digest.
func narrowed(f volume.File, claimed string, wanted or3cloud.Disposition) (string, or3cloud.Disposition, error) {
	contentType, disposition := servedAs(claimed, wanted)
	if contentType == neutral {
		return contentType, disposition, nil
	}
	raw := f
	if v, ok := f.(*digest.File); ok {
		raw = v.File // it is back at the beginning, where v expects it, before v reads
	}
	head := make([]byte, sniffed)
	n, err := io.ReadFull(raw, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", "", err
	}
	if _, err := raw.Seek(0, io.SeekStart); err != nil {
		return "", "", err
	}
	// A type is of the kinds that it is built on, as an animated PNG is of PNG.
	for found := mimetype.Detect(head[:n]); found != nil; found = found.Parent() {
		if found.Is(contentType) {
			return contentType, disposition, nil
		}
	}
	return neutral, or3cloud.DispositionAttachment, nil
}
