package patience

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
)

// Request sends a request like a browser's navigation through the Unix socket of a server that may still be starting.
// It retries while nothing listens or the answer is 503, because a process has no other way to signal that it is ready.
func Request(socket, method, path string) (status int, body string, err error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	ready := Try(func() bool {
		var req *http.Request
		if req, err = http.NewRequest(method, "http://localhost"+path, nil); err != nil {
			return true
		}
		req.Header.Set("Accept", "text/html")
		res, failed := client.Do(req)
		if failed != nil {
			return false
		}
		defer res.Body.Close()
		var data []byte
		data, err = io.ReadAll(res.Body)
		status, body = res.StatusCode, string(data)
		return status != http.StatusServiceUnavailable
	})
	if !ready {
		err = errors.New("the server is not ready")
	}
	return status, body, err
}
