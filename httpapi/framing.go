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

// checkFraming makes a chunked body of r (RFC 9112 §7.1) end with a refusal if its framing is broken. net/http has no
// type for that error, and such a body is the sender's fault however often it is sent.
func checkFraming(r *http.Request) {
	if slices.Contains(r.TransferEncoding, "chunked") {
		r.Body = framed{r.Body}
	}
}

// framed is a chunked body.
type framed struct{ io.ReadCloser }

// Read implements io.Reader.
func (b framed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !ofTransport(err) {
		err = or3cloud.WrapError(err, or3cloud.CodeInvalid, "The request body is not framed correctly.")
	}
	return n, err
}

// ofTransport reports whether an error is about the connection, or about a body that is no longer wanted, rather than
// about the content.
func ofTransport(err error) bool {
	var network net.Error // a deadline, a reset
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrBodyReadAfterClose) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrClosedPipe)
}
