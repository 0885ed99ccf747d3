package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"

	or3cloud "or3.chat/cloud"
)

// checkFraming lets the body of r that comes in chunks (RFC 9112 §7.1) end with a refusal where its framing is broken. net/http
// has no type for that error, and the sender of such a body is at fault however often it sends it.
func checkFraming(r *http.Request) {
	if slices.Contains(r.TransferEncoding, "chunked") {
		r.Body = framed{r.Body}
	}
}

// framed is a body in chunks.
type framed struct{ io.ReadCloser }

// Read implements io.Reader.
func (b framed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !ofTransport(err) {
		err = or3cloud.WrapError(err, or3cloud.CodeInvalid, "The request body is not framed correctly.")
	}
	return n, err
}

// ofTransport reports whether an error says how a connection fared, or that the body is not wanted any more, and nothing of
// what has come.
func ofTransport(err error) bool {
	var network net.Error // a deadline, a reset
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrBodyReadAfterClose) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrClosedPipe)
}
