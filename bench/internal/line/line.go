// Package line puts a line between clients and a server on one machine: so many bytes a second in each direction for
// all connections together, and the time that they take to arrive.
package line

import (
	"net"
	"sync"
	"time"
)

// Line is an end of the line, at Addr. Lost packets and the slow start of TCP are not part of it; a new connection
// costs the time of a handshake.
type Line struct {
	Addr string

	ln     net.Listener
	target string
	trip   time.Duration // there and back
	up     *direction
	down   *direction

	mu    sync.Mutex
	conns map[net.Conn]bool // nil once the line is closed
}

// Open opens a line to a server, of rate bytes a second and with a round trip of trip.
func Open(target string, rate float64, trip time.Duration) (*Line, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Line{
		Addr: ln.Addr().String(), ln: ln, target: target, trip: trip,
		up: &direction{rate: rate}, down: &direction{rate: rate}, conns: map[net.Conn]bool{},
	}
	go l.accept()
	return l, nil
}

// Bytes is how much has come down the line.
func (l *Line) Bytes() int64 {
	l.down.mu.Lock()
	defer l.down.mu.Unlock()
	return l.down.bytes
}

// Close ends the line and its connections.
func (l *Line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
	l.conns = nil
	return l.ln.Close()
}

func (l *Line) accept() {
	for {
		c, err := l.ln.Accept()
		if err != nil {
			return
		}
		go l.serve(c)
	}
}

// keep remembers a connection until the line is closed.
func (l *Line) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *Line) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	c.Close()
}

func (l *Line) serve(near net.Conn) {
	if !l.keep(near) {
		return
	}
	defer l.drop(near)
	time.Sleep(l.trip) // the handshake
	far, err := net.Dial("tcp", l.target)
	if err != nil || !l.keep(far) {
		return
	}
	defer l.drop(far)
	done := make(chan struct{}, 2)
	for _, way := range []struct {
		to, from net.Conn
		by       *direction
	}{{far, near, l.up}, {near, far, l.down}} {
		go func() {
			way.by.carry(way.to, way.from, l.trip/2)
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

// direction is one direction of the line. All connections share it.
type direction struct {
	rate float64

	mu    sync.Mutex
	free  time.Time // when everything that was sent so far has left
	bytes int64
}

// leave returns when n bytes that are sent now have left.
func (d *direction) leave(n int) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.free.Before(now) {
		d.free = now
	}
	d.free = d.free.Add(time.Duration(float64(n) / d.rate * float64(time.Second)))
	d.bytes += int64(n)
	return d.free
}

// parcel is what arrives at a moment.
type parcel struct {
	data []byte
	at   time.Time
}

// carry carries what comes from one connection to another until it ends. It takes no more than the line can carry, so
// that the sender sees how slow it is.
func (d *direction) carry(to, from net.Conn, delay time.Duration) {
	parcels := make(chan parcel, 1024)
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		for p := range parcels {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.data); err != nil {
				from.Close()
			}
		}
		if c, ok := to.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
	}()
	for {
		data := make([]byte, 4<<10)
		n, err := from.Read(data)
		if n > 0 {
			left := d.leave(n)
			parcels <- parcel{data[:n], left.Add(delay)}
			time.Sleep(time.Until(left))
		}
		if err != nil {
			break // io.EOF, or a connection that is closed
		}
	}
	close(parcels)
	<-arrived
}
