package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	or3cloud "or3.chat/cloud"
)

const (
	// maxAnswer is how many bytes of an answer are kept.
	maxAnswer = 4 << 10
	// maxAnswerHeader limits the header of an answer, in bytes.
	maxAnswerHeader = 64 << 10
	// secretBytes is the length of a secret. It is written in hexadecimal digits after secretPrefix.
	secretBytes  = 32
	secretPrefix = "whs_"
)

// transport returns the transport for deliveries. Each delivery gets a connection of its own, whose address is checked.
// It ignores proxies in the environment, because the address behind one cannot be checked.
func (e *Engine) transport() *http.Transport {
	dialer := net.Dialer{Timeout: e.opt.Timeout, Control: e.control}
	return &http.Transport{
		DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxAnswerHeader,
	}
}

// NewSecret generates the secret of a webhook, and its sealed form for the store.
func (e *Engine) NewSecret(webhookID string) (secret string, sealed []byte, err error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(e.opt.Rand, raw); err != nil {
		return "", nil, fmt.Errorf("secret of a webhook: %w", err)
	}
	secret = secretPrefix + hex.EncodeToString(raw)
	sealed, err = e.sealer.Seal([]byte(secret), webhookID)
	return secret, sealed, err
}

// sign returns the signature of a body sent at a time in Unix seconds.
func sign(secret, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// send makes one attempt. It does not follow redirects: only a 2xx is a success.
func (e *Engine) send(ctx context.Context, w *or3cloud.Webhook, d *or3cloud.WebhookDelivery) (last or3cloud.DeliveryAttempt) {
	began := time.Now()
	defer func() { last.Duration = time.Since(began) }()
	secret, err := e.sealer.Open(w.SealedSecret, w.ID)
	if err != nil {
		last.Error = "the secret was encrypted with another key; delete the webhook and create it again"
		return last
	}
	if err := e.CheckURL(w.URL); err != nil { // the configuration may have changed
		last.Error = message(err)
		return last
	}
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(d.Body))
	if err != nil {
		last.Error = "the URL is not a valid address"
		return last
	}
	at := strconv.FormatInt(e.opt.Now().Unix(), 10)
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"OR3-Webhooks/1.0"},
		"X-OR3-Event": {d.Event}, "X-OR3-Event-ID": {d.EventID}, "X-OR3-Timestamp": {at}, "X-OR3-Signature": {sign(string(secret), at, d.Body)},
	}
	res, err := e.out.RoundTrip(req)
	if err != nil {
		last.Error = e.describe(err)
		return last
	}
	defer res.Body.Close()
	last.HTTPStatus = res.StatusCode
	if res.StatusCode < 200 || res.StatusCode > 299 {
		last.Error = fmt.Sprintf("answered with HTTP %d", res.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil && last.Error == "" {
		last.Error = e.describe(err)
	}
	last.Answer = strings.ToValidUTF8(string(answer), "\uFFFD")
	return last
}

func message(err error) string {
	var known *or3cloud.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return err.Error()
}

// describe explains why there was no answer, without the addresses that a name resolves to.
func (e *Engine) describe(err error) string {
	var name *net.DNSError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errNotPublic):
		return errNotPublic.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", e.opt.Timeout)
	case errors.As(err, &name) && name.IsNotFound:
		return "the name of the host is not known"
	case errors.As(err, &name):
		return "the name of the host could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.As(err, &certificate):
		return "the certificate is not accepted: " + certificate.Err.Error()
	}
	return "the connection failed"
}
