package fs

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// heads are the first bytes of contents of the inert types.
var heads = map[string]string{
	"image/png":       "\x89PNG\r\n\x1a\n",
	"image/jpeg":      "\xff\xd8\xff\xe0\x00\x10JFIF\x00",
	"image/gif":       "GIF89a",
	"image/webp":      "RIFF\x10\x00\x00\x00WEBPVP8 ",
	"application/pdf": "%PDF-1.7\n",
}

const page = "<!doctype html><html><body><script>alert(document.domain)</script></body></html>"

// TestOnlyWhatLooksInertIsShown: content is shown inline only if claim and content agree on an inert type. Everything
// else is saved, and may be neither guessed at nor run.
func TestOnlyWhatLooksInertIsShown(t *testing.T) {
	r := newRig(t)
	apng := heads["image/png"] + "\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x08acTL"
	for _, tc := range []struct {
		name, content, claimed string
		inline                 bool
	}{
		{"a PNG", heads["image/png"] + "x", "image/png", true},
		{"an animated PNG", apng, "image/png", true},
		{"a JPEG", heads["image/jpeg"] + "x", "image/jpeg", true},
		{"a GIF", heads["image/gif"] + "x", "image/gif", true},
		{"a WebP", heads["image/webp"] + "x", "image/webp", true},
		{"a PDF", heads["application/pdf"] + "x", "application/pdf", true},
		{"a page that calls itself an image", page, "image/png", false},
		{"a page that calls itself a document", page, "application/pdf", false},
		{"a page", page, "text/html", false},
		{"a page after white space", strings.Repeat(" \n", 200) + page, "image/gif", false},
		{"a page with a byte order mark", "\xef\xbb\xbf" + page, "image/gif", false},
		{"a page in UTF-16", "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", "image/jpeg", false},
		{"a drawing", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "image/svg+xml", false},
		{"a drawing that calls itself an image", `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "image/png", false},
		{"XHTML", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>`, "application/xhtml+xml", false},
		{"a script", "alert(1)//", "text/javascript", false},
		{"one image that calls itself another", heads["image/gif"] + "x", "image/png", false},
		{"an image that calls itself a page", heads["image/png"] + page, "text/html", false},
		{"an image and a page at once", heads["image/gif"] + "/*" + page + "*/=1", "image/gif", true}, // as an image, the only thing that nosniff lets it be
		{"a program", "MZ\x90\x00", "image/png", false},
		{"an archive", "PK\x03\x04", "application/pdf", false},
		{"nothing", "", "image/png", false},
		{"the beginning of a head", "\x89PN", "image/png", false},
	} {
		if tc.content == "" {
			c := uploadClaims(r, "")
			c.Size = 0
			if rec := r.put(c, newBody("")); rec.Code != 200 {
				t.Fatalf("%s: upload: %d", tc.name, rec.Code)
			}
		} else {
			r.store(tc.content)
		}
		c := downloadClaims(r, tc.content)
		c.MIME, c.Disposition = tc.claimed, string(or3cloud.DispositionInline)
		for _, header := range [][]string{nil, {"Range", "bytes=0-1"}} {
			rec := r.get(c, header...)
			h := rec.Header()
			wantType, wantDisposition := "application/octet-stream", "attachment"
			if tc.inline {
				wantType, wantDisposition = tc.claimed, "inline"
			}
			if tc.content == "" && header != nil {
				continue // there is no such range
			}
			if h.Get("Content-Type") != wantType || h.Get("Content-Disposition") != wantDisposition {
				t.Errorf("%s: %q, %q", tc.name, h.Get("Content-Type"), h.Get("Content-Disposition"))
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%s: headers %v", tc.name, h)
			}
			if header == nil && rec.Body.String() != tc.content {
				t.Errorf("%s: the content has changed: %q", tc.name, rec.Body)
			}
		}
	}
}

// TestLookingAtABlobThatCannotBeRead: the error is the disk's, and not an absence.
func TestLookingAtABlobThatCannotBeRead(t *testing.T) {
	if _, _, err := narrowed(unreadableFile{}, "image/png", ""); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if got, _, err := narrowed(unreadableFile{}, "text/html", ""); got != "application/octet-stream" || err != nil {
		t.Errorf("nothing to look for: %q, %v", got, err)
	}
}

type unreadableFile struct{ volume.File }

func (unreadableFile) Read([]byte) (int, error) { return 0, syscall.EIO }
