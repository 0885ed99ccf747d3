package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"sync"
)

// line is the connection of one delivery. It can be closed at any time.
type line struct {
	config Config
	roots  *x509.CertPool
	// connected and signedIn tell how far the conversation has got.
	connected, signedIn bool

	mu   sync.Mutex
	conn net.Conn
}

// dial connects, and starts TLS if the URL demands it.
func (l *line) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	address := net.JoinHostPort(l.config.host, strconv.Itoa(l.config.port))
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.connected = true
	l.keep(conn)
	if l.config.encryption == implicitTLS {
		secure := tls.Client(conn, l.tlsConfig())
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	return conn, ctx.Err()
}

func (l *line) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: l.config.host, MinVersion: tls.VersionTLS12, RootCAs: l.roots}
}

func (l *line) keep(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close() // usually for the second time
	}
}
