// Package place is what starters and an engine need to find each other: where the engine of a data directory is, which
// versions of the protocol are spoken, and how it is joined.
package place

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/localsocket"
)

// The names in the data directory.
const (
	socketName = "engine.sock"
	placeName  = "engine.json"
)

// Place is where the engine of a data directory is found, according to engine.json in it, which only its owner can
// read.
type Place struct {
	// Socket is the path of a Unix socket. It may be longer than the system allows (localsocket.Shorten).
	Socket string `json:"socket,omitempty"`
	// Address and Secret are those of an engine that listens on a loopback address. Every request sends the secret as
	// "Authorization: Bearer SECRET".
	Address string `json:"address,omitempty"`
	Secret  string `json:"secret,omitempty"`
	PID     int    `json:"pid"`
}

// ErrAbsent says that no engine runs in a data directory.
var ErrAbsent = errors.New("no engine is running")

// File is the path of the file that says where the engine of a data directory is.
func File(dir string) string { return filepath.Join(dir, placeName) }

// Listener is where an engine is reached. The file that says so exists as long as it is open.
type Listener struct {
	net.Listener
	Place
	dir    string
	socket *localsocket.Listener // nil on a loopback address
}

// Listen creates the socket of the engine of a data directory, whose lock the caller holds, or listens on a loopback
// address with a new secret.
func Listen(dir string, loopback bool) (_ *Listener, err error) {
	l := &Listener{dir: dir, Place: Place{PID: os.Getpid()}}
	if loopback {
		var secret [32]byte
		_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
		if l.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		l.Address, l.Secret = l.Addr().String(), base64.RawURLEncoding.EncodeToString(secret[:])
	} else {
		l.Socket = filepath.Join(dir, socketName)
		if l.socket, err = localsocket.Listen(l.Socket); err != nil {
			return nil, err
		}
		l.Listener = l.socket
	}
	if err := l.publish(); err != nil {
		return nil, errors.Join(err, l.Close(), l.Withdraw())
	}
	return l, nil
}

// publish writes the place to its file. A reader finds all of it, or what was there before.
func (l *Listener) publish() error {
	text, err := json.Marshal(l.Place)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(l.dir, placeName+".*") // readable by the owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), File(l.dir))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// Withdraw removes the file that says where the engine is. The lock of the data directory must still be held.
func (l *Listener) Withdraw() error {
	err := os.Remove(File(l.dir))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if l.socket != nil {
		err = errors.Join(err, l.socket.Remove())
	}
	return err
}

// Guest is a starter that has joined an engine.
type Guest struct {
	Place
	// Hello is what the engine said.
	Hello  Hello
	answer *http.Response
	lines  *bufio.Scanner
	stop   context.CancelFunc
}

// maxHello limits what is read of an engine's hello, in bytes.
const maxHello = 1 << 20

// Join asks the engine of a data directory to stay for as long as the guest does. client is the guest's name. The error
// is ErrAbsent if there is no engine, and CodeConflict if its version does not fit.
func Join(ctx context.Context, dir, client string) (_ *Guest, err error) {
	text, err := os.ReadFile(File(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, err
	}
	g := &Guest{}
	if json.Unmarshal(text, &g.Place) != nil || g.Socket == "" && g.Address == "" {
		return nil, fmt.Errorf("%s is damaged; remove it", File(dir))
	}
	if g.Socket != "" { // the directory may have another name by now
		g.Socket = filepath.Join(dir, socketName)
	}
	ctx, g.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			g.stop()
		}
	}()
	if err := g.greet(ctx, client); err != nil {
		return nil, err
	}
	if g.answer, err = g.ask(ctx, http.MethodGet, StayPath, nil); err != nil {
		return nil, err
	}
	if g.answer.StatusCode != http.StatusOK { // it is about to end
		return nil, errors.Join(ErrAbsent, g.answer.Body.Close())
	}
	g.lines = bufio.NewScanner(g.answer.Body)
	return g, nil
}

func (g *Guest) greet(ctx context.Context, client string) error {
	introduction, err := json.Marshal(Introduction{Client: client, Protocol: &Spoken})
	if err != nil {
		return err
	}
	res, err := g.ask(ctx, http.MethodPost, HelloPath, introduction)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxHello))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(text, &g.Hello)
	}
	var f Fault
	if json.Unmarshal(text, &f) != nil || f.Code == "" {
		return fmt.Errorf("what listens at %s%s answers %s and is not an engine", g.Socket, g.Address, res.Status)
	}
	return &or3cloud.Error{Code: f.Code, Message: f.Message}
}

func (g *Guest) ask(ctx context.Context, verb, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, verb, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if g.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+g.Secret)
	}
	res, err := (&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if g.Socket != "" {
				return localsocket.Dial(ctx, g.Socket)
			}
			return new(net.Dialer).DialContext(ctx, "tcp", g.Address)
		},
	}}).Do(req)
	if err != nil && !errors.Is(err, fs.ErrPermission) { // no one listens, or it has just died
		err = fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return res, err
}

// Next waits for the next news from the engine: its state, or ErrAbsent when it has ended.
func (g *Guest) Next() (State, error) {
	for g.lines.Scan() {
		text, ok := strings.CutPrefix(g.lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e StateEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return "", fmt.Errorf("the running engine: %w", err)
		}
		return e.State, nil
	}
	return "", ErrAbsent
}

// Leave ends the stay.
func (g *Guest) Leave() error {
	g.stop()
	return g.answer.Body.Close()
}
