package completions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrKey means that an upstream refuses the operator's key.
var ErrKey = errors.New("it refuses the key")

// Check sends an upstream a request that costs nothing, with the operator's key, and returns what keeps it from
// answering chats.
func (c *Client) Check(ctx context.Context, to Upstream) error {
	path := "/models"
	if to.Base == openRouter {
		path = "/key" // its list of models is public
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.Base+path, nil)
	if err != nil {
		return err
	}
	if to.Key != "" {
		req.Header.Set("Authorization", "Bearer "+to.Key)
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return unquoted(err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswerHeader)
	switch code := res.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return ErrKey
	case code/100 == 3:
		where, _, _ := strings.Cut(res.Header.Get("Location"), "?")
		return fmt.Errorf("it leads elsewhere, to %s, where no key follows", where)
	case code >= 500:
		return fmt.Errorf("it answers %d", code)
	}
	return nil // not every server lists its models
}
